// Scans, softmax and differences along a dim.
#include "bindings/python.h"
#include "ops/elementwise.h"
#include "rushlight/reduce.h"

namespace rushlight::python {

namespace {

// dim, dtype, out at 1, 2, 3
template <Tensor (*F)(const Tensor&, int64_t, OptDType),
          const Tensor& (*Out)(const Tensor&, const Tensor&, int64_t, OptDType)>
PyObject* along_dim(Args& a) {
  if (!a.has(3)) return wrap(F(a.tensor(0), a.integer(1), a.dtype(2)));
  Out(a.tensor(3), a.tensor(0), a.integer(1), a.dtype(2));
  return Py_NewRef(a.object(3));
}

// cumsum_, cumprod_: in the dtype of self.
template <Tensor (*F)(const Tensor&, int64_t, OptDType)>
PyObject* along_dim_inplace(Args& a, const char* name) {
  const Tensor& self = a.tensor(0);
  const int64_t dim = a.integer(1);
  if (const OptDType dtype = a.dtype(2); dtype && *dtype != self.dtype())
    fail("Bad in-place call: input tensor dtype ", cpp_type_name(self.dtype()), " and output tensor dtype ",
         cpp_type_name(*dtype), " should match");
  inplace_by_copy(name, self, [&](const Tensor& before) { return F(before, dim, before.dtype()); });
  return Py_NewRef(a.object(0));
}

Tensor trapezoid_dx(const Args& a) { return trapezoid(a.tensor(0), a.scalar(1, Scalar(1)), a.integer(2, -1)); }
Tensor trapezoid_x(const Args& a) { return trapezoid(a.tensor(0), a.tensor(1), a.integer(2, -1)); }

// spacing of gradient(): a number, numbers or tensors, per dim or for all.
PyObject* gradient_of(Args& a) {
  const DimsArg dims(a, 2);
  const int64_t order = a.integer(3, 1);
  PyObject* const spacing = a.object(1);
  if (!spacing) return wrap(gradient(a.tensor(0), Scalar(1), dims, order));
  if (is_number(spacing) || (is_tensor(spacing) && unwrap(spacing).dim() == 0))
    return wrap(gradient(a.tensor(0), to_scalar(spacing), dims, order));
  if (PyTuple_Check(spacing) || PyList_Check(spacing)) {
    Owned items(PySequence_Tuple(spacing));
    std::vector<Scalar> numbers;
    TensorList tensors;
    const Py_ssize_t n = PyTuple_GET_SIZE(items.get());
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* item = PyTuple_GET_ITEM(items.get(), i);
      if (is_tensor(item))
        tensors.push_back(unwrap(item));
      else if (is_number(item))
        numbers.push_back(to_scalar(item));
    }
    if (static_cast<Py_ssize_t>(tensors.size()) == n && n) return wrap(gradient(a.tensor(0), tensors, dims, order));
    if (static_cast<Py_ssize_t>(numbers.size()) == n) return wrap(gradient(a.tensor(0), numbers, dims, order));
  }
  fail<TypeError>("gradient(): argument 'spacing' must be Number, tuple of Numbers or tuple of Tensors, not ",
                  type_name(spacing));
}

}  // namespace

void register_scan() {
  def("cumsum(Tensor input, int dim, *, dtype? dtype=None, Tensor? out=None)", along_dim<cumsum, cumsum_out>, kBoth,
      "Running sums along a dim.");
  def(
      "cumsum_(Tensor input, int dim, *, dtype? dtype=None)",
      [](Args& a) { return along_dim_inplace<cumsum>(a, "cumsum_"); }, kMethod);
  def("cumprod(Tensor input, int dim, *, dtype? dtype=None, Tensor? out=None)", along_dim<cumprod, cumprod_out>, kBoth,
      "Running products along a dim.");
  def(
      "cumprod_(Tensor input, int dim, *, dtype? dtype=None)",
      [](Args& a) { return along_dim_inplace<cumprod>(a, "cumprod_"); }, kMethod);
  def(
      "logcumsumexp(Tensor input, int dim, *, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(2)) return wrap(logcumsumexp(a.tensor(0), a.integer(1)));
        logcumsumexp_out(a.tensor(2), a.tensor(0), a.integer(1));
        return Py_NewRef(a.object(2));
      },
      kBoth, "Logarithms of running sums of exp(x) along a dim, without overflow.");
  def("softmax(Tensor input, int dim, dtype? dtype=None, *, Tensor? out=None)", along_dim<softmax, softmax_out>,
      kFunction, "exp(x) / sum(exp(x)) along a dim.");
  def(
      "softmax(Tensor input, int dim, dtype? dtype=None)",
      [](Args& a) { return wrap(softmax(a.tensor(0), a.integer(1), a.dtype(2))); }, kMethod,
      "exp(x) / sum(exp(x)) along a dim.");
  def("log_softmax(Tensor input, int dim, dtype? dtype=None, *, Tensor? out=None)",
      along_dim<log_softmax, log_softmax_out>, kFunction, "log(softmax(x)) along a dim, without overflow.");
  def(
      "log_softmax(Tensor input, int dim, dtype? dtype=None)",
      [](Args& a) { return wrap(log_softmax(a.tensor(0), a.integer(1), a.dtype(2))); }, kMethod,
      "log(softmax(x)) along a dim, without overflow.");

  def_op(
      "diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None, *, Tensor? out=None)",
      [](const Args& a) {
        return diff(a.tensor(0), a.integer(1, 1), a.integer(2, -1), a.tensor_or_none(3), a.tensor_or_none(4));
      },
      kBoth, "The n-th difference along a dim of prepend, input and append, joined.");
  def_op("trapezoid(Tensor y, Tensor x, *, int dim=-1)", trapezoid_x, kFunction,
         "Integral along a dim by the trapezoidal rule, over the coordinates x or at the distance dx.");
  def_op("trapezoid(Tensor y, *, Scalar dx=1, int dim=-1)", trapezoid_dx, kFunction);
  def_op("trapz(Tensor y, *, float dx=1, int dim=-1)", trapezoid_dx, kFunction, "trapezoid() by another name.");
  def_op("trapz(Tensor y, Tensor x, *, int dim=-1)", trapezoid_x, kFunction);
  def_op(
      "cumulative_trapezoid(Tensor y, Tensor x, *, int dim=-1)",
      [](const Args& a) { return cumulative_trapezoid(a.tensor(0), a.tensor(1), a.integer(2, -1)); }, kFunction,
      "Running integrals along a dim by the trapezoidal rule.");
  def_op(
      "cumulative_trapezoid(Tensor y, *, Scalar dx=1, int dim=-1)",
      [](const Args& a) { return cumulative_trapezoid(a.tensor(0), a.scalar(1, Scalar(1)), a.integer(2, -1)); },
      kFunction);
  def("gradient(Tensor input, *, object? spacing=None, int[1]? dim=None, int edge_order=1) -> Tensor[]", gradient_of,
      kFunction,
      "Derivatives along dims from samples, one tensor per dim.\n\nspacing: distance of samples (1), one per dim, or "
      "one tensor of coordinates per dim.\nedge_order: of the one-sided differences at the ends, 1 or 2.");
}

}  // namespace rushlight::python
