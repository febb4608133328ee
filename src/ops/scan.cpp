#include <algorithm>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "ops/reduce.h"

namespace rushlight {

namespace {

const cpu::ScanKernel& scan_kernel(bool product, DType dtype) {
  if (static_cast<int>(dtype) < kNumComputeDTypes) {
    const cpu::ReduceTable& table = cpu::reductions();
    const cpu::ScanKernel& kernel = (product ? table.cumprod : table.cumsum)[static_cast<int>(dtype)];
    if (kernel.rows) return kernel;
  }
  fail<NotImplementedError>("\"", product ? "cumprod" : "cumsum", "_out_cpu\" not implemented for '", dtype, "'");
}

// x and out are contiguous and of one dtype.
void run_scan(bool product, const Tensor& x, const Tensor& out, int64_t dim) {
  const cpu::ScanKernel& kernel = scan_kernel(product, x.dtype());
  if (x.numel() == 0) return;
  int64_t outer = 1, inner = 1;
  for (int64_t d = 0; d < dim; ++d) outer *= x.sizes()[d];
  for (int64_t d = dim + 1; d < x.dim(); ++d) inner *= x.sizes()[d];
  const int64_t n = x.dim() ? x.sizes()[dim] : 1, item = x.item_size();
  const char* const in = x.data();
  char* const to = out.data();
  cpu::BlockingRegion region(x.numel() > cpu::kSerialElements);
  if (inner == 1) {
    parallel_for(0, outer, std::max<int64_t>(1, 32768 / n), [&](int64_t begin, int64_t end) {
      kernel.rows({in + begin * n * item, to + begin * n * item, end - begin, n, 1});
    });
    return;
  }
  const int64_t run = std::min<int64_t>(inner, 512), runs = (inner + run - 1) / run;
  parallel_for(0, outer * runs, std::max<int64_t>(1, 32768 / (n * run)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % runs * run, at = (i / runs * n * inner + first) * item;
      kernel.cols({in + at, to + at, std::min(run, inner - first), n, inner});
    }
  });
}

Tensor scan(bool product, const Tensor& self, int64_t d, DType result) {
  scan_kernel(product, result);
  NoGradGuard guard;
  const Tensor x = contiguous(self.dtype() == result ? self : to(self, result));
  const Tensor out = empty(self.sizes(), result);
  run_scan(product, x, out, d);
  return out;
}

DType scan_dtype(const Tensor& self, OptDType dtype) {
  return dtype ? *dtype : is_integral(self.dtype(), true) ? DType::Int64 : self.dtype();
}

// y[i] = x[i] + ... + x[n-1]
Tensor reverse_cumsum(const Tensor& x, int64_t d) {
  if (x.numel() <= 1 || x.size(d) == 1) return x;
  const IntSpan dims(&d, 1);
  return flip(cumsum(flip(x, dims), d), dims);
}

}  // namespace

Tensor cumsum(const Tensor& self, int64_t dim, OptDType dtype) {
  check_cpu("cumsum", self);
  const int64_t d = wrap_dim(dim, self.dim());
  const DType result = scan_dtype(self, dtype);
  const Tensor out = scan(false, self, d, result);
  if (autograd::needs(self) && is_differentiable(result))
    autograd::record("CumsumBackward0", out, {&self}, [d](autograd::Grads& g) { g[0] = reverse_cumsum(g.grad(), d); });
  return out;
}

// Running products: g[i] is the sum over k >= i of grad[k] times the product of x[0..k] without x[i].
namespace {

Tensor cumprod_grad(const Tensor& grad, const Tensor& x, const Tensor& y, int64_t d) {
  if (x.dim() == 0 || x.numel() == 0) return grad;
  if (!any(eq(x, 0)).item().to_bool()) return div(reverse_cumsum(mul(grad, conj(y)), d), conj(x));
  const DimVector from{d}, last{-1};
  const Tensor rows = movedim(x, from, last), g = movedim(grad, from, last);
  const int64_t n = rows.size(-1);
  DimVector square(rows.sizes());
  square.insert(square.size() - 1, n);
  const Tensor at = arange(0, n, 1);
  const Tensor others = masked_fill(expand(unsqueeze(rows, -2), square), eq(at, unsqueeze(at, 1)), 1);
  const Tensor terms = masked_fill(mul(unsqueeze(g, -2), conj(cumprod(others, -1))), lt(at, unsqueeze(at, 1)), 0);
  return movedim(sum(terms, last), last, from);
}

}  // namespace

Tensor cumprod(const Tensor& self, int64_t dim, OptDType dtype) {
  check_cpu("cumprod", self);
  const int64_t d = wrap_dim(dim, self.dim());
  const DType result = scan_dtype(self, dtype);
  const Tensor out = scan(true, self, d, result);
  if (autograd::needs(self) && is_differentiable(result)) {
    SavedTensor x(self.dtype() == result ? self : to(self, result));
    autograd::record("CumprodBackward0", out, {&self}, [x, y = SavedTensor::result(out), d](autograd::Grads& g) {
      g[0] = cumprod_grad(g.grad(), g.unpack(x), g.unpack(y), d);
    });
  }
  return out;
}

}  // namespace rushlight
