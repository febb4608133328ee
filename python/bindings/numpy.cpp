// NumPy arrays to tensors and back without copying. NumPy is optional: its function table is fetched on first use.
#include <cstring>

#include "bindings/conj.h"
#include "bindings/iteration.h"
#include "layout/layout.h"

namespace rushlight::python {

namespace {

// The fields that NumPy 1 and 2 promise to keep where they are.
struct Descr {
  PyObject_HEAD PyTypeObject* type;
  char kind, letter, byte_order, reserved;
  int number;
};
struct Array {
  PyObject_HEAD char* data;
  int dims;
  Py_intptr_t* sizes;
  Py_intptr_t* strides;  // bytes
  PyObject* base;
  Descr* descr;
  int flags;
};
constexpr int kCContiguous = 0x1, kAligned = 0x100, kWriteable = 0x400;

struct Api {
  PyTypeObject* array_type = nullptr;  // null until the table is loaded
  PyObject* (*new_from_descr)(PyTypeObject*, PyObject*, int, const Py_intptr_t*, const Py_intptr_t*, void*, int,
                              PyObject*) = nullptr;
  int (*set_base)(PyObject*, PyObject*) = nullptr;
  PyObject* descrs[kNumDTypes] = {};  // null where NumPy has no such type
};
Api g_api;

// NumPy's numbers of types. Types of one size share a dtype; the first entry is the one that arrays get.
constexpr bool kLong64 = sizeof(long) == 8;
constexpr DType kDTypes[] = {DType::Bool,
                             DType::Int8,
                             DType::UInt8,
                             DType::Int16,
                             DType::UInt16,
                             DType::Int32,
                             DType::UInt32,
                             kLong64 ? DType::Int64 : DType::Int32,
                             kLong64 ? DType::UInt64 : DType::UInt32,
                             DType::Int64,
                             DType::UInt64,
                             DType::Float32,
                             DType::Float64,
                             DType::Undefined,
                             DType::Complex64,
                             DType::Complex128};
constexpr int kHalf = 23;

DType dtype_of(const Descr* d) {
  if (d->number >= 0 && d->number < static_cast<int>(std::size(kDTypes))) return kDTypes[d->number];
  return d->number == kHalf ? DType::Float16 : DType::Undefined;
}

bool load_api() {
  PyObject* module = PyImport_ImportModule("numpy._core._multiarray_umath");
  if (!module && PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) {
    PyErr_Clear();
    module = PyImport_ImportModule("numpy.core._multiarray_umath");
  }
  if (!module) return false;
  PyObject* capsule = PyObject_GetAttrString(module, "_ARRAY_API");
  Py_DECREF(module);
  if (!capsule) return false;
  void** table = static_cast<void**>(PyCapsule_GetPointer(capsule, nullptr));
  Py_DECREF(capsule);
  if (!table) return false;
  const unsigned version = reinterpret_cast<unsigned (*)()>(table[0])() >> 24;
  if (version != 1 && version != 2) {
    PyErr_Format(PyExc_RuntimeError, "this NumPy has an unknown binary interface (version %u)", version);
    return false;
  }
  auto descr = reinterpret_cast<PyObject* (*)(int)>(table[45]);
  for (int i = static_cast<int>(std::size(kDTypes)) - 1; i >= 0; --i)
    if (kDTypes[i] != DType::Undefined) g_api.descrs[static_cast<int>(kDTypes[i])] = descr(i);
  g_api.descrs[static_cast<int>(DType::Float16)] = descr(kHalf);
  g_api.new_from_descr = reinterpret_cast<decltype(g_api.new_from_descr)>(table[94]);
  g_api.set_base = reinterpret_cast<decltype(g_api.set_base)>(table[282]);
  g_api.array_type = static_cast<PyTypeObject*>(table[2]);
  return true;
}

void need_api() {
  if (!g_api.array_type && !load_api()) throw PythonError{};
}

// ---- what an array holds on to: a storage, not a tensor, so that nothing done to the tensor moves the memory
struct Memory {
  PyObject_HEAD Storage* storage;
};
PyTypeObject MemoryType = {PyVarObject_HEAD_INIT(nullptr, 0)};
constexpr int kKept = 32;
Memory* g_kept[kKept];
int g_kept_count = 0;

PyObject* new_memory(const Ref<Storage>& storage) {
  Memory* m;
  if (g_kept_count > 0)
    PyObject_Init(reinterpret_cast<PyObject*>(m = g_kept[--g_kept_count]), &MemoryType);
  else
    m = PyObject_New(Memory, &MemoryType);
  if (!m) throw PythonError{};
  pin(*storage);
  storage->retain();
  m->storage = storage.get();
  return reinterpret_cast<PyObject*>(m);
}
void memory_dealloc(PyObject* self) {
  auto* m = reinterpret_cast<Memory*>(self);
  m->storage->release();
  if (g_kept_count < kKept)
    g_kept[g_kept_count++] = m;
  else
    PyObject_Free(self);
}
PyObject* memory_repr(PyObject* self) {
  return PyUnicode_FromFormat("<memory of a tensor: %zu bytes>", reinterpret_cast<Memory*>(self)->storage->nbytes());
}

// Lets go of a Python object from wherever the last tensor dies.
void drop_object(void* object, void*, size_t) {
  if (!Py_IsInitialized()) return;
  if (PyGILState_Check()) {
    Py_DECREF(static_cast<PyObject*>(object));
    return;
  }
  const PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(static_cast<PyObject*>(object));
  PyGILState_Release(state);
}

PyObject* array_of(PyObject* self, PyObject* dtype, PyObject* copy) {
  Owned array(to_numpy(unwrap(self)));
  const bool always = copy && is_true(copy);
  if (dtype) {
    Owned module(PyImport_ImportModule("numpy"));
    Owned wanted(PyObject_CallMethod(module.get(), "dtype", "O", dtype));
    if (wanted.get() != reinterpret_cast<PyObject*>(reinterpret_cast<Array*>(array.get())->descr)) {
      const int same = PyObject_RichCompareBool(
          wanted.get(), reinterpret_cast<PyObject*>(reinterpret_cast<Array*>(array.get())->descr), Py_EQ);
      if (same < 0) throw PythonError{};
      if (!same) {
        if (copy && !always) fail<ValueError>("Unable to avoid copy while creating an array as requested.");
        return check_object(PyObject_CallMethod(array.get(), "astype", "O", wanted.get()));
      }
    }
  }
  return always ? check_object(PyObject_CallMethod(array.get(), "copy", nullptr)) : array.release();
}

}  // namespace

bool is_numpy_array(PyObject* o) {
  if (!g_api.array_type) {
    // Without numpy imported by somebody there are no arrays.
    PyObject* modules = PyImport_GetModuleDict();
    if (!PyDict_GetItemString(modules, "numpy")) return false;
    if (!load_api()) {
      forgive();
      return false;
    }
  }
  return PyObject_TypeCheck(o, g_api.array_type);
}

int numpy_dims(PyObject* array) { return reinterpret_cast<Array*>(array)->dims; }

bool is_numpy_index(PyObject* array) {
  return numpy_dims(array) == 0 && is_integral(dtype_of(reinterpret_cast<Array*>(array)->descr), false);
}

Tensor share_numpy(PyObject* o, bool warn_read_only) {
  if (!is_numpy_array(o)) fail<TypeError>("expected np.ndarray (got ", Py_TYPE(o)->tp_name, ")");
  const Array& a = *reinterpret_cast<Array*>(o);
  const DType dtype = dtype_of(a.descr);
  if (dtype == DType::Undefined)
    fail<TypeError>("can't convert np.ndarray of type ", a.descr->type->tp_name,
                    ". The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, "
                    "int16, int8, uint64, uint32, uint16, uint8, and bool.");
  if (a.descr->byte_order == (std::endian::native == std::endian::little ? '>' : '<'))
    fail<ValueError>(
        "given numpy array has byte order different from the native byte order. Conversion between byte "
        "orders is currently not supported.");
  const int64_t size = item_size(dtype);
  DimVector sizes(a.dims), strides(a.dims);
  int64_t numel = 1;
  for (int i = 0; i < a.dims; ++i) numel *= sizes[i] = a.sizes[i];
  bool dense = true;
  int64_t step = 1;
  for (int i = a.dims - 1; i >= 0; --i) {
    if (a.strides[i] % size != 0) {
      if (sizes[i] > 1 && numel)
        fail<ValueError>(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy array to "
            "reallocate the memory.");
      strides[i] = step;
    } else {
      strides[i] = a.strides[i] / size;
    }
    if (strides[i] < 0) {
      if (sizes[i] > 1 && numel)
        fail<ValueError>(
            "At least one stride in the given numpy array is negative, and tensors with negative strides "
            "are not currently supported. (You can probably work around this by making a copy of your "
            "array with array.copy().)");
      strides[i] = step;
    }
    dense = dense && (strides[i] == step);
    step *= sizes[i] > 0 ? sizes[i] : 1;
  }
  const bool read_only = !(a.flags & kWriteable);
  if (read_only && warn_read_only) {
    static bool warned = false;
    if (!warned) {
      warned = true;
      if (PyErr_WarnEx(
              PyExc_UserWarning,
              "The given NumPy array is not writable, so operations that write to this tensor will raise an error. "
              "Copy the array to make it writable before converting it to a tensor. This type of warning will be "
              "suppressed for the rest of this program.",
              1) < 0)
        throw PythonError{};
    }
  }
  const int64_t bytes = numel == 0 ? 0 : (dense ? numel : layout::required_elements(sizes, strides, 0)) * size;
  auto storage = Storage::wrap(a.data, static_cast<size_t>(bytes), {}, drop_object, Py_NewRef(o), read_only);
  if (dense) return Tensor::adopt(TensorImpl::create_contiguous(std::move(storage), dtype, sizes, numel));
  return Tensor::adopt(TensorImpl::create(std::move(storage), dtype, sizes, strides, 0));
}

Tensor from_numpy(PyObject* array) { return share_numpy(array, true); }

PyObject* to_numpy(const Tensor& t) {
  need_api();
  if (autograd::needs(t)) fail("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
  if (t.is_conj())
    fail("Can't call numpy() on Tensor that has conjugate bit set. Use tensor.resolve_conj().numpy() instead.");
  if (t.is_neg())
    fail("Can't call numpy() on Tensor that has negative bit set. Use tensor.resolve_neg().numpy() instead.");
  if (!t.device().is_cpu())
    fail<TypeError>("can't convert ", t.device().str(),
                    " device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
  PyObject* descr = g_api.descrs[static_cast<int>(t.dtype())];
  if (!descr) fail<TypeError>("Got unsupported ScalarType ", t.dtype());
  static_assert(sizeof(Py_intptr_t) == sizeof(int64_t));
  const int n = static_cast<int>(t.dim());
  const auto* sizes = reinterpret_cast<const Py_intptr_t*>(t.sizes().data());
  DimVector strides;
  if (!t.is_contiguous()) {
    strides.resize(n);
    for (int i = 0; i < n; ++i)
      if (__builtin_mul_overflow(t.strides()[i], t.item_size(), &strides[i])) strides[i] = t.item_size();
  }
  static char nothing[16];
  char* data = t.numel() ? t.data() : nothing;
  const int flags = kAligned | (t.storage()->read_only() ? 0 : kWriteable) | (t.is_contiguous() ? kCContiguous : 0);
  Owned memory(new_memory(t.storage()));
  Owned array(g_api.new_from_descr(g_api.array_type, Py_NewRef(descr), n, sizes,
                                   t.is_contiguous() ? nullptr : reinterpret_cast<const Py_intptr_t*>(strides.data()),
                                   data, flags, nullptr));
  if (g_api.set_base(array.get(), memory.release()) < 0) throw PythonError{};
  return array.release();
}

void bind_numpy(nb::module_&) {
  MemoryType.tp_name = "rushlight.Memory";
  MemoryType.tp_doc = "Keeps the memory of a tensor alive for arrays that share it.";
  MemoryType.tp_basicsize = sizeof(Memory);
  MemoryType.tp_flags = Py_TPFLAGS_DEFAULT;
  MemoryType.tp_dealloc = memory_dealloc;
  MemoryType.tp_repr = memory_repr;
  if (PyType_Ready(&MemoryType) < 0) throw PythonError{};

  def(
      "from_numpy(object ndarray)", [](Args& a) { return wrap(from_numpy(a.object(0))); }, kFunction,
      "A tensor that shares the memory of a NumPy array.\n\nRaises TypeError for dtypes that tensors do not have, "
      "ValueError for negative "
      "strides, strides that are no multiple of the item size and foreign byte order. Tensors of read-only arrays are "
      "read-only.");
  def(
      "numpy(Tensor self, *, bool force=False) -> object",
      [](Args& a) { return to_numpy(a.flag(1) ? resolve_lazy(detach(a.tensor(0))) : a.tensor(0)); }, kMethod,
      "A NumPy array that shares the memory of the tensor.\n\nforce: detach first.\nRaises RuntimeError if it requires "
      "grad, TypeError "
      "for dtypes that NumPy does not have.");
  def(
      "to_numpy(Tensor self, object? dtype=None, bool copy=False) -> object",
      [](Args& a) {
        Tensor t = resolve_conj(detach(a.tensor(0)));
        if (t.dtype() == DType::BFloat16) t = to(t, DType::Float32);
        if (t.dtype() == DType::Complex32) t = to(t, DType::Complex64);
        Owned tensor(wrap(t));
        return array_of(tensor.get(), a.object(1), a.flag(2) ? Py_True : nullptr);
      },
      kMethod,
      "A NumPy array of the values, as data frames have it: plotting and other libraries ask for it.\n\nWithout "
      "history; it shares the memory where NumPy has the dtype, else (bfloat16, complex32) it is of the next wider "
      "one.\ndtype: of the array.\ncopy: never share.");
  def(
      "__array__(Tensor self, object? dtype=None, bool? copy=None) -> object",
      [](Args& a) { return array_of(a.object(0), a.object(1), a.object(2)); }, kMethod);
  def(
      "__array_wrap__(Tensor self, object array, object? context=None, bool return_scalar=False)",
      [](Args& a) {
        PyObject* array = a.object(1);
        if (!is_numpy_array(array)) return Py_NewRef(array);
        // As in torch: results of comparisons come back as uint8.
        const Tensor t = share_numpy(array, false);
        return wrap(t.dtype() == DType::Bool ? to(t, DType::UInt8) : t);
      },
      kMethod);
  register_dlpack();
  register_buffer();
  register_arrow();
}

}  // namespace rushlight::python
