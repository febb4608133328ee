#include "bindings/creation.h"

#include <complex>
#include <cstring>
#include <limits>
#include <vector>

#include "layout/layout.h"
#include "ops/elementwise.h"

namespace rushlight::python {

// ---- options

namespace {

bool g_fill_uninitialized = false;
Device g_default_device;
std::vector<Device> g_device_contexts;  // what was the default outside each `with device:`

void check_layout_and_pinning(const Args& a, int at) {
  if (PyObject* layout = a.values[at + 1]) {
    // A layout is a small Python object (_types.py) that shows its name.
    if (std::strcmp(Py_TYPE(layout)->tp_name, "layout") != 0)
      fail<TypeError>(a.function, "(): argument 'layout' must be torch.layout, not ", type_name(layout));
    const std::string name = repr_of(layout);
    if (name != "torch.strided")
      fail<NotImplementedError>(a.function, "(): there are strided tensors only, got ", name);
  }
  if (a.flag(at + 3)) fail_pinning();
}

Options read(const Args& a, int at, OptDType dtype, Device device) {
  if (a.values[at + 1] || a.values[at + 3]) check_layout_and_pinning(a, at);
  return {a.has(at) ? a.dtype(at) : dtype, a.has(at + 2) ? a.device(at + 2) : device, a.flag(at + 4)};
}

}  // namespace

void fail_pinning() {
  fail(
      "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory allocator is available on this "
      "system.");
}

Device default_device() { return g_default_device; }

bool fills_uninitialized() { return g_fill_uninitialized; }

void fill_uninitialized_from(const Tensor& t, size_t first_byte) {
  const size_t size = static_cast<size_t>(t.item_size()), bytes = t.storage()->nbytes();
  if (first_byte >= bytes || !t.device().is_cpu()) return;
  const DType d = t.dtype();
  if (d == DType::Bool) {
    std::memset(t.storage()->data() + first_byte, 1, bytes - first_byte);
  } else if (is_integral(d, false) && !is_signed(d)) {
    std::memset(t.storage()->data() + first_byte, 0xff, bytes - first_byte);
  } else {
    const int64_t first = static_cast<int64_t>((first_byte + size - 1) / size), one = 1;
    const int64_t n = static_cast<int64_t>(bytes / size) - first;
    if (n <= 0) return;
    const Tensor all = Tensor::adopt(TensorImpl::create(t.storage(), d, IntSpan(&n, 1), IntSpan(&one, 1), first));
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    NoGradGuard no_grad;
    if (is_complex(d))
      fill_(all, Scalar(std::complex<double>(nan, nan)));
    else if (is_floating_point(d))
      fill_(all, nan);
    else
      fill_(all, static_cast<int64_t>((uint64_t{1} << (8 * size - 1)) - 1));
  }
}

Options read_options(const Args& a, int at) { return read(a, at, {}, g_default_device); }
Options read_options(const Args& a, int at, const Tensor& like) { return read(a, at, like.dtype(), like.device()); }

Options read_out_options(const Args& a, int at) {
  const Tensor& out = a.tensor(at - 1);
  const Options o = read(a, at, out.dtype(), out.device());
  if (*o.dtype != out.dtype()) fail("dtype ", *o.dtype, " does not match dtype of out parameter (", out.dtype(), ")");
  if (o.device.type != out.device().type)
    fail("device type ", o.device.str(), " does not match device type of out parameter (", out.device().str(), ")");
  if (o.requires_grad && !is_differentiable(out.dtype()))
    fail("Only Tensors of floating point and complex dtype can require gradients");
  return o;
}

PyObject* return_out(const Args& a, int at, const Options& options) {
  if (options.requires_grad) a.tensor(at - 1).set_requires_grad(true);
  return Py_NewRef(a.object(at - 1));
}

PyObject* store_elements(const Args& a, int at, const Options& options, const Tensor& t) {
  const Tensor& out = a.tensor(at - 1);
  store_output(a.function, out, out.numel() == t.numel() ? view(t, DimVector(out.sizes())) : t);
  return return_out(a, at, options);
}

namespace {

// Factories resize without a warning.
void resize_out(const Args& a, const Tensor& out, IntSpan sizes) {
  prepare_out(a.function, out, out.sizes(), out.dtype(), {});
  resize_(out, sizes);
}

// ---- constant values

enum class Fill { Empty, Zeros, Ones };

template <Fill How>
Tensor filled(const Tensor& t) {
  if constexpr (How == Fill::Zeros) zero_(t);
  if constexpr (How == Fill::Ones) fill_(t, 1);
  if constexpr (How == Fill::Empty) uninitialized(t);
  return t;
}

// size, out, dtype, layout, device, pin_memory, requires_grad (empty: memory_format)
template <Fill How>
PyObject* sized(Args& a) {
  const DimVector sizes = a.ints(0);
  const bool formatted = How == Fill::Empty && a.has(7);
  if (a.has(1)) [[unlikely]] {
    if (formatted) fail("'memory_format' argument is incompatible with 'out' tensor argument");
    const Options o = read_out_options(a, 2);
    resize_out(a, a.tensor(1), sizes);
    filled<How>(a.tensor(1));
    return return_out(a, 2, o);
  }
  const Options o = read_options(a, 2);
  if (formatted) return o.finish(filled<How>(empty(sizes, o.dtype, o.device, memory_format(a, 7))));
  return o.finish(filled<How>(empty(sizes, o.dtype, o.device)));
}

Tensor made_like(const Args& a, int at, const Options& o) {
  const Tensor& t = a.tensor(0);
  require_backend(o.device);
  return empty_like(t, o.dtype, memory_format(a, at + 5));
}

// input, dtype, layout, device, pin_memory, requires_grad, memory_format
template <Fill How>
PyObject* like(Args& a) {
  const Options o = read_options(a, 1, a.tensor(0));
  return o.finish(filled<How>(made_like(a, 1, o)));
}

// self, size, dtype, layout, device, pin_memory, requires_grad
template <Fill How>
PyObject* new_sized(Args& a) {
  const Options o = read_options(a, 2, a.tensor(0));
  return o.finish(filled<How>(empty(a.ints(1), o.dtype, o.device)));
}

void register_constants() {
  def(
      "_set_fill_uninitialized(bool mode) -> None",
      [](Args& a) {
        g_fill_uninitialized = a.flag(0);
        return none();
      },
      kFunction);
  def("empty(int[*] size, *, Tensor? out=None, " RL_LIKE_OPTIONS ")", sized<Fill::Empty>, kFunction,
      "An uninitialised tensor.\n\nsize: ints, separate or as one tuple.\ndtype: default get_default_dtype().\nRaises "
      "RuntimeError for negative and overflowing sizes.");
  def("zeros(int[*] size, *, Tensor? out=None, " RL_OPTIONS ")", sized<Fill::Zeros>, kFunction,
      "A tensor of zeros.\n\nsize: ints, separate or as one tuple.\ndtype: default get_default_dtype().");
  def("ones(int[*] size, *, Tensor? out=None, " RL_OPTIONS ")", sized<Fill::Ones>, kFunction,
      "A tensor of ones.\n\nsize: ints, separate or as one tuple.\ndtype: default get_default_dtype().");
  def("empty_like(Tensor input, *, " RL_LIKE_OPTIONS ")", like<Fill::Empty>, kFunction,
      "An uninitialised tensor of the shape, dtype and (memory_format: preserve_format) memory order of input.");
  def("zeros_like(Tensor input, *, " RL_LIKE_OPTIONS ")", like<Fill::Zeros>, kFunction, "Zeros, as empty_like.");
  def("ones_like(Tensor input, *, " RL_LIKE_OPTIONS ")", like<Fill::Ones>, kFunction, "Ones, as empty_like.");
  def(
      "full_like(Tensor input, Scalar fill_value, *, " RL_LIKE_OPTIONS ")",
      [](Args& a) {
        const Options o = read_options(a, 2, a.tensor(0));
        const Scalar value = a.scalar(1);
        return o.finish(fill_(made_like(a, 2, o), value));
      },
      kFunction, "fill_value, as empty_like.");
  def("new_empty(Tensor self, int[*] size, *, " RL_OPTIONS ")", new_sized<Fill::Empty>, kMethod);
  def("new_zeros(Tensor self, int[*] size, *, " RL_OPTIONS ")", new_sized<Fill::Zeros>, kMethod);
  def("new_ones(Tensor self, int[*] size, *, " RL_OPTIONS ")", new_sized<Fill::Ones>, kMethod);
  def(
      "new_full(Tensor self, int[] size, Scalar fill_value, *, " RL_OPTIONS ")",
      [](Args& a) {
        const Options o = read_options(a, 3, a.tensor(0));
        return o.finish(full(a.ints(1), a.scalar(2), o.dtype, o.device));
      },
      kMethod);
  def(
      "new_empty_strided(Tensor self, int[] size, int[] stride, *, " RL_OPTIONS ")",
      [](Args& a) {
        const Options o = read_options(a, 3, a.tensor(0));
        return o.finish(uninitialized(empty_strided(a.ints(1), a.ints(2), o.dtype, o.device)));
      },
      kMethod);
  def(
      "empty_strided(int[] size, int[] stride, *, " RL_OPTIONS ")",
      [](Args& a) {
        const Options o = read_options(a, 2);
        return o.finish(uninitialized(empty_strided(a.ints(0), a.ints(1), o.dtype, o.device)));
      },
      kFunction, "An uninitialised tensor with these strides, in elements.");
  def(
      "empty_permuted(int[] size, int[] physical_layout, *, " RL_OPTIONS ")",
      [](Args& a) {
        const Options o = read_options(a, 2);
        return o.finish(uninitialized(empty_permuted(a.ints(0), a.ints(1), o.dtype, o.device)));
      },
      kFunction, "An uninitialised dense tensor; physical_layout: its dims from the outermost to the innermost.");
  def(
      "full(int[] size, Scalar fill_value, *, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        const Scalar value = a.scalar(1);
        if (a.has(2)) {
          const Options o = read_out_options(a, 3);
          value.check_fits(a.tensor(2).dtype());
          resize_out(a, a.tensor(2), a.ints(0));
          fill_(a.tensor(2), value);
          return return_out(a, 3, o);
        }
        const Options o = read_options(a, 3);
        // A 0-d tensor brings its own dtype.
        PyObject* given = a.object(1);
        const OptDType dtype = o.dtype || !is_tensor(given) ? o.dtype : OptDType(unwrap(given).dtype());
        return o.finish(full(a.ints(0), value, dtype, o.device));
      },
      kFunction, "A tensor of one value; its dtype follows the value where dtype is absent.");
  def(
      "scalar_tensor(Scalar s, *, " RL_OPTIONS ")",
      [](Args& a) {
        const Options o = read_options(a, 1);
        return o.finish(full({}, a.scalar(0), o.dtype.value_or(default_dtype()), o.device));
      },
      kFunction, "A 0-d tensor; dtype: default get_default_dtype().");
  def(
      "eye(int n, int? m=None, *, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        const Options o = a.has(2) ? read_out_options(a, 3) : read_options(a, 3);
        require_backend(o.device);
        const Tensor t = eye(a.integer(0), a.integer_or_none(1), o.dtype);
        if (!a.has(2)) return o.finish(t);
        store_output(a.function, a.tensor(2), t);
        return return_out(a, 3, o);
      },
      kFunction, "An n x m (n x n) matrix with ones on the diagonal.");
}

// ---- ranges

// The numbers are parameters 0 .. numbers - 1, then come out and the options.
template <auto make, int numbers>
PyObject* ranged(Args& a) {
  constexpr int at = numbers + 1;
  if (!a.has(numbers)) {
    const Options o = read_options(a, at);
    require_backend(o.device);
    return o.finish(make(a, o.dtype));
  }
  const Options o = read_out_options(a, at);
  const Tensor t = make(a, o.dtype), &out = a.tensor(numbers);
  if (out.numel() != t.numel() && out.numel() && std::strcmp(a.function, "arange") == 0) {
    Message m;
    m << "The number of elements in the out tensor of shape " << out.sizes() << " is " << out.numel()
      << " which does not match the computed number of elements " << t.numel()
      << ". Note that this may occur as a result of rounding error. The out tensor will be resized to a tensor of "
         "shape ("
      << t.numel() << ",).";
    warn(m.text);
  }
  return store_elements(a, at, o, t);
}

Scalar end_point(const Args& a, int i, const char* name) {
  if (is_tensor(a.object(i)) && a.tensor(i).dim() != 0)
    fail(a.function, " only supports 0-dimensional start and end tensors, but got ", name, " with ", a.tensor(i).dim(),
         " dimension(s).");
  return a.scalar(i);
}

Tensor range_of(const Args& a, OptDType dtype) {
  if (PyErr_WarnEx(PyExc_UserWarning,
                   "torch.range is deprecated and will be removed in a future release because its behavior is "
                   "inconsistent with Python's range builtin. Instead, use torch.arange, which produces values in "
                   "[start, end).",
                   1) < 0)
    throw PythonError{};
  return range(a.scalar(0), a.scalar(1), a.scalar(2, 1), dtype);
}

PyObject* triangle(Args& a, Tensor (*make)(int64_t, int64_t, int64_t, DType, Device)) {
  const Options o = read_options(a, 3);
  return o.finish(make(a.integer(0), a.integer(1), a.integer(2), o.dtype.value_or(DType::Int64), o.device));
}

void register_ranges() {
  def("arange(Scalar end, *, Tensor? out=None, " RL_OPTIONS ")",
      ranged<[](const Args& a, OptDType dtype) { return arange(0, a.scalar(0), 1, dtype); }, 1>, kFunction,
      "Values from start (0) up to, but not including, end, in steps of step (1).\n\ndtype: int64 if all arguments are "
      "ints, else the default dtype.");
  def("arange(Scalar start, Scalar end, Scalar step=1, *, Tensor? out=None, " RL_OPTIONS ")",
      ranged<[](const Args& a, OptDType dtype) { return arange(a.scalar(0), a.scalar(1), a.scalar(2, 1), dtype); }, 3>,
      kFunction);
  def("range(Scalar start, Scalar end, Scalar step=1, *, Tensor? out=None, " RL_OPTIONS ")", ranged<range_of, 3>,
      kFunction, "Deprecated: as arange, but with end where a step hits it, and of the default dtype.");
  def("linspace(Operand start, Operand end, int steps, *, Tensor? out=None, " RL_OPTIONS ")",
      ranged<[](const Args& a, OptDType dtype) {
        return linspace(end_point(a, 0, "start"), end_point(a, 1, "end"), a.integer(2), dtype);
      },
             3>,
      kFunction, "`steps` values evenly spaced from start to end, both included. start, end: numbers or 0-d tensors.");
  def("logspace(Operand start, Operand end, int steps, float base=10, *, Tensor? out=None, " RL_OPTIONS ")",
      ranged<[](const Args& a, OptDType dtype) {
        return logspace(end_point(a, 0, "start"), end_point(a, 1, "end"), a.integer(2), a.number(3, 10), dtype);
      },
             4>,
      kFunction, "`steps` values from base**start to base**end, both included, with evenly spaced exponents.");
  def(
      "tril_indices(int row, int col, int offset=0, *, " RL_OPTIONS ")",
      [](Args& a) { return triangle(a, tril_indices); }, kFunction,
      "Indices [2, n] of the lower triangle of a row x col matrix: rows, then columns. dtype: int64 or int32.");
  def(
      "triu_indices(int row, int col, int offset=0, *, " RL_OPTIONS ")",
      [](Args& a) { return triangle(a, triu_indices); }, kFunction,
      "Indices [2, n] of the upper triangle of a row x col matrix: rows, then columns. dtype: int64 or int32.");
  def(
      "vander(Tensor x, int? N=None, bool increasing=False)",
      [](Args& a) { return wrap(vander(a.tensor(0), a.integer_or_none(1), a.flag(2))); }, kFunction,
      "Powers of the elements of x in N columns (as many as elements), falling unless increasing.");
  def(
      "from_file(str filename, bool? shared=None, int? size=0, *, " RL_OPTIONS ")",
      [](Args& a) {
        const Options o = read_options(a, 3);
        require_backend(o.device);
        return o.finish(from_file(a.text(0), a.flag(1), a.integer(2), o.dtype));
      },
      kFunction,
      "The first `size` elements of a file, mapped into memory.\n\nshared: writes reach the file, which is made or "
      "made longer where needed.");
}

// ---- defaults

void register_defaults() {
  def("get_default_dtype() -> dtype", [](Args&) { return wrap_dtype(default_dtype()); }, kFunction);
  def(
      "set_default_dtype(object d) -> None",
      [](Args& a) {
        if (!a.has(0) || !is_dtype(a.object(0)))
          fail<TypeError>("invalid dtype object: only floating-point types are supported as the default type");
        set_default_dtype(to_dtype(a.object(0)));
        return none();
      },
      kFunction, "The dtype of new tensors of Python floats.");
  def("get_default_device() -> device", [](Args&) { return wrap_device(g_default_device); }, kFunction);
  def(
      "set_default_device(device? device) -> None",
      [](Args& a) {
        g_default_device = a.device(0);  // whether it is there shows when something is put on it
        return none();
      },
      kFunction, "Where constructors put tensors when no device is given. None: the CPU.");
  def(
      "_enter_device(device device) -> None",
      [](Args& a) {
        g_device_contexts.push_back(g_default_device);
        g_default_device = a.device(0);
        return none();
      },
      kFunction);
  def(
      "_exit_device() -> None",
      [](Args&) {
        if (g_device_contexts.empty()) fail("__exit__ without __enter__");
        g_default_device = g_device_contexts.back();
        g_device_contexts.pop_back();
        return none();
      },
      kFunction);
}

}  // namespace

void register_creation() {
  register_constants();
  register_ranges();
  register_defaults();
  def(
      "result_type(Tensor tensor, Operand other) -> dtype",
      [](Args& a) { return wrap_dtype(result_dtype(a.operand(0), a.operand(1))); }, kFunction,
      "The dtype of the results of arithmetic on two operands.");
  def(
      "result_type(Scalar scalar, Tensor tensor) -> dtype",
      [](Args& a) { return wrap_dtype(result_dtype(a.operand(0), a.operand(1))); }, kFunction);
  def(
      "result_type(Scalar scalar1, Scalar scalar2) -> dtype",
      [](Args& a) { return wrap_dtype(result_dtype(a.operand(0), a.operand(1))); }, kFunction);
  def(
      "promote_types(dtype type1, dtype type2) -> dtype",
      [](Args& a) { return wrap_dtype(promote_types(*a.dtype(0), *a.dtype(1))); }, kFunction);
  def(
      "can_cast(dtype from_, dtype to) -> bool", [](Args& a) { return wrap_bool(can_cast(*a.dtype(0), *a.dtype(1))); },
      kFunction);
}

}  // namespace rushlight::python
