#include <algorithm>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "ops/reduce.h"

namespace rushlight {

namespace {

void run_softmax(const Tensor& x, const Tensor& out, int64_t dim, bool log) {
  if (x.numel() == 0) return;
  const cpu::ReduceTable& table = cpu::reductions();
  const int dtype = static_cast<int>(x.dtype());
  int64_t outer = 1, inner = 1;
  for (int64_t d = 0; d < dim; ++d) outer *= x.sizes()[d];
  for (int64_t d = dim + 1; d < x.dim(); ++d) inner *= x.sizes()[d];
  const int64_t n = x.dim() ? x.sizes()[dim] : 1, item = x.item_size();
  const char* const in = x.data();
  char* const to = out.data();
  cpu::BlockingRegion region(x.numel() > cpu::kSerialElements);
  if (inner == 1) {
    parallel_for(0, outer, std::max<int64_t>(1, 16384 / n), [&](int64_t begin, int64_t end) {
      table.softmax_rows[dtype]({in + begin * n * item, to + begin * n * item, end - begin, n, 1, log});
    });
    return;
  }
  // Columns, in runs that lie within one outer index.
  const int64_t run = std::min(inner, std::max<int64_t>(64, 32768 / n / 64 * 64)), runs = (inner + run - 1) / run;
  parallel_for(0, outer * runs, std::max<int64_t>(1, 16384 / (n * run)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % runs * run, at = (i / runs * n * inner + first) * item;
      table.softmax_cols[dtype]({in + at, to + at, std::min(run, inner - first), n, inner, log});
    }
  });
}

// grad of softmax: y (g - sum(g y)); of log_softmax: g - exp(y) sum(g)
Tensor softmax_grad(const Tensor& g, const Tensor& y, int64_t dim, bool log) {
  const IntSpan over(&dim, 1);
  if (log) return sub(g, mul(exp(y), sum(g, over, true)));
  const Tensor gy = mul(g, y);
  return sub(gy, mul(y, sum(gy, over, true)));
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
      g[0] = softmax_grad(g.grad(), g.unpack(y), d, log);
    };
    autograd::record(log ? "LogSoftmaxBackward0" : "SoftmaxBackward0", out, {&self}, std::move(derivative));
  }
  return out;
}

}  // namespace

Tensor softmax(const Tensor& self, int64_t dim, OptDType dtype) { return softmax_op(self, dim, dtype, false); }
Tensor log_softmax(const Tensor& self, int64_t dim, OptDType dtype) { return softmax_op(self, dim, dtype, true); }

}  // namespace rushlight
