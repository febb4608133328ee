// The out= forms of reductions and scans.
#include "ops/reduce.h"

namespace rushlight {

namespace {

void check_same_dtype(const Tensor& self, const Tensor& out) {
  if (out.dtype() != self.dtype())
    fail("Expected the dtype for input and out to match, but got ", self.dtype(), " for input's dtype and ",
         out.dtype(), " for out's dtype.");
}

void check_castable(DType result, const Tensor& out) {
  if (!can_cast(result, out.dtype()))
    fail("result type ", result, " can't be cast to the desired output type ", out.dtype());
}

void check_test_dtype(const char* name, const Tensor& out) {
  if (out.dtype() != DType::Bool && out.dtype() != DType::UInt8)
    fail(name, " only supports bool tensor for result, got: ", out.dtype());
}

}  // namespace

void check_out_dtype(DType expected, const Tensor& out) {
  if (out.dtype() != expected)
    fail("Expected out tensor to have dtype ", cpp_type_name(expected), ", but got ", cpp_type_name(out.dtype()),
         " instead");
}

void check_out_grad(const char* operation, const Tensor& out, const Tensor& self) {
  if (GradMode::enabled() && (self.requires_grad() || out.requires_grad()))
    fail(operation,
         "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
         "requires grad.");
}

const Tensor& sum_out(const Tensor& out, const Tensor& self, OptSpan dims, bool keepdim, OptDType dtype) {
  if (dtype) check_out_dtype(*dtype, out);
  return reduce_out("sum", out, self, [&] { return sum(self, dims, keepdim, out.dtype()); });
}
const Tensor& mean_out(const Tensor& out, const Tensor& self, OptSpan dims, bool keepdim, OptDType dtype) {
  if (dtype) check_out_dtype(*dtype, out);
  if (is_differentiable(self.dtype())) check_castable(dtype.value_or(self.dtype()), out);
  return reduce_out("mean", out, self, [&] { return mean(self, dims, keepdim, dtype); });
}
const Tensor& prod_out(const Tensor& out, const Tensor& self, OptInt dim, bool keepdim, OptDType dtype) {
  if (dtype) check_out_dtype(*dtype, out);
  return reduce_out("prod", out, self, [&] { return prod(self, dim, keepdim, out.dtype()); });
}
const Tensor& amax_out(const Tensor& out, const Tensor& self, OptSpan dims, bool keepdim) {
  check_same_dtype(self, out);
  return reduce_out("amax", out, self, [&] { return amax(self, dims, keepdim); });
}
const Tensor& amin_out(const Tensor& out, const Tensor& self, OptSpan dims, bool keepdim) {
  check_same_dtype(self, out);
  return reduce_out("amin", out, self, [&] { return amin(self, dims, keepdim); });
}
const Tensor& max_out(const Tensor& out, const Tensor& self) {
  check_castable(self.dtype(), out);
  return reduce_out("max", out, self, [&] { return max(self); });
}
const Tensor& min_out(const Tensor& out, const Tensor& self) {
  check_castable(self.dtype(), out);
  return reduce_out("min", out, self, [&] { return min(self); });
}

namespace {

std::tuple<Tensor, Tensor> extreme_out(const char* name, std::tuple<Tensor, Tensor> (*f)(const Tensor&, int64_t, bool),
                                       const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim,
                                       bool keepdim) {
  check_out_dtype(self.dtype(), values);
  check_out_dtype(DType::Int64, indices);
  check_out_grad(name, values, self);
  NoGradGuard guard;
  const auto [v, i] = f(self, dim, keepdim);
  const Tensor outs[2] = {values, indices}, results[2] = {v, i};
  finish_outs(name, outs, results);
  return {values, indices};
}

}  // namespace

std::tuple<Tensor, Tensor> max_out(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim,
                                   bool keepdim) {
  return extreme_out("max", max, values, indices, self, dim, keepdim);
}
std::tuple<Tensor, Tensor> min_out(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim,
                                   bool keepdim) {
  return extreme_out("min", min, values, indices, self, dim, keepdim);
}
std::tuple<Tensor, Tensor> aminmax_out(const Tensor& low, const Tensor& high, const Tensor& self, OptInt dim,
                                       bool keepdim) {
  for (const Tensor* out : {&low, &high}) {
    check_out_dtype(self.dtype(), *out);
    check_out_grad("aminmax", *out, self);
  }
  NoGradGuard guard;
  const auto [l, h] = aminmax(self, dim, keepdim);
  const Tensor outs[2] = {low, high}, results[2] = {l, h};
  finish_outs("aminmax", outs, results);
  return {low, high};
}
const Tensor& argmax_out(const Tensor& out, const Tensor& self, OptInt dim, bool keepdim) {
  check_out_dtype(DType::Int64, out);
  return reduce_out("argmax", out, self, [&] { return argmax(self, dim, keepdim); }, false);
}
const Tensor& argmin_out(const Tensor& out, const Tensor& self, OptInt dim, bool keepdim) {
  check_out_dtype(DType::Int64, out);
  return reduce_out("argmin", out, self, [&] { return argmin(self, dim, keepdim); }, false);
}
const Tensor& any_out(const Tensor& out, const Tensor& self, OptSpan dims, bool keepdim) {
  check_test_dtype("any", out);
  return reduce_out("any", out, self, [&] { return any(self, dims, keepdim); }, false);
}
const Tensor& all_out(const Tensor& out, const Tensor& self, OptSpan dims, bool keepdim) {
  check_test_dtype("all", out);
  return reduce_out("all", out, self, [&] { return all(self, dims, keepdim); }, false);
}
const Tensor& var_out(const Tensor& out, const Tensor& self, OptSpan dims, double correction, bool keepdim) {
  check_castable(to_real(self.dtype()), out);
  return reduce_out("var", out, self, [&] { return var(self, dims, correction, keepdim); });
}
const Tensor& std_out(const Tensor& out, const Tensor& self, OptSpan dims, double correction, bool keepdim) {
  check_castable(to_real(self.dtype()), out);
  return reduce_out("std", out, self, [&] { return std(self, dims, correction, keepdim); });
}
const Tensor& cumsum_out(const Tensor& out, const Tensor& self, int64_t dim, OptDType dtype) {
  if (dtype) check_out_dtype(*dtype, out);
  return reduce_out("cumsum", out, self, [&] { return cumsum(self, dim, out.dtype()); });
}
const Tensor& cumprod_out(const Tensor& out, const Tensor& self, int64_t dim, OptDType dtype) {
  if (dtype) check_out_dtype(*dtype, out);
  return reduce_out("cumprod", out, self, [&] { return cumprod(self, dim, out.dtype()); });
}

const Tensor& nansum_out(const Tensor& out, const Tensor& self, OptSpan dims, bool keepdim, OptDType dtype) {
  if (dtype && *dtype != out.dtype())
    fail("nansum: provided dtype must match dtype of result. Got ", scalar_type_name(out.dtype()), " and ",
         scalar_type_name(*dtype), ".");
  return reduce_out("nansum", out, self, [&] { return nansum(self, dims, keepdim, out.dtype()); });
}
const Tensor& norm_out(const Tensor& out, const Tensor& self, double p, OptSpan dims, bool keepdim, OptDType dtype) {
  check_out_dtype(to_real(dtype.value_or(self.dtype())), out);
  return reduce_out("linalg_vector_norm", out, self, [&] { return norm(self, p, dims, keepdim, dtype); });
}
const Tensor& softmax_out(const Tensor& out, const Tensor& self, int64_t dim, OptDType dtype) {
  check_out_dtype(dtype.value_or(self.dtype()), out);
  return reduce_out("softmax", out, self, [&] { return softmax(self, dim, dtype); });
}
const Tensor& log_softmax_out(const Tensor& out, const Tensor& self, int64_t dim, OptDType dtype) {
  check_out_dtype(dtype.value_or(self.dtype()), out);
  return reduce_out("log_softmax", out, self, [&] { return log_softmax(self, dim, dtype); });
}

}  // namespace rushlight
