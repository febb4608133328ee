// Extremes and where they are.
#include "ops/reduce.h"

namespace rushlight {

namespace {

bool records(const Tensor& self, DType result) { return autograd::needs(self) && is_differentiable(result); }

// Values and places of extremes, to contiguous tensors.
struct ArgSink final : cpu::ReduceSink {
  char* values;  // null: not wanted
  int64_t* indices;
  int64_t value_size;
  DType dtype;
  cpu::Loop cast;

  ArgSink(const Tensor* v, const Tensor& i, DType value_dtype, const cpu::ReduceKernel& kernel)
      : values(v ? v->data() : nullptr),
        indices(i.data_ptr<int64_t>()),
        value_size(item_size(value_dtype)),
        dtype(kernel.acc),
        cast(kernel.acc == value_dtype
                 ? cpu::elementwise().copy[cpu::size_class(value_size)]
                 : cpu::elementwise().cast[static_cast<int>(kernel.acc)][static_cast<int>(value_dtype)]) {}

  void store(char* acc, const int64_t* index, int64_t n, int64_t out_at, int64_t out_step) const override {
    for (int64_t i = 0; i < n; ++i) indices[out_at + i * out_step] = index[i];
    if (!values) return;
    char* const data[2] = {values + out_at * value_size, acc};
    const int64_t strides[2] = {out_step * value_size, item_size(dtype)};
    cast(data, strides, n, nullptr);
  }
};

// Writes pairs of accumulators to two contiguous tensors.
struct PairSink final : cpu::ReduceSink {
  char *low, *high;
  int64_t size, acc_size;
  cpu::Loop cast;

  PairSink(const Tensor& l, const Tensor& h) : low(l.data()), high(h.data()), size(l.item_size()) {
    const DType dtype = l.dtype(), acc = dtype == DType::Bool ? DType::UInt8 : kernel_dtype(dtype);
    acc_size = item_size(acc);
    cast = acc == dtype ? cpu::elementwise().copy[cpu::size_class(size)]
                        : cpu::elementwise().cast[static_cast<int>(acc)][static_cast<int>(dtype)];
  }
  void store(char* acc, const int64_t*, int64_t n, int64_t out_at, int64_t out_step) const override {
    const int64_t strides[2] = {out_step * size, 2 * acc_size};
    char* const lows[2] = {low + out_at * size, acc};
    char* const highs[2] = {high + out_at * size, acc + acc_size};
    cast(lows, strides, n, nullptr);
    cast(highs, strides, n, nullptr);
  }
};

// Extremes of nothing do not exist.
void check_extreme_dims(const char* name, const Tensor& self, OptSpan dims) {
  if (self.numel() != 0) return;
  if (!dims || dims->empty())
    fail(name,
         "(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' "
         "argument.");
  for (int64_t d : *dims)
    if (const int64_t at = wrap_dim(d, self.dim()); self.dim() && self.size(at) == 0)
      fail<IndexError>(name, "(): Expected reduction dim ", d, " to have non-zero size.");
}

}  // namespace

Tensor share_evenly(const Tensor& grad, const Tensor& x, const Tensor& result) {
  const Tensor mask = logical_or(eq(x, result), logical_and(isnan(x), isnan(result)));
  return where(mask, div(grad, sum(mask)), 0);
}

namespace {

// Gradients go to the elements equal to the result, in equal parts.
Tensor extreme_grad(const Tensor& grad, const Tensor& x, const Tensor& result, uint64_t set, bool keepdim) {
  const int64_t ndim = x.dim();
  const Tensor g = restore_dims(grad, set, keepdim, ndim), y = restore_dims(result, set, keepdim, ndim);
  const Tensor mask = eq(x, y);
  // (The division takes counts as they are: half precision could not hold them.)
  return mul(div(g, ndim ? sum(mask, dim_list(set, ndim), true) : sum(mask)), mask);
}

Tensor extreme(ReduceOp op, const char* name, const char* node, const char* kernel_name, const Tensor& self,
               OptSpan dims, bool keepdim, bool whole) {
  check_cpu(name, self);
  check_extreme_dims(name, self, dims);
  const uint64_t set = reduced_dims(dims, self.dim());
  const DType dtype = self.dtype();
  if (is_complex(dtype) && self.numel())
    fail<NotImplementedError>("\"", kernel_name, "\" not implemented for '", dtype, "'");
  const Tensor out = empty(reduced_shape(self.sizes(), set, keepdim), dtype);
  reduce_into(op, kernel_name, self, set, out, 0);
  if (records(self, dtype))
    autograd::record(node, out, {&self},
                     [x = SavedTensor(self), y = SavedTensor::result(out), set, keepdim, whole](autograd::Grads& g) {
                       g[0] = whole ? share_evenly(g.grad(), g.unpack(x), g.unpack(y))
                                    : extreme_grad(g.grad(), g.unpack(x), g.unpack(y), set, keepdim);
                     });
  return out;
}

void run_arg(ReduceOp op, const char* kernel_name, const Tensor& self, uint64_t set, const Tensor* values,
             const Tensor& indices) {
  const cpu::ReduceKernel& kernel = find_kernel(op, kernel_name, self.dtype());
  if (self.numel() == 0) return;
  const ArgSink sink(values, indices, self.dtype(), kernel);
  cpu::run_reduce(kernel, true, self.data(), self.item_size(), self.sizes(), self.strides(), set, sink);
}

std::tuple<Tensor, Tensor> extreme_dim(ReduceOp op, const char* name, const char* node, const Tensor& self, int64_t dim,
                                       bool keepdim) {
  check_cpu(name, self);
  const int64_t d = wrap_dim(dim, self.dim());
  check_extreme_dims(name, self, IntSpan(&d, 1));
  if (is_complex(self.dtype())) fail(name, "(): does not support complex input");
  const uint64_t set = layout::dim_set(IntSpan(&d, 1), self.dim());
  const DimVector shape = reduced_shape(self.sizes(), set, keepdim);
  const Tensor values = empty(shape, self.dtype()), indices = empty(shape, DType::Int64);
  run_arg(op, op == ReduceOp::ArgMax ? "max_cpu" : "min_cpu", self, set, &values, indices);
  if (records(self, self.dtype()))
    autograd::record(
        node, values, {&self},
        [index = SavedTensor(indices), sizes = DimVector(self.sizes()), d, set, keepdim](autograd::Grads& g) {
          const int64_t ndim = sizes.size();
          const Tensor at = g.unpack(index);
          if (ndim == 0) {
            g[0] = g.grad();
            return;
          }
          g[0] = scatter_add(zeros(sizes, g.grad().dtype()), d, restore_dims(at, set, keepdim, ndim),
                             restore_dims(g.grad(), set, keepdim, ndim));
        });
  return {values, indices};
}

Tensor arg_extreme(ReduceOp op, const char* name, const Tensor& self, OptInt dim, bool keepdim) {
  check_cpu(name, self);
  if (is_complex(self.dtype())) fail(name, "(): does not support complex input");
  if (self.dtype() == DType::Bool) fail(name, "(): does not support bool input");
  const char* kernel_name = op == ReduceOp::ArgMax ? "argmax_cpu" : "argmin_cpu";
  if (dim) {
    const int64_t d = wrap_dim(*dim, self.dim());
    const uint64_t set = layout::dim_set(IntSpan(&d, 1), self.dim());
    check_extreme_dims(name, self, IntSpan(&d, 1));
    const Tensor indices = empty(reduced_shape(self.sizes(), set, keepdim), DType::Int64);
    run_arg(op, kernel_name, self, set, nullptr, indices);
    return indices;
  }
  if (self.numel() == 0) fail<IndexError>(name, "(): Expected reduction dim to be specified for input.numel() == 0.");
  const uint64_t set = reduced_dims({}, self.dim());
  const Tensor indices = empty(reduced_shape(self.sizes(), set, keepdim), DType::Int64);
  NoGradGuard guard;
  const Tensor x = contiguous(self);
  const cpu::ReduceKernel& kernel = find_kernel(op, kernel_name, x.dtype());
  const int64_t size = x.numel(), stride = 1;
  cpu::run_reduce(kernel, true, x.data(), x.item_size(), IntSpan(&size, 1), IntSpan(&stride, 1), 1,
                  ArgSink(nullptr, indices, x.dtype(), kernel));
  return indices;
}

}  // namespace

Tensor amax(const Tensor& self, OptSpan dims, bool keepdim) {
  return extreme(ReduceOp::Max, "amax", "AmaxBackward0", "max_values_cpu", self, dims, keepdim, false);
}
Tensor amin(const Tensor& self, OptSpan dims, bool keepdim) {
  return extreme(ReduceOp::Min, "amin", "AminBackward0", "min_values_cpu", self, dims, keepdim, false);
}
Tensor max(const Tensor& self) {
  return extreme(ReduceOp::Max, "max", "MaxBackward1", "max_all", self, {}, false, true);
}
Tensor min(const Tensor& self) {
  return extreme(ReduceOp::Min, "min", "MinBackward1", "min_all", self, {}, false, true);
}
std::tuple<Tensor, Tensor> max(const Tensor& self, int64_t dim, bool keepdim) {
  return extreme_dim(ReduceOp::ArgMax, "max", "MaxBackward0", self, dim, keepdim);
}
std::tuple<Tensor, Tensor> min(const Tensor& self, int64_t dim, bool keepdim) {
  return extreme_dim(ReduceOp::ArgMin, "min", "MinBackward0", self, dim, keepdim);
}
Tensor argmax(const Tensor& self, OptInt dim, bool keepdim) {
  return arg_extreme(ReduceOp::ArgMax, "argmax", self, dim, keepdim);
}
Tensor argmin(const Tensor& self, OptInt dim, bool keepdim) {
  return arg_extreme(ReduceOp::ArgMin, "argmin", self, dim, keepdim);
}

std::tuple<Tensor, Tensor> aminmax(const Tensor& self, OptInt dim, bool keepdim) {
  check_cpu("aminmax", self);
  OptSpan dims;
  if (dim) dims = IntSpan(&*dim, 1);
  const uint64_t set = reduced_dims(dims, self.dim());
  if (self.numel() == 0) {
    if (!dim) fail("aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.");
    if (const int64_t d = wrap_dim(*dim, self.dim()); self.size(d) == 0)
      fail<IndexError>("aminmax: Expected reduction dim ", d, " to have non-zero size.");
  }
  const DType dtype = self.dtype();
  const cpu::ReduceKernel& kernel = find_kernel(ReduceOp::MinMax, "aminmax_cpu", dtype);
  const DimVector shape = reduced_shape(self.sizes(), set, keepdim);
  const Tensor results[2] = {empty(shape, dtype), empty(shape, dtype)};
  if (self.numel())
    cpu::run_reduce(kernel, false, self.data(), self.item_size(), self.sizes(), self.strides(), set,
                    PairSink(results[0], results[1]));
  if (records(self, dtype))
    autograd::record_many("AminmaxBackward0", results, {&self, 1},
                          [x = SavedTensor(self), low = SavedTensor::result(results[0]),
                           high = SavedTensor::result(results[1], 1), set, keepdim](autograd::Grads& g) {
                            Tensor total;
                            for (size_t i = 0; i < 2; ++i) {
                              if (!g.grad(i).defined()) continue;
                              const Tensor part =
                                  extreme_grad(g.grad(i), g.unpack(x), g.unpack(i ? high : low), set, keepdim);
                              total = total.defined() ? add(total, part) : part;
                            }
                            g[0] = total;
                          });
  return {results[0], results[1]};
}

}  // namespace rushlight
