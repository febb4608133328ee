#include "ops/reduce.h"

#include <cmath>

#include "cpu/loop_plan.h"
#include "layout/layout.h"

namespace rushlight {

uint64_t reduced_dims(OptSpan dims, int64_t ndim) {
  if (!dims || dims->empty()) return ndim >= 64 ? ~uint64_t{0} : (uint64_t{1} << ndim) - 1;
  const uint64_t set = layout::dim_set(*dims, ndim);
  return ndim ? set : 0;
}

DimVector reduced_shape(IntSpan sizes, uint64_t dims, bool keepdim) {
  DimVector shape;
  for (size_t d = 0; d < sizes.size(); ++d)
    if (!(dims >> d & 1))
      shape.push_back(sizes[d]);
    else if (keepdim)
      shape.push_back(1);
  return shape;
}

int64_t reduced_count(IntSpan sizes, uint64_t dims) {
  int64_t count = 1;
  for (size_t d = 0; d < sizes.size(); ++d)
    if (dims >> d & 1) count *= sizes[d];
  return count;
}

Tensor restore_dims(const Tensor& t, uint64_t dims, bool keepdim, int64_t ndim) {
  if (keepdim) return t;
  Tensor r = t;
  for (int64_t d = 0; d < ndim; ++d)
    if (dims >> d & 1) r = unsqueeze(r, d);
  return r;
}

Tensor expand_reduced(const Tensor& t, IntSpan sizes, uint64_t dims, bool keepdim) {
  if (t.dim() == 0) return expand(t, sizes);
  return expand(restore_dims(t, dims, keepdim, static_cast<int64_t>(sizes.size())), sizes);
}

namespace {

uint64_t all_dims(int64_t ndim) { return reduced_dims({}, ndim); }

// Converts accumulators to elements of a contiguous tensor.
struct CastSink final : cpu::ReduceSink {
  char* out;
  int64_t out_size, acc_size;
  DType acc_dtype;
  cpu::Loop cast;
  Finish finish;
  double divisor;

  CastSink(const Tensor& t, DType out_dtype, const cpu::ReduceKernel& kernel, Finish f, double d)
      : out(t.data()),
        out_size(item_size(out_dtype)),
        acc_size(kernel.acc_size),
        acc_dtype(kernel.acc),
        cast(kernel.acc == out_dtype
                 ? cpu::elementwise().copy[cpu::size_class(out_size)]
                 : cpu::elementwise().cast[static_cast<int>(kernel.acc)][static_cast<int>(out_dtype)]),
        finish(f),
        divisor(d) {}

  template <class T>
  void adjust(T* acc, int64_t n) const {
    if (finish == Finish::Divide)
      for (int64_t i = 0; i < n; ++i) acc[i] = acc[i] / static_cast<T>(divisor);
    else
      for (int64_t i = 0; i < n; ++i) acc[i] = std::sqrt(acc[i]);
  }
  void store(char* acc, const int64_t*, int64_t n, int64_t out_at, int64_t out_step) const override {
    if (finish != Finish::None) {
      if (acc_dtype == DType::Float32)
        adjust(reinterpret_cast<float*>(acc), n);
      else
        adjust(reinterpret_cast<double*>(acc), n);
    }
    char* const data[2] = {out + out_at * out_size, acc};
    const int64_t strides[2] = {out_step * out_size, acc_size};
    cast(data, strides, n, nullptr);
  }
};

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

}  // namespace

const cpu::ReduceKernel& find_kernel(ReduceOp op, const char* name, DType dtype) {
  if (static_cast<int>(dtype) < kNumComputeDTypes) {
    const cpu::ReduceKernel& kernel = cpu::reductions().reduce[static_cast<int>(op)][static_cast<int>(dtype)];
    if (kernel.rows) return kernel;
  }
  fail<NotImplementedError>("\"", name, "\" not implemented for '", dtype, "'");
}

void reduce_into(ReduceOp op, const char* name, const Tensor& self, uint64_t dims, const Tensor& out,
                 const Scalar& identity, Finish finish, double divisor, bool merge_parts) {
  const DType dtype = self.dtype();
  const bool parts = is_complex(dtype) && op != ReduceOp::Prod;
  const DType element = parts ? to_real(dtype) : dtype;
  const cpu::ReduceKernel& kernel = find_kernel(op, name, element);
  if (self.numel() == 0) {
    if (out.numel()) fill_(out, identity);
    return;
  }
  const CastSink sink(out, parts && !merge_parts ? to_real(out.dtype()) : out.dtype(), kernel, finish, divisor);
  const int64_t ndim = self.dim();
  if (!parts && out.numel() == 1 && self.is_contiguous() && self.numel() <= cpu::kSerialElements) [[likely]] {
    alignas(16) char acc[sizeof(cpu::Moments)];
    kernel.rows({self.data(), 1, 0, self.numel(), item_size(dtype), acc});
    sink.store(acc, nullptr, 1, 0, 0);
    return;
  }
  if (!parts) {
    cpu::run_reduce(kernel, false, self.data(), item_size(dtype), self.sizes(), self.strides(), dims, sink);
    return;
  }
  if (ndim == kMaxDims) fail(name, ": complex tensors of ", kMaxDims, " dims are not supported");
  DimVector sizes(self.sizes()), strides(self.strides());
  for (int64_t& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  dims &= all_dims(ndim);
  if (merge_parts) dims |= uint64_t{1} << ndim;
  cpu::run_reduce(kernel, false, self.data(), item_size(element), sizes, strides, dims, sink);
}

namespace {

// The operand of a sum or product with results of `dtype`: itself where the kernel's accumulator serves, else
// converted.
Tensor summand(const Tensor& self, DType dtype) {
  const DType own = self.dtype();
  if (own == dtype || (dtype == DType::Int64 && static_cast<int>(own) <= static_cast<int>(DType::Int64)) ||
      (dtype == DType::Float32 && kernel_dtype(own) == DType::Float32))
    return self;
  NoGradGuard guard;
  return to(self, dtype);
}

DType sum_dtype(const Tensor& self, OptDType dtype) {
  return dtype ? *dtype : is_integral(self.dtype(), true) ? DType::Int64 : self.dtype();
}

bool records(const Tensor& self, DType result) { return autograd::needs(self) && is_differentiable(result); }

}  // namespace

// ---- sum, mean

Tensor sum(const Tensor& self, OptSpan dims, bool keepdim, OptDType dtype) {
  check_cpu("sum", self);
  const uint64_t set = reduced_dims(dims, self.dim());
  const DType result = sum_dtype(self, dtype);
  if (static_cast<int>(result) >= kNumComputeDTypes) find_kernel(ReduceOp::Sum, "sum_cpu", result);
  const Tensor out = !dims && !keepdim ? empty({}, result) : empty(reduced_shape(self.sizes(), set, keepdim), result);
  reduce_into(ReduceOp::Sum, "sum_cpu", summand(self, result), set, out, 0);
  if (records(self, result)) [[unlikely]]
    autograd::record(dims ? "SumBackward1" : "SumBackward0", out, {&self},
                     [sizes = DimVector(self.sizes()), set, keepdim](autograd::Grads& g) {
                       g[0] = expand_reduced(g.grad(), sizes, set, keepdim);
                     });
  return out;
}

Tensor mean(const Tensor& self, OptSpan dims, bool keepdim, OptDType dtype) {
  check_cpu("mean", self);
  const DType result = dtype ? *dtype : self.dtype();
  if (!is_differentiable(result))
    fail("mean(): could not infer output dtype. ", dtype ? "Optional" : "Input",
         " dtype must be either a floating point or complex dtype. Got: ", result);
  const uint64_t set = reduced_dims(dims, self.dim());
  const double count = static_cast<double>(reduced_count(self.sizes(), set));
  const Tensor out = !dims && !keepdim ? empty({}, result) : empty(reduced_shape(self.sizes(), set, keepdim), result);
  reduce_into(ReduceOp::Sum, "sum_cpu", summand(self, result), set, out, NAN, Finish::Divide, count);
  if (autograd::needs(self)) [[unlikely]]
    autograd::record(dims ? "MeanBackward1" : "MeanBackward0", out, {&self},
                     [sizes = DimVector(self.sizes()), set, keepdim, count](autograd::Grads& g) {
                       g[0] = expand_reduced(div(g.grad(), count), sizes, set, keepdim);
                     });
  return out;
}

// ---- prod

namespace {

// grad of a product over `dims` (all, or one): grad * the product of the other elements.
Tensor prod_grad(const Tensor& grad, const Tensor& x, const Tensor& result, uint64_t set, bool keepdim) {
  const int64_t ndim = x.dim();
  if (x.numel() == 0 || ndim == 0) return ndim == 0 ? grad : zeros_like(x);
  const Tensor g = restore_dims(grad, set, keepdim, ndim), p = restore_dims(result, set, keepdim, ndim);
  const Tensor zero = eq(x, 0);
  if (!any(zero).item().to_bool()) return mul(g, conj(div(p, x)));
  OptInt dim;
  if (set != all_dims(ndim) || ndim == 1)
    for (int64_t d = 0; d < ndim; ++d)
      if (set >> d & 1) dim = d;
  if (GradMode::enabled()) {
    // Differentiable: row i of an n x n matrix holds the elements with 1 in the place of element i.
    const Tensor rows = dim ? movedim(x, IntSpan(&*dim, 1), DimVector{-1}) : reshape(x, DimVector{-1});
    const int64_t n = rows.size(-1);
    DimVector square(rows.sizes());
    square.insert(square.size() - 1, n);
    const Tensor others = prod(masked_fill(expand(unsqueeze(rows, -2), square), eye(n, {}, DType::Bool), 1), -1);
    return mul(g, conj(dim ? movedim(others, DimVector{-1}, IntSpan(&*dim, 1)) : reshape(others, x.sizes())));
  }
  // A single zero gets the product of the rest; where there are more, everything is 0.
  const Tensor rest = masked_fill(x, zero, 1);
  const Tensor p1 = dim ? prod(rest, dim, true) : restore_dims(prod(rest), set, false, ndim);
  OptSpan over;
  if (dim) over = IntSpan(&*dim, 1);
  const Tensor zeros = sum(zero, over, true);
  const Tensor others = where(zero, p1, div(p, rest));
  return mul(g, conj(where(gt(sub(zeros, to(zero, DType::Int64)), 0), zeros_like(others), others)));
}

}  // namespace

Tensor prod(const Tensor& self, OptInt dim, bool keepdim, OptDType dtype) {
  check_cpu("prod", self);
  OptSpan dims;
  if (dim) dims = IntSpan(&*dim, 1);
  const uint64_t set = reduced_dims(dims, self.dim());
  const DType result = sum_dtype(self, dtype);
  if (static_cast<int>(result) >= kNumComputeDTypes) find_kernel(ReduceOp::Prod, "prod_cpu", result);
  const Tensor out = empty(reduced_shape(self.sizes(), set, keepdim), result);
  reduce_into(ReduceOp::Prod, "prod_cpu", summand(self, result), set, out, 1);
  if (records(self, result)) {
    SavedTensor x(self.dtype() == result ? self : to(self, result));
    auto node = autograd::record(dim ? "ProdBackward1" : "ProdBackward0", out, {&self},
                                 [x, y = SavedTensor::result(out), set, keepdim](autograd::Grads& g) {
                                   g[0] = prod_grad(g.grad(), g.unpack(x), g.unpack(y), set, keepdim);
                                 });
  }
  return out;
}

// ---- extremes

namespace {

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

// Gradients go to the elements equal to the result, in equal parts.
Tensor extreme_grad(const Tensor& grad, const Tensor& x, const Tensor& result, uint64_t set, bool keepdim,
                    bool nan_equal) {
  const int64_t ndim = x.dim();
  const Tensor g = restore_dims(grad, set, keepdim, ndim), y = restore_dims(result, set, keepdim, ndim);
  Tensor mask = eq(x, y);
  if (nan_equal) mask = logical_or(mask, logical_and(isnan(x), isnan(y)));
  DimVector dims;
  for (int64_t d = 0; d < ndim; ++d)
    if (set >> d & 1) dims.push_back(d);
  const Tensor count = ndim ? sum(mask, dims, true) : sum(mask);
  return mul(div(g, to(count, g.dtype())), mask);
}

Tensor extreme(ReduceOp op, const char* name, const char* node, const char* kernel_name, const Tensor& self,
               OptSpan dims, bool keepdim, bool nan_equal) {
  check_cpu(name, self);
  check_extreme_dims(name, self, dims);
  const uint64_t set = reduced_dims(dims, self.dim());
  const DType dtype = self.dtype();
  if (is_complex(dtype) && self.numel())
    fail<NotImplementedError>("\"", kernel_name, "\" not implemented for '", dtype, "'");
  const Tensor out = empty(reduced_shape(self.sizes(), set, keepdim), dtype);
  reduce_into(op, kernel_name, self, set, out, 0);
  if (records(self, dtype))
    autograd::record(
        node, out, {&self},
        [x = SavedTensor(self), y = SavedTensor::result(out), set, keepdim, nan_equal](autograd::Grads& g) {
          g[0] = extreme_grad(g.grad(), g.unpack(x), g.unpack(y), set, keepdim, nan_equal);
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
  const uint64_t set = uint64_t{1} << d;
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
    const uint64_t set = uint64_t{1} << d;
    check_extreme_dims(name, self, IntSpan(&d, 1));
    const Tensor indices = empty(reduced_shape(self.sizes(), set, keepdim), DType::Int64);
    run_arg(op, kernel_name, self, set, nullptr, indices);
    return indices;
  }
  if (self.numel() == 0) fail<IndexError>(name, "(): Expected reduction dim to be specified for input.numel() == 0.");
  const uint64_t set = all_dims(self.dim());
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

// ---- any, all

namespace {

Tensor test(ReduceOp op, const char* name, const Tensor& self, OptSpan dims, bool keepdim) {
  check_cpu(name, self);
  const DType result = self.dtype() == DType::UInt8 ? DType::UInt8 : DType::Bool;
  NoGradGuard guard;
  // As in torch an empty list of dims means none here.
  if (dims && dims->empty()) return contiguous(to(ne(self, 0), result));
  const uint64_t set = reduced_dims(dims, self.dim());
  const Tensor out = empty(reduced_shape(self.sizes(), set, keepdim), result);
  const bool simple = static_cast<int>(self.dtype()) <= static_cast<int>(DType::Float64);
  reduce_into(op, name, simple ? self : to(self, DType::Bool), set, out, op == ReduceOp::All ? 1 : 0);
  return out;
}

}  // namespace

Tensor any(const Tensor& self, OptSpan dims, bool keepdim) { return test(ReduceOp::Any, "any", self, dims, keepdim); }
Tensor all(const Tensor& self, OptSpan dims, bool keepdim) { return test(ReduceOp::All, "all", self, dims, keepdim); }

}  // namespace rushlight
