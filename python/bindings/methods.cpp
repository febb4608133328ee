// Conversions, copies and questions: the methods that belong to no family of operations.
#include "bindings/memory_format.h"
#include "core/thread_pool.h"
#include "cpu/blas.h"
#include "layout/layout.h"
#include "rushlight/memory.h"

namespace rushlight::python {

namespace {

// A number as wide as Python has it.
Tensor number_tensor(const Scalar& s) {
  return scalar_tensor(s, s.is_wide()             ? DType::UInt64
                          : s.is_integral(true)   ? s.dtype()
                          : s.is_floating_point() ? DType::Float64
                                                  : DType::Complex128);
}

// The same object where nothing changes, as torch's conversions do.
PyObject* converted(const Args& a, DType dtype, bool copy = false, MemoryFormat format = MemoryFormat::Preserve) {
  const Tensor& t = a.tensor(0);
  if (t.dtype() == dtype && !copy && format == MemoryFormat::Preserve) return Py_NewRef(a.object(0));
  return wrap(to(t, dtype, copy, format));
}

PyObject* moved(const Args& a, const Device& device, OptDType dtype, bool copy, MemoryFormat format) {
  const Tensor& t = a.tensor(0);
  require_backend(device);
  if (device.type != t.device().type)
    fail<NotImplementedError>("moving tensors between devices is not implemented yet");
  return converted(a, dtype.value_or(t.dtype()), copy, format);
}

template <DType D>
PyObject* convert_to(Args& a) {
  return converted(a, D, false, memory_format(a, 1));
}

DType dtype_of_type_name(const std::string& name) {
  for (int i = 0; i < kNumDTypes; ++i)
    if (name == tensor_type_name(static_cast<DType>(i))) return static_cast<DType>(i);
  if (name.rfind("torch.cuda.", 0) == 0) require_backend({DeviceType::CUDA, -1});
  if (name == "torch.Tensor") return default_dtype();
  fail<ValueError>("invalid type: '", name, "'");
}

void fill_diagonal(const Tensor& t, const Scalar& value, bool wrap) {
  if (t.dim() < 2) fail("dimensions must larger than 1");
  if (t.dim() > 2) {
    for (const int64_t size : t.sizes())
      if (size != t.sizes()[0]) fail("all dimensions of input must be of equal length");
    int64_t step = 0;
    for (const int64_t stride : t.strides()) step += stride;
    fill_(as_strided(t, t.sizes().first(1), IntSpan(&step, 1), t.storage_offset()), value);
    return;
  }
  fill_(diagonal(t), value);
  // A tall matrix: the diagonal goes on after one free row, again and again.
  const int64_t height = t.sizes()[0], block = t.sizes()[1] + 1;
  if (!wrap || height <= block) return;
  const int64_t whole = height / block * block;
  fill_(diagonal(unflatten(slice(t, 0, 0, whole), 0, DimVector{height / block, block}), 0, 1, 2), value);
  if (whole < height) fill_(diagonal(slice(t, 0, whole, height)), value);
}

}  // namespace

void register_methods() {
  def(
      "to(Tensor self, dtype dtype, bool non_blocking=False, bool copy=False, *, object? memory_format=None)",
      [](Args& a) { return converted(a, *a.dtype(1), a.flag(3), memory_format(a, 4)); }, kMethod,
      "to(dtype) or to(device, dtype=None) or to(other)\n\nConverts dtype or device; the tensor itself where nothing "
      "changes, unless copy=True.");
  def(
      "to(Tensor self, device? device=None, dtype? dtype=None, bool non_blocking=False, bool copy=False, *, object? "
      "memory_format=None)",
      [](Args& a) {
        return moved(a, a.has(1) ? a.device(1) : a.tensor(0).device(), a.dtype(2), a.flag(4), memory_format(a, 5));
      },
      kMethod);
  def(
      "to(Tensor self, Tensor other, bool non_blocking=False, bool copy=False, *, object? memory_format=None)",
      [](Args& a) { return moved(a, a.tensor(1).device(), a.tensor(1).dtype(), a.flag(3), memory_format(a, 4)); },
      kMethod);
#define RL_CONVERT(name, dtype) \
  def(name "(Tensor self, *, object? memory_format=None)", convert_to<DType::dtype>, kMethod);
  RL_CONVERT("float", Float32)
  RL_CONVERT("double", Float64)
  RL_CONVERT("half", Float16)
  RL_CONVERT("bfloat16", BFloat16)
  RL_CONVERT("long", Int64)
  RL_CONVERT("int", Int32)
  RL_CONVERT("short", Int16)
  RL_CONVERT("char", Int8)
  RL_CONVERT("byte", UInt8)
  RL_CONVERT("bool", Bool)
  RL_CONVERT("chalf", Complex32)
  RL_CONVERT("cfloat", Complex64)
  RL_CONVERT("cdouble", Complex128)
#undef RL_CONVERT
  def(
      "type(Tensor self, object? dtype=None, bool non_blocking=False)",
      [](Args& a) -> PyObject* {
        if (!a.has(1)) return PyUnicode_FromString(tensor_type_name(a.tensor(0).dtype()));
        if (PyUnicode_Check(a.object(1))) return converted(a, dtype_of_type_name(a.text(1)));
        PyObject* o = a.object(1);
        if (PyType_Check(o) && PyObject_HasAttrString(o, "dtype") && !is_dtype(o)) {
          Owned d(PyObject_GetAttrString(o, "dtype"));
          if (is_dtype(d.get())) return converted(a, to_dtype(d.get()));
        }
        if (o == reinterpret_cast<PyObject*>(&TensorType)) return converted(a, default_dtype());
        if (PyType_Check(o)) fail<ValueError>("invalid type: '", reinterpret_cast<PyTypeObject*>(o)->tp_name, "'");
        return converted(a, to_dtype(o));
      },
      kMethod, "The name of the tensor type, or a conversion to a dtype or named type.");
  def("type_as(Tensor self, Tensor other)", [](Args& a) { return converted(a, a.tensor(1).dtype()); }, kMethod);
  def(
      "cpu(Tensor self, *, object? memory_format=None)",
      [](Args& a) { return converted(a, a.tensor(0).dtype(), false, memory_format(a, 1)); }, kMethod);
  def(
      "cuda(Tensor self, device? device=None, bool non_blocking=False, *, object? memory_format=None)",
      [](Args& a) {
        return moved(a, a.has(1) ? a.device(1) : Device{DeviceType::CUDA, -1}, {}, false, memory_format(a, 3));
      },
      kMethod);
  def(
      "copy_(Tensor self, Operand other, bool non_blocking=False)",
      [](Args& a) {
        copy_(a.tensor(0), is_tensor(a.object(1)) ? a.tensor(1) : number_tensor(a.scalar(1)));
        return Py_NewRef(a.object(0));
      },
      kMethod, "Copies other (a tensor or number) into self with conversion; other broadcasts.");
  def(
      "fill_diagonal_(Tensor self, Scalar fill_value, bool wrap=False)",
      [](Args& a) {
        fill_diagonal(a.tensor(0), a.scalar(1), a.flag(2));
        return Py_NewRef(a.object(0));
      },
      kMethod,
      "Sets the elements with all indices equal. wrap: the diagonal of a tall matrix goes on after one free row, again "
      "and again.");
  def(
      "__complex__(Tensor self) -> complex",
      [](Args& a) {
        if (a.tensor(0).numel() != 1) fail<ValueError>("only one element tensors can be converted to Python scalars");
        const std::complex<double> value = item(a.tensor(0)).to_complex();
        return check_object(PyComplex_FromDoubles(value.real(), value.imag()));
      },
      kMethod);
  def(
      "__format__(Tensor self, str format_spec) -> str",
      [](Args& a) {
        Owned m(PyImport_ImportModule("rushlight._tensor_str"));
        return check_object(PyObject_CallMethod(m.get(), "_format", "OO", a.object(0), a.object(1)));
      },
      kMethod);
  def(
      "__array_namespace__(Tensor self, *, str? api_version=None) -> object",
      [](Args& a) {
        Owned m(PyImport_ImportModule("rushlight.array_api"));
        return check_object(PyObject_CallMethod(m.get(), "_namespace", "O", a.has(1) ? a.object(1) : Py_None));
      },
      kMethod, "The module of functions that follow the Python array API standard.");
  def(
      "to_device(Tensor self, device device, *, object? stream=None)",
      [](Args& a) {
        if (a.has(2)) fail<ValueError>("to_device: the stream argument is not supported");
        return moved(a, a.device(1), {}, false, MemoryFormat::Preserve);
      },
      kMethod, "The array API standard's to(device); the tensor itself if it is there.");
  def("is_floating_point(Tensor input) -> bool",
      [](Args& a) { return wrap_bool(is_floating_point(a.tensor(0).dtype())); });
  def("is_complex(Tensor input) -> bool", [](Args& a) { return wrap_bool(is_complex(a.tensor(0).dtype())); });
  def("is_signed(Tensor input) -> bool", [](Args& a) { return wrap_bool(is_signed(a.tensor(0).dtype())); });
  def(
      "is_same_size(Tensor input, Tensor other) -> bool",
      [](Args& a) { return wrap_bool(equal(a.tensor(0).sizes(), a.tensor(1).sizes())); }, kBoth,
      "Whether both have the same shape.");
  def("is_nonzero(Tensor input) -> bool", [](Args& a) {
    if (a.tensor(0).numel() != 1)
      fail("Boolean value of Tensor with ", a.tensor(0).numel() ? "more than one value" : "no values", " is ambiguous");
    return wrap_bool(a.tensor(0).item().to_bool());
  });
  def("is_conj(Tensor input) -> bool", [](Args& a) { return wrap_bool(a.tensor(0).is_conj()); });
  def("is_neg(Tensor input) -> bool", [](Args& a) { return wrap_bool(a.tensor(0).is_neg()); });
  def("is_pinned(Tensor self) -> bool", [](Args&) { return wrap_bool(false); }, kMethod);
  def("is_shared(Tensor self) -> bool", [](Args& a) { return wrap_bool(a.tensor(0).storage()->is_shared()); }, kMethod);
  def("get_device(Tensor input) -> int",
      [](Args& a) { return PyLong_FromLong(a.tensor(0).device().is_cpu() ? -1 : a.tensor(0).device().index); });
  def(
      "is_tensor(object obj) -> bool", [](Args& a) { return wrap_bool(a.object(0) && is_tensor(a.object(0))); },
      kFunction);
  def("get_num_threads() -> int", [](Args&) { return PyLong_FromLong(get_num_threads()); }, kFunction);
  def(
      "set_num_threads(int num) -> None",
      [](Args& a) {
        const int64_t n = a.integer(0);
        if (n <= 0) fail("set_num_threads expects a positive integer, got ", n);
        if (n > 1024) fail("set_num_threads: at most 1024 threads, got ", n);
        set_num_threads(static_cast<int>(n));
        cpu::set_blas_threads(static_cast<int>(n));
        return none();
      },
      kFunction, "Threads that operations use: the results are the same bits for any number.");
  def(
      "memory_stats() -> dict",
      [](Args&) {
        const MemoryStats s = memory_stats();
        return Py_BuildValue(
            "{s:L,s:L,s:L,s:L,s:L,s:L,s:L}", "allocated_bytes", static_cast<long long>(s.allocated_bytes),
            "peak_allocated_bytes", static_cast<long long>(s.peak_allocated_bytes), "cached_bytes",
            static_cast<long long>(s.cached_bytes), "reserved_bytes", static_cast<long long>(s.reserved_bytes),
            "allocations", static_cast<long long>(s.allocations), "system_allocations",
            static_cast<long long>(s.system_allocations), "cache_limit", static_cast<long long>(s.cache_limit));
      },
      kFunction, "Statistics of the CPU allocator, in bytes and counts.");
  def(
      "empty_cache() -> None",
      [](Args&) {
        empty_cache();
        return none();
      },
      kFunction, "Gives unused memory of the CPU allocator back to the system.");
}

}  // namespace rushlight::python
