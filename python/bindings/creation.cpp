#include "bindings/memory_format.h"
#include "layout/layout.h"
#include "ops/elementwise.h"

namespace rushlight::python {

namespace {

// The keyword arguments at the end of every constructor: dtype, device, requires_grad.
Tensor finish(Tensor t, const Args& a, int requires_grad) {
  if (a.flag(requires_grad)) t.set_requires_grad(true);
  return t;
}

enum class Fill { Empty, Zeros, Ones };

template <Fill How>
Tensor filled(IntSpan sizes, OptDType dtype, Device device) {
  return How == Fill::Empty   ? empty(sizes, dtype, device)
         : How == Fill::Zeros ? zeros(sizes, dtype, device)
                              : ones(sizes, dtype, device);
}

// Factories resize without a warning.
void resize_out(const Args& a, const Tensor& out, IntSpan sizes) {
  prepare_out(a.function, out, out.sizes(), out.dtype(), {});
  resize_(out, sizes);
}

// size, out, dtype, layout, device, pin_memory, requires_grad
template <Fill How>
PyObject* sized(Args& a) {
  const DimVector sizes = a.ints(0);
  if (a.has(1)) {
    const Tensor& out = a.tensor(1);
    if (a.has(2) && *a.dtype(2) != out.dtype())
      fail("dtype ", *a.dtype(2), " does not match dtype of out parameter (", out.dtype(), ")");
    resize_out(a, out, sizes);
    if (How == Fill::Zeros) zero_(out);
    if (How == Fill::Ones) fill_(out, 1);
    return Py_NewRef(a.object(1));
  }
  return wrap(finish(filled<How>(sizes, a.dtype(2), a.device(4)), a, 6));
}

// memory_format follows.
PyObject* empty_call(Args& a) {
  if (!a.has(7)) return sized<Fill::Empty>(a);
  const MemoryFormat format = memory_format(a, 7);
  if (a.has(1)) {
    const DimVector sizes = a.ints(0);
    prepare_out(a.function, a.tensor(1), a.tensor(1).sizes(), a.tensor(1).dtype(), {});
    resize_(a.tensor(1), sizes, format);
    return Py_NewRef(a.object(1));
  }
  return wrap(finish(empty(a.ints(0), a.dtype(2), a.device(4), format), a, 6));
}

// input, dtype, layout, device, pin_memory, requires_grad, memory_format
template <Fill How>
PyObject* like(Args& a) {
  const Tensor& t = a.tensor(0);
  NoGradGuard no_grad;
  const Tensor r = empty_like(t, a.dtype(1), memory_format(a, 6));
  if (How == Fill::Zeros) zero_(r);
  if (How == Fill::Ones) fill_(r, 1);
  if (a.has(3)) require_backend(a.device(3));
  return wrap(finish(r, a, 5));
}

// self, size, dtype, layout, device, pin_memory, requires_grad
template <Fill How>
PyObject* new_sized(Args& a) {
  const OptDType dtype = a.has(2) ? a.dtype(2) : OptDType(a.tensor(0).dtype());
  const Device device = a.has(4) ? a.device(4) : a.tensor(0).device();
  return wrap(finish(filled<How>(a.ints(1), dtype, device), a, 6));
}

}  // namespace

void register_creation() {
#define RL_OPTIONS \
  "dtype? dtype=None, object? layout=None, device? device=None, bool? pin_memory=False, bool requires_grad=False"
  def("empty(int[*] size, *, Tensor? out=None, " RL_OPTIONS ", object? memory_format=None)", empty_call, kFunction,
      "An uninitialised tensor.\n\nsize: ints, separate or as one tuple.\ndtype: default get_default_dtype().\nRaises "
      "RuntimeError "
      "for negative and overflowing sizes.");
  def("zeros(int[*] size, *, Tensor? out=None, " RL_OPTIONS ")", sized<Fill::Zeros>, kFunction,
      "A tensor of zeros.\n\nsize: ints, separate or as one tuple.\ndtype: default get_default_dtype().");
  def("ones(int[*] size, *, Tensor? out=None, " RL_OPTIONS ")", sized<Fill::Ones>, kFunction,
      "A tensor of ones.\n\nsize: ints, separate or as one tuple.\ndtype: default get_default_dtype().");
#define RL_LIKE                                                                                                     \
  "dtype? dtype=None, object? layout=None, device? device=None, bool? pin_memory=False, bool requires_grad=False, " \
  "object? memory_format=None"
  def("empty_like(Tensor input, *, " RL_LIKE ")", like<Fill::Empty>, kFunction);
  def("zeros_like(Tensor input, *, " RL_LIKE ")", like<Fill::Zeros>, kFunction);
  def("ones_like(Tensor input, *, " RL_LIKE ")", like<Fill::Ones>, kFunction);
  def(
      "full_like(Tensor input, Scalar fill_value, *, " RL_LIKE ")",
      [](Args& a) {
        NoGradGuard no_grad;
        return wrap(finish(fill_(empty_like(a.tensor(0), a.dtype(2), memory_format(a, 7)), a.scalar(1)), a, 6));
      },
      kFunction);
  def("new_empty(Tensor self, int[*] size, *, " RL_OPTIONS ")", new_sized<Fill::Empty>, kMethod);
  def("new_zeros(Tensor self, int[*] size, *, " RL_OPTIONS ")", new_sized<Fill::Zeros>, kMethod);
  def("new_ones(Tensor self, int[*] size, *, " RL_OPTIONS ")", new_sized<Fill::Ones>, kMethod);
  def(
      "new_full(Tensor self, int[] size, Scalar fill_value, *, " RL_OPTIONS ")",
      [](Args& a) {
        return wrap(finish(
            full(a.ints(1), a.scalar(2), a.has(3) ? a.dtype(3) : OptDType(a.tensor(0).dtype()), a.device(5)), a, 7));
      },
      kMethod);
  def(
      "new_tensor(Tensor self, object data, *, " RL_OPTIONS ")",
      [](Args& a) {
        return wrap(
            finish(tensor_from_data(a.object(1), a.has(2) ? a.dtype(2) : OptDType(a.tensor(0).dtype()), true), a, 6));
      },
      kMethod);
  def(
      "new_empty_strided(Tensor self, int[] size, int[] stride, *, " RL_OPTIONS ")",
      [](Args& a) {
        return wrap(finish(
            empty_strided(a.ints(1), a.ints(2), a.has(3) ? a.dtype(3) : OptDType(a.tensor(0).dtype()), a.device(5)), a,
            7));
      },
      kMethod);
  def(
      "empty_strided(int[] size, int[] stride, *, " RL_OPTIONS ")",
      [](Args& a) { return wrap(finish(empty_strided(a.ints(0), a.ints(1), a.dtype(2), a.device(4)), a, 6)); },
      kFunction);
  def(
      "full(int[] size, Scalar fill_value, *, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        if (a.has(2)) {
          a.scalar(1).check_fits(a.tensor(2).dtype());
          resize_out(a, a.tensor(2), a.ints(0));
          fill_(a.tensor(2), a.scalar(1));
          return Py_NewRef(a.object(2));
        }
        return wrap(finish(full(a.ints(0), a.scalar(1), a.dtype(3), a.device(5)), a, 7));
      },
      kFunction, "A tensor of one value; its dtype follows the value where dtype is absent.");
  def(
      "scalar_tensor(Scalar s, *, " RL_OPTIONS ")",
      [](Args& a) { return wrap(finish(scalar_tensor(a.scalar(0), a.dtype(1)), a, 5)); }, kFunction);
  def(
      "arange(Scalar end, *, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        Tensor t = arange(0, a.scalar(0), 1, a.has(1) && !a.has(2) ? OptDType(a.tensor(1).dtype()) : a.dtype(2));
        if (!a.has(1)) {
          require_backend(a.device(4));
          return wrap(finish(t, a, 6));
        }
        store_output(a.function, a.tensor(1), t);
        return Py_NewRef(a.object(1));
      },
      kFunction,
      "Values from start (0) up to, but not including, end, in steps of step (1).\n\ndtype: int64 if all arguments are "
      "ints, else the default dtype.");
  def(
      "arange(Scalar start, Scalar end, Scalar step=1, *, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        Tensor t = arange(a.scalar(0), a.scalar(1), a.scalar(2, 1),
                          a.has(3) && !a.has(4) ? OptDType(a.tensor(3).dtype()) : a.dtype(4));
        if (!a.has(3)) {
          require_backend(a.device(6));
          return wrap(finish(t, a, 8));
        }
        store_output(a.function, a.tensor(3), t);
        return Py_NewRef(a.object(3));
      },
      kFunction);
  def(
      "linspace(Scalar start, Scalar end, int steps, *, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        Tensor t = linspace(a.scalar(0), a.scalar(1), a.integer(2),
                            a.has(3) && !a.has(4) ? OptDType(a.tensor(3).dtype()) : a.dtype(4));
        if (!a.has(3)) return wrap(finish(t, a, 8));
        store_output(a.function, a.tensor(3), t);
        return Py_NewRef(a.object(3));
      },
      kFunction, "`steps` values evenly spaced from start to end, both included.");
  def(
      "eye(int n, int? m=None, *, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        Tensor t =
            eye(a.integer(0), a.integer_or_none(1), a.has(2) && !a.has(3) ? OptDType(a.tensor(2).dtype()) : a.dtype(3));
        if (!a.has(2)) return wrap(finish(t, a, 7));
        store_output(a.function, a.tensor(2), t);
        return Py_NewRef(a.object(2));
      },
      kFunction, "An n x m (n x n) matrix with ones on the diagonal.");
#undef RL_OPTIONS
#undef RL_LIKE

  def(
      "result_type(Operand tensor1, Operand tensor2) -> dtype",
      [](Args& a) { return wrap_dtype(result_dtype(a.operand(0), a.operand(1))); }, kFunction);
  def(
      "promote_types(dtype type1, dtype type2) -> dtype",
      [](Args& a) { return wrap_dtype(promote_types(*a.dtype(0), *a.dtype(1))); }, kFunction);
  def(
      "can_cast(dtype from_, dtype to) -> bool", [](Args& a) { return wrap_bool(can_cast(*a.dtype(0), *a.dtype(1))); },
      kFunction);
  def("get_default_dtype() -> dtype", [](Args&) { return wrap_dtype(default_dtype()); }, kFunction);
  def(
      "set_default_dtype(dtype d) -> None",
      [](Args& a) {
        set_default_dtype(*a.dtype(0));
        return none();
      },
      kFunction);
}

}  // namespace rushlight::python
