#include <cmath>

#include "ops/reduce.h"

namespace rushlight {

namespace {

struct LogSumSink final : cpu::ReduceSink {
  char* out;
  int64_t size;
  cpu::Loop cast;

  explicit LogSumSink(const Tensor& t)
      : out(t.data()),
        size(t.item_size()),
        cast(t.dtype() == DType::Float64
                 ? cpu::elementwise().copy[cpu::size_class(8)]
                 : cpu::elementwise().cast[static_cast<int>(DType::Float64)][static_cast<int>(t.dtype())]) {}
  void store(char* acc, const int64_t*, int64_t n, int64_t out_at, int64_t out_step) const override {
    // In place: the values take the place of the maxima.
    cpu::LogSum* const sums = reinterpret_cast<cpu::LogSum*>(acc);
    for (int64_t i = 0; i < n; ++i) {
      const double m = sums[i].max;
      sums[i].max = std::isfinite(m) ? m + std::log(sums[i].sum) : m;
    }
    char* const data[2] = {out + out_at * size, acc};
    const int64_t strides[2] = {out_step * size, sizeof(cpu::LogSum)};
    cast(data, strides, n, nullptr);
  }
};

// Complex numbers: relative to the largest real part.
Tensor complex_logsumexp(const Tensor& x, uint64_t set, bool keepdim) {
  const Tensor parts = real(x);
  const DimVector dims = dim_list(set, x.dim());
  Tensor shift = x.dim() ? amax(parts, dims, true) : parts;
  shift = masked_fill(shift, isinf(shift), 0);
  const Tensor total = log(x.dim() ? sum(exp(sub(x, shift)), dims, true) : exp(sub(x, shift)));
  return resize_(add(total, shift), reduced_shape(x.sizes(), set, keepdim));
}

}  // namespace

Tensor logsumexp(const Tensor& self, IntSpan dims, bool keepdim) {
  check_cpu("logsumexp", self);
  const uint64_t set = reduced_dims(dims, self.dim());
  Tensor x = self;
  if (is_integral(self.dtype(), true)) x = to(self, default_dtype());
  const DType dtype = x.dtype();
  Tensor out;
  {
    NoGradGuard guard;
    if (is_complex(dtype) && x.numel()) {
      out = complex_logsumexp(x, set, keepdim);
    } else {
      out = empty(reduced_shape(x.sizes(), set, keepdim), dtype);
      if (x.numel() == 0)
        fill_(out, -INFINITY);
      else
        cpu::run_reduce(find_kernel(ReduceOp::LogSumExp, "logsumexp_cpu", dtype), false, x.data(), x.item_size(),
                        x.sizes(), x.strides(), set, LogSumSink(out));
    }
  }
  if (autograd::needs(x))
    autograd::record("LogsumexpBackward0", out, {&x},
                     [x = SavedTensor(x), y = SavedTensor::result(out), set, keepdim](autograd::Grads& g) {
                       const Tensor input = g.unpack(x);
                       const Tensor grad = restore_dims(g.grad(), set, keepdim, input.dim());
                       Tensor result = restore_dims(g.unpack(y), set, keepdim, input.dim());
                       // All elements are -inf: the gradient is 0, not NaN.
                       result = masked_fill(result, eq(real(result), -INFINITY), 0);
                       g[0] = mul(grad, conj(exp(sub(input, result))));
                     });
  return out;
}

const Tensor& logsumexp_out(const Tensor& out, const Tensor& self, IntSpan dims, bool keepdim) {
  if (!is_differentiable(out.dtype()))
    fail("logsumexp(): Expected floating point type for result tensor, but got: ", scalar_type_name(out.dtype()));
  return reduce_out("logsumexp", out, self, [&] { return logsumexp(self, dims, keepdim); });
}

}  // namespace rushlight
