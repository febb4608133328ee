#include "ops/reduce.h"

#include <cmath>

#include "cpu/loop_plan.h"
#include "layout/layout.h"

namespace rushlight {

uint64_t reduced_dims(OptSpan dims, int64_t ndim) {
  layout::check_set_dims(ndim);
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

DimVector dim_list(uint64_t set, int64_t ndim) {
  DimVector dims;
  for (int64_t d = 0; d < ndim; ++d)
    if (set >> d & 1) dims.push_back(d);
  return dims;
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
  if (ndim >= layout::kMaxSetDims) fail(name, ": complex tensors of ", ndim, " dims are not supported");
  DimVector sizes(self.sizes()), strides(self.strides());
  for (int64_t& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  dims &= all_dims(ndim);
  if (merge_parts) dims |= uint64_t{1} << ndim;
  cpu::run_reduce(kernel, false, self.data(), item_size(element), sizes, strides, dims, sink);
}

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

bool records_sum(const Tensor& self, DType dtype) {
  if (!autograd::needs(self)) [[likely]]
    return false;
  if (!is_differentiable(dtype)) fail("Autograd not support dtype: ", dtype);
  return true;
}

// ---- sum, mean

Tensor sum(const Tensor& self, OptSpan dims, bool keepdim, OptDType dtype) {
  check_cpu("sum", self);
  const uint64_t set = reduced_dims(dims, self.dim());
  const DType result = sum_dtype(self, dtype);
  if (static_cast<int>(result) >= kNumComputeDTypes) find_kernel(ReduceOp::Sum, "sum_cpu", result);
  const bool record = records_sum(self, result);
  const Tensor out = !dims && !keepdim ? empty({}, result) : empty(reduced_shape(self.sizes(), set, keepdim), result);
  reduce_into(ReduceOp::Sum, "sum_cpu", summand(self, result), set, out, 0);
  if (record) [[unlikely]]
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
  reduce_into(ReduceOp::Sum, "sum_cpu", summand(self, result), set, out,
              is_complex(result) ? Scalar(std::complex<double>(NAN, NAN)) : Scalar(NAN), Finish::Divide, count);
  if (autograd::needs(self)) [[unlikely]]
    autograd::record(dims ? "MeanBackward1" : "MeanBackward0", out, {&self},
                     [sizes = DimVector(self.sizes()), set, keepdim, count](autograd::Grads& g) {
                       g[0] = expand_reduced(div(g.grad(), count), sizes, set, keepdim);
                     });
  return out;
}

// ---- prod

namespace {

// The products of all elements before (along d, or behind) each one.
Tensor products_before(const Tensor& x, int64_t d) {
  DimVector first(x.sizes());
  first[d] = 1;
  const Tensor parts[2] = {ones(first, x.dtype()), narrow(x, d, 0, x.size(d) - 1)};
  return cumprod(cat(parts, d), d);
}

// grad of a product over `dims` (all, or one): grad * the product of the other elements.
Tensor prod_grad(const Tensor& grad, const Tensor& x, const Tensor& result, uint64_t set, bool keepdim) {
  const int64_t ndim = x.dim();
  if (ndim == 0) return grad;
  const Tensor g = restore_dims(grad, set, keepdim, ndim), p = restore_dims(result, set, keepdim, ndim);
  if (x.numel() == 0) return mul(x, g);
  if (!any(eq(x, 0)).item().to_bool()) return mul(g, conj(div(p, x)));
  const bool whole = set == all_dims(ndim) && ndim > 1;
  const Tensor line = whole ? reshape(x, DimVector{-1}) : x;
  const int64_t d = whole ? 0 : dim_list(set, ndim)[0];
  const IntSpan over(&d, 1);
  const Tensor others = mul(products_before(line, d), flip(products_before(flip(line, over), d), over));
  return mul(g, conj(whole ? reshape(others, x.sizes()) : others));
}

}  // namespace

Tensor prod(const Tensor& self, OptInt dim, bool keepdim, OptDType dtype) {
  check_cpu("prod", self);
  OptSpan dims;
  if (dim) dims = IntSpan(&*dim, 1);
  const uint64_t set = reduced_dims(dims, self.dim());
  const DType result = sum_dtype(self, dtype);
  if (static_cast<int>(result) >= kNumComputeDTypes) find_kernel(ReduceOp::Prod, "prod_cpu", result);
  const bool record = records_sum(self, result);
  const Tensor out = empty(reduced_shape(self.sizes(), set, keepdim), result);
  reduce_into(ReduceOp::Prod, "prod_cpu", summand(self, result), set, out, 1);
  if (record) {
    SavedTensor x(self.dtype() == result ? self : to(self, result));
    auto node = autograd::record(dim ? "ProdBackward1" : "ProdBackward0", out, {&self},
                                 [x, y = SavedTensor::result(out), set, keepdim](autograd::Grads& g) {
                                   g[0] = prod_grad(g.grad(), g.unpack(x), g.unpack(y), set, keepdim);
                                 });
  }
  return out;
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
