#include "ops/reduce.h"

namespace rushlight {

namespace {

// Columns of one call: as many as keep a strip in the cache.
int64_t widest(const Tensor& t, int64_t dim) {
  const int64_t n = t.dim() ? std::max<int64_t>(1, t.sizes()[dim]) : 1;
  return std::max<int64_t>(64, 32768 / n / 64 * 64);
}

void run_softmax(const Tensor& x, const Tensor& out, int64_t dim, bool log) {
  const cpu::ReduceTable& table = cpu::reductions();
  const int dtype = static_cast<int>(x.dtype());
  const int64_t item = x.item_size();
  const char* const in = x.data();
  char* const to = out.data();
  for_lines(x, dim, 16384, widest(x, dim), [&](const Lines& l) {
    (l.rows ? table.softmax_rows
            : table.softmax_cols)[dtype]({in + l.at * item, to + l.at * item, l.count, l.n, l.stride, log});
  });
}

// The gradient of softmax (log: log_softmax) with result y; itself differentiable.
Tensor softmax_backward(const Tensor& grad, const Tensor& y, int64_t dim, bool log) {
  Tensor out;
  {
    NoGradGuard guard;
    const Tensor g = contiguous(grad), r = contiguous(y);
    out = empty(y.sizes(), y.dtype());
    const cpu::ReduceTable& table = cpu::reductions();
    const int dtype = static_cast<int>(y.dtype());
    const int64_t item = y.item_size();
    const char *const from = g.data(), *const result = r.data();
    char* const to = out.data();
    for_lines(out, dim, 16384, widest(out, dim), [&](const Lines& l) {
      const int64_t at = l.at * item;
      (l.rows ? table.softmax_grad_rows
              : table.softmax_grad_cols)[dtype]({from + at, result + at, to + at, l.count, l.n, l.stride, log});
    });
  }
  if (autograd::needs(grad, y))
    autograd::record(log ? "LogSoftmaxBackwardDataBackward0" : "SoftmaxBackwardDataBackward0", out, {&grad, &y},
                     [first = SavedTensor(grad), result = SavedTensor(y), dim, log](autograd::Grads& g) {
                       const IntSpan over(&dim, 1);
                       const Tensor gg = g.grad(), f = g.unpack(first), r = g.unpack(result);
                       if (log) {
                         const Tensor e = exp(r);
                         if (g.needs(0)) g[0] = sub(gg, sum(mul(gg, e), over, true));
                         if (g.needs(1)) g[1] = neg(mul(mul(e, sum(f, over, true)), gg));
                       } else {
                         if (g.needs(0)) g[0] = softmax_backward(gg, r, dim, false);
                         if (g.needs(1))
                           g[1] = sub(mul(gg, sub(f, sum(mul(f, r), over, true))), mul(f, sum(mul(gg, r), over, true)));
                       }
                     });
  return out;
}

Tensor softmax_op(const Tensor& self, int64_t dim, OptDType dtype, bool log) {
  check_cpu(log ? "log_softmax" : "softmax", self);
  const int64_t d = wrap_dim(dim, self.dim());
  const DType result = dtype ? *dtype : self.dtype();
  if (!is_floating_point(result) && self.numel())
    fail<NotImplementedError>("\"", log ? "log_softmax" : "softmax", d + 1 >= self.dim() ? "_lastdim" : "",
                              "_kernel_impl\" not implemented for '", result, "'");
  Tensor x;
  {
    NoGradGuard guard;
    x = contiguous(self.dtype() == result ? self : to(self, result));
  }
  const Tensor out = empty(self.sizes(), result);
  run_softmax(x, out, d, log);
  if (autograd::needs(self)) {
    auto derivative = [y = SavedTensor::result(out), d, log](autograd::Grads& g) {
      g[0] = softmax_backward(g.grad(), g.unpack(y), d, log);
    };
    autograd::record(log ? "LogSoftmaxBackward0" : "SoftmaxBackward0", out, {&self}, std::move(derivative));
  }
  return out;
}

}  // namespace

Tensor softmax(const Tensor& self, int64_t dim, OptDType dtype) { return softmax_op(self, dim, dtype, false); }
Tensor log_softmax(const Tensor& self, int64_t dim, OptDType dtype) { return softmax_op(self, dim, dtype, true); }

}  // namespace rushlight
