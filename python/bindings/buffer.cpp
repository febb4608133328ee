// Tensors as Python buffers and numbers: the buffer protocol, frombuffer, tolist and item.
#include <cstring>

#include "bindings/conj.h"
#include "bindings/override.h"
#include "layout/layout.h"

namespace rushlight::python {

namespace {

// The letter of a dtype in the struct module; null where Python has none.
const char* format_of(DType dtype) {
  switch (dtype) {
    case DType::Bool: return "?";
    case DType::UInt8: return "B";
    case DType::Int8: return "b";
    case DType::Int16: return "h";
    case DType::UInt16: return "H";
    case DType::Int32: return "i";
    case DType::UInt32: return "I";
    case DType::Int64: return sizeof(long) == 8 ? "l" : "q";
    case DType::UInt64: return sizeof(long) == 8 ? "L" : "Q";
    case DType::Float16: return "e";
    case DType::Float32: return "f";
    case DType::Float64: return "d";
    case DType::Complex64: return "Zf";
    case DType::Complex128: return "Zd";
    default: return nullptr;
  }
}

// What a view needs while it lives.
struct View {
  Ref<Storage> storage;
  DimVector sizes, strides;
};

int fail_view(const char* text) {
  PyErr_SetString(PyExc_BufferError, text);
  return -1;
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  const Tensor& t = unwrap(self);
  if (!t.defined()) return fail_view("the tensor is undefined");
  // NumPy asks for __array__ then, which the handler sees.
  if (overrides_possible() && has_own_handler(Py_TYPE(self)))
    return fail_view("a tensor whose class has a __torch_function__ of its own has no buffer");
  if (t.requires_grad()) return fail_view("a tensor that requires grad has no buffer. Use tensor.detach().");
  if (t.is_conj())
    return fail_view("a tensor that has the conjugate bit set has no buffer. Use tensor.resolve_conj().");
  if (t.is_neg()) return fail_view("a tensor that has the negative bit set has no buffer. Use tensor.resolve_neg().");
  if (!t.device().is_cpu()) return fail_view("only tensors on the CPU have a buffer");
  const char* format = format_of(t.dtype());
  if (!format) return fail_view("the dtype of this tensor has no buffer format");
  const bool read_only = t.storage()->read_only();
  if ((flags & PyBUF_WRITABLE) && read_only) return fail_view("the memory of this tensor is read-only");
  auto* v = new View{t.storage(), DimVector(t.sizes()), DimVector(t.strides())};
  pin(*t.storage());
  // Strides that are never followed may be any.
  for (int64_t& s : v->strides)
    if (__builtin_mul_overflow(s, t.item_size(), &s)) s = t.item_size();
  static char nothing[16];
  view->buf = t.numel() ? t.data() : nothing;
  view->len = t.nbytes();
  view->itemsize = t.item_size();
  view->readonly = read_only;
  view->ndim = static_cast<int>(t.dim());
  view->format = const_cast<char*>(format);
  static_assert(sizeof(Py_ssize_t) == sizeof(int64_t));
  view->shape = reinterpret_cast<Py_ssize_t*>(v->sizes.data());
  view->strides = reinterpret_cast<Py_ssize_t*>(v->strides.data());
  view->suboffsets = nullptr;
  view->internal = v;
  const auto wants = [&](int flag) { return (flags & flag) == flag; };
  const bool bad = (wants(PyBUF_C_CONTIGUOUS) && !PyBuffer_IsContiguous(view, 'C')) ||
                   (wants(PyBUF_F_CONTIGUOUS) && !PyBuffer_IsContiguous(view, 'F')) ||
                   (wants(PyBUF_ANY_CONTIGUOUS) && !PyBuffer_IsContiguous(view, 'A')) ||
                   (!wants(PyBUF_STRIDES) && !PyBuffer_IsContiguous(view, 'C'));
  if (bad) {
    delete v;
    return fail_view("the memory of this tensor is not contiguous");
  }
  if (!wants(PyBUF_STRIDES)) view->strides = nullptr;
  if (!wants(PyBUF_ND)) view->shape = nullptr;
  if (!wants(PyBUF_FORMAT)) view->format = nullptr;
  view->obj = Py_NewRef(self);
  return 0;
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<View*>(view->internal); }

// ---- numbers

PyObject* number(DType dtype, const char* at) {
  switch (dtype) {
    case DType::Float32: {
      float value;
      std::memcpy(&value, at, sizeof value);
      return PyFloat_FromDouble(static_cast<double>(value));
    }
    case DType::Float64: {
      double value;
      std::memcpy(&value, at, sizeof value);
      return PyFloat_FromDouble(value);
    }
    case DType::Int64: {
      int64_t value;
      std::memcpy(&value, at, sizeof value);
      return PyLong_FromLongLong(value);
    }
    case DType::UInt64: {
      uint64_t value;
      std::memcpy(&value, at, sizeof value);
      return PyLong_FromUnsignedLongLong(value);
    }
    default: return wrap_scalar(Scalar::load(dtype, at));
  }
}

PyObject* list_of(const char* at, IntSpan sizes, IntSpan strides, DType dtype, int64_t size) {
  Owned list(PyList_New(static_cast<Py_ssize_t>(sizes[0])));
  const int64_t step = sizes[0] > 1 ? strides[0] * size : 0;  // the stride of a lone element may be any
  for (int64_t i = 0; i < sizes[0]; ++i) {
    PyObject* item =
        sizes.size() == 1 ? number(dtype, at) : list_of(at, sizes.subspan(1), strides.subspan(1), dtype, size);
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), check_object(item));
    at += step;
  }
  return list.release();
}

PyObject* item_of(Args& a) {
  const Tensor& t = a.tensor(0);
  if (t.numel() != 1) fail("a Tensor with ", t.numel(), " elements cannot be converted to Scalar");
  if (!t.device().is_cpu()) return wrap_scalar(item(t));
  return check_object(number(t.dtype(), t.data()));
}

// ---- frombuffer

// A view of somebody's buffer, held by a storage.
void drop_view(void* context, void*, size_t) {
  auto* view = static_cast<Py_buffer*>(context);
  if (!Py_IsInitialized()) return;
  const PyGILState_STATE state = PyGILState_Ensure();
  PyBuffer_Release(view);
  PyGILState_Release(state);
  delete view;
}

// buffer, dtype, count, offset, requires_grad
PyObject* from_buffer(Args& a) {
  PyObject* o = a.object(0);
  const DType dtype = *a.dtype(1);
  const int64_t size = item_size(dtype);
  const int64_t offset = a.integer(3, 0);
  int64_t count = a.integer(2, -1);
  if (!PyObject_CheckBuffer(o)) fail<ValueError>("object does not implement Python buffer protocol.");
  if (a.flag(4) && !is_differentiable(dtype))
    fail("Only Tensors of floating point and complex dtype can require gradients");
  auto* view = new Py_buffer;
  bool writable = PyObject_GetBuffer(o, view, PyBUF_WRITABLE) == 0;
  if (!writable) {
    PyErr_Clear();
    if (PyObject_GetBuffer(o, view, PyBUF_SIMPLE) < 0) {
      delete view;
      PyErr_Clear();
      fail("could not retrieve buffer from object");
    }
  }
  // Hands the view over: from here on it is released with the storage.
  Ref<Storage> storage = Storage::wrap(view->buf, static_cast<size_t>(view->len), {}, drop_view, view, !writable);
  const int64_t length = view->len;
  if (length == 0 || count == 0)
    fail<ValueError>("both buffer length (", length, ") and count (", count, ") must not be 0");
  if (offset < 0 || offset >= length)
    fail<ValueError>("offset (", offset, " bytes) must be non-negative and no greater than buffer length (", length,
                     " bytes) minus 1");
  const int64_t rest = length - offset;
  if (count < 0) {
    if (rest % size != 0)
      fail<ValueError>("buffer length (", rest, " bytes) after offset (", offset,
                       " bytes) must be a multiple of element size (", size, ")");
    count = rest / size;
  } else if (count > rest / size) {
    fail<ValueError>("requested buffer length (", count, " * ", size, " bytes) after offset (", offset,
                     " bytes) must not be greater than actual buffer length (", length, " bytes)");
  }
  if (!writable) {
    static bool warned = false;
    if (!warned) {
      warned = true;
      if (PyErr_WarnEx(
              PyExc_UserWarning,
              "The given buffer is not writable, so operations that write to this tensor will raise an error. Copy the "
              "buffer to make it writable before converting it to a tensor. This type of warning will be suppressed "
              "for "
              "the rest of this program.",
              1) < 0)
        throw PythonError{};
    }
  }
  // The storage of the tensor begins at the offset, so that any offset in bytes will do.
  struct Part {
    Ref<Storage> whole;
  };
  Ref<Storage> part = storage;
  if (offset != 0 || count * size != length)
    part = Storage::wrap(
        storage->data() + offset, static_cast<size_t>(count * size), {},
        [](void* context, void*, size_t) { delete static_cast<Part*>(context); }, new Part{storage}, !writable);
  const int64_t sizes[] = {count};
  const Tensor t = Tensor::adopt(TensorImpl::create_contiguous(std::move(part), dtype, sizes, count));
  if (a.flag(4)) t.set_requires_grad(true);
  return wrap(t);
}

}  // namespace

PyBufferProcs tensor_buffer = {get_buffer, release_buffer};

PyObject* to_list(const Tensor& t) {
  if (!t.device().is_cpu()) fail("tolist: copy the tensor to the CPU first");
  if (t.is_lazy()) return to_list(resolve_lazy(t));
  if (t.dim() == 0) return check_object(number(t.dtype(), t.data()));
  return list_of(t.numel() ? t.data() : nullptr, t.sizes(), t.strides(), t.dtype(), t.item_size());
}

void register_buffer() {
  def("item(Tensor self) -> object", item_of, kMethod,
      "The one element as a Python number. RuntimeError for other numbers of elements.");
  def(
      "tolist(Tensor self) -> object", [](Args& a) { return to_list(a.tensor(0)); }, kMethod,
      "The elements as nested lists of Python numbers; one number for 0-d tensors.");
  def("frombuffer(object buffer, *, dtype dtype, int count=-1, int offset=0, bool requires_grad=False)", from_buffer,
      kFunction,
      "A 1-d tensor that shares the memory of an object with the buffer protocol.\n\ncount: elements, -1 for all. "
      "offset: bytes.\nRaises "
      "ValueError where they do not fit. Tensors of read-only buffers are read-only.");
}

}  // namespace rushlight::python
