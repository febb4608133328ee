// Running sums, products and logsumexp along a dim.
#include "ops/reduce.h"

namespace rushlight {

namespace {

enum class Scan : uint8_t { Sum, Product, LogSumExp };

const cpu::ScanKernel& scan_kernel(Scan op, DType dtype) {
  constexpr const char* names[] = {"cumsum", "cumprod", "logcumsumexp"};
  if (static_cast<int>(dtype) < kNumComputeDTypes) {
    const cpu::ReduceTable& table = cpu::reductions();
    const cpu::ScanKernel& kernel = (op == Scan::Sum       ? table.cumsum
                                     : op == Scan::Product ? table.cumprod
                                                           : table.logcumsumexp)[static_cast<int>(dtype)];
    if (kernel.rows) return kernel;
  }
  fail<NotImplementedError>("\"", names[static_cast<int>(op)], "_out_cpu\" not implemented for '", dtype, "'");
}

Tensor scan(Scan op, const Tensor& self, int64_t d, DType result) {
  if (result == DType::Bool && (self.dim() == 0 || self.numel() == 0)) return clone(to(self, result));
  const cpu::ScanKernel& kernel = scan_kernel(op, result);
  NoGradGuard guard;
  const Tensor x = contiguous(self.dtype() == result ? self : to(self, result));
  const Tensor out = empty(self.sizes(), result);
  const int64_t item = x.item_size();
  const char* const in = x.data();
  char* const to = out.data();
  for_lines(x, d, op == Scan::LogSumExp ? 8192 : 32768, 512, [&](const Lines& l) {
    (l.rows ? kernel.rows : kernel.cols)({in + l.at * item, to + l.at * item, l.count, l.n, l.stride});
  });
  return out;
}

// y[i] = x[i] + ... + x[n-1]
Tensor reverse_cumsum(const Tensor& x, int64_t d) {
  if (x.numel() <= 1 || x.size(d) == 1) return x;
  const IntSpan dims(&d, 1);
  return flip(cumsum(flip(x, dims), d), dims);
}

// Moved one place on along d; `fill` comes in front.
Tensor shifted(const Tensor& x, int64_t d, const Scalar& fill) {
  DimVector first(x.sizes());
  first[d] = 1;
  const Tensor parts[2] = {full(first, fill, x.dtype()), narrow(x, d, 0, x.size(d) - 1)};
  return cat(parts, d);
}

// h[i] = b[i] + a[i] * h[i-1], or backwards h[i] = b[i] + a[i+1] * h[i+1]; a[0] is never used. The derivative with
// respect to b is the same recurrence in the other direction, so this can be differentiated any number of times.
Tensor recurrence(const Tensor& a, const Tensor& b, int64_t d, bool backwards) {
  Tensor h;
  {
    NoGradGuard guard;
    const Tensor x = contiguous(a), y = contiguous(b);
    h = empty(b.sizes(), b.dtype());
    const cpu::ReduceTable& table = cpu::reductions();
    const int dtype = static_cast<int>(b.dtype());
    const int64_t item = b.item_size();
    const char *const factors = x.data(), *const terms = y.data();
    char* const out = h.data();
    for_lines(h, d, 32768, 512, [&](const Lines& l) {
      const int64_t at = l.at * item;
      (l.rows ? table.recurrence_rows
              : table.recurrence_cols)[dtype]({factors + at, terms + at, out + at, l.count, l.n, l.stride, backwards});
    });
  }
  if (autograd::needs(a, b))
    autograd::record("LinearRecurrenceBackward", h, {&a, &b},
                     [a = SavedTensor(a), h = SavedTensor::result(h), d, backwards](autograd::Grads& g) {
                       const Tensor terms = recurrence(conj(g.unpack(a)), g.grad(), d, !backwards);
                       g[1] = terms;
                       if (!g.needs(0)) return;
                       const Tensor values = conj(g.unpack(h));
                       g[0] = backwards ? mul(shifted(terms, d, 0), values) : mul(terms, shifted(values, d, 0));
                     });
  return h;
}

}  // namespace

Tensor cumsum(const Tensor& self, int64_t dim, OptDType dtype) {
  check_cpu("cumsum", self);
  const int64_t d = wrap_dim(dim, self.dim());
  const DType result = sum_dtype(self, dtype);
  const bool record = records_sum(self, result);
  const Tensor out = scan(Scan::Sum, self, d, result);
  if (record)
    autograd::record("CumsumBackward0", out, {&self}, [d](autograd::Grads& g) { g[0] = reverse_cumsum(g.grad(), d); });
  return out;
}

namespace {

// grad[k] times the product of x[0..k] without x[i], summed over k >= i: the product y[i-1] of the elements before i
// times r[i] = grad[i] + x[i+1] * r[i+1]. Nothing is divided, so zeros need no care.
Tensor cumprod_grad(const Tensor& grad, const Tensor& x, const Tensor& y, int64_t d) {
  if (x.dim() == 0) return grad;
  if (x.numel() == 0) return mul(grad, x);
  return mul(conj(shifted(y, d, 1)), recurrence(conj(x), grad, d, true));
}

}  // namespace

Tensor cumprod(const Tensor& self, int64_t dim, OptDType dtype) {
  check_cpu("cumprod", self);
  const int64_t d = wrap_dim(dim, self.dim());
  const DType result = sum_dtype(self, dtype);
  const bool record = records_sum(self, result);
  const Tensor out = scan(Scan::Product, self, d, result);
  if (record) {
    SavedTensor x(self.dtype() == result ? self : to(self, result));
    autograd::record("CumprodBackward0", out, {&self}, [x, y = SavedTensor::result(out), d](autograd::Grads& g) {
      g[0] = cumprod_grad(g.grad(), g.unpack(x), g.unpack(y), d);
    });
  }
  return out;
}

namespace {

// grad[k] * exp(x[i] - y[k]), summed over k >= i: exp(x[i] - y[i]) times r[i] = grad[i] + exp(y[i] - y[i+1]) * r[i+1],
// whose factors do not exceed 1. -inf contributes nothing.
Tensor logcumsumexp_grad(const Tensor& grad, const Tensor& x, const Tensor& y, int64_t d) {
  if (x.numel() == 0 || x.dim() == 0) return mul(grad, exp(sub(x, y)));
  const Tensor nothing = eq(real(y), -INFINITY);
  const Tensor before = shifted(y, d, 0);
  const Tensor falling = exp(masked_fill(sub(before, y), nothing, -INFINITY));
  const Tensor weight = exp(masked_fill(sub(x, y), nothing, -INFINITY));
  return mul(conj(weight), recurrence(conj(falling), grad, d, true));
}

}  // namespace

Tensor logcumsumexp(const Tensor& self, int64_t dim) {
  check_cpu("logcumsumexp", self);
  const int64_t d = wrap_dim(dim, self.dim());
  const Tensor out = scan(Scan::LogSumExp, self, d, self.dtype());
  if (autograd::needs(self))
    autograd::record("LogcumsumexpBackward0", out, {&self},
                     [x = SavedTensor(self), y = SavedTensor::result(out), d](autograd::Grads& g) {
                       g[0] = logcumsumexp_grad(g.grad(), g.unpack(x), g.unpack(y), d);
                     });
  return out;
}

const Tensor& logcumsumexp_out(const Tensor& out, const Tensor& self, int64_t dim) {
  if (out.dtype() != self.dtype())
    fail("expected scalar_type ", scalar_type_name(self.dtype()), " but found ", scalar_type_name(out.dtype()));
  return reduce_out("logcumsumexp", out, self, [&] { return logcumsumexp(self, dim); });
}

}  // namespace rushlight
