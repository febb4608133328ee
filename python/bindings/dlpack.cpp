// Exchange of tensors with other libraries through DLPack capsules, with and without version.
#include <cstring>

#include "bindings/python.h"
#include "layout/layout.h"

namespace rushlight::python {

namespace {

// ---- the structures of the DLPack standard, version 1.0
struct DLDevice {
  int32_t type;
  int32_t id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;  // elements; null: row-major
  uint64_t byte_offset;
};
struct DLManaged {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManaged*);
};
struct DLManagedVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedVersioned*);
  uint64_t flags;
  DLTensor tensor;
};
constexpr int32_t kCpu = 1;
constexpr uint8_t kInt = 0, kUInt = 1, kFloat = 2, kBFloat = 4, kComplex = 5, kBool = 6;
constexpr uint64_t kReadOnly = 1, kCopied = 2;

template <class M>
constexpr bool kVersioned = std::is_same_v<M, DLManagedVersioned>;
template <class M>
constexpr const char* kName = kVersioned<M> ? "dltensor_versioned" : "dltensor";
template <class M>
constexpr const char* kUsedName = kVersioned<M> ? "used_dltensor_versioned" : "used_dltensor";

DLDataType data_type(DType dtype) {
  const auto bits = static_cast<uint8_t>(8 * item_size(dtype));
  if (dtype == DType::Bool) return {kBool, 8, 1};
  if (dtype == DType::BFloat16) return {kBFloat, 16, 1};
  if (is_floating_point(dtype)) return {kFloat, bits, 1};
  if (is_complex(dtype)) return {kComplex, bits, 1};
  if (is_integral(dtype, false)) return {is_signed(dtype) ? kInt : kUInt, bits, 1};
  fail<ValueError>("tensors of dtype torch.", name(dtype), " cannot be exported by DLPack");
}

DType dtype_of(DLDataType d) {
  if (d.lanes != 1) fail<ValueError>("DLPack: vectors of ", static_cast<int>(d.lanes), " lanes are not supported");
  for (int i = 0; i < kNumDTypes; ++i) {
    const DType t = static_cast<DType>(i);
    if (t >= DType::QUInt8) break;
    const DLDataType own = data_type(t);
    if (own.code == d.code && own.bits == d.bits) return t;
  }
  fail<ValueError>("DLPack: unsupported type code ", static_cast<int>(d.code), " with ", static_cast<int>(d.bits),
                   " bits");
}

// ---- export

template <class M>
struct Exported {
  M managed;
  Ref<Storage> storage;
  DimVector sizes, strides;
};

template <class M>
void delete_exported(M* managed) {
  delete static_cast<Exported<M>*>(managed->context);
}

template <class M>
void capsule_destructor(PyObject* capsule) {
  // A consumer renames what it takes over.
  if (!PyCapsule_IsValid(capsule, kName<M>)) return;
  auto* managed = static_cast<M*>(PyCapsule_GetPointer(capsule, kName<M>));
  if (managed->deleter) managed->deleter(managed);
}

template <class M>
PyObject* make_capsule(const Tensor& t, bool copied) {
  const DLDataType dtype = data_type(t.dtype());
  auto* e = new Exported<M>{{}, t.storage(), DimVector(t.sizes()), DimVector(t.strides())};
  pin(*t.storage());
  if constexpr (kVersioned<M>) {
    e->managed.major = 1;
    e->managed.minor = 0;
    e->managed.flags = (t.storage()->read_only() ? kReadOnly : 0) | (copied ? kCopied : 0);
  }
  e->managed.context = e;
  e->managed.deleter = delete_exported<M>;
  e->managed.tensor = {t.numel() ? t.data() : nullptr,
                       {kCpu, 0},
                       static_cast<int32_t>(t.dim()),
                       dtype,
                       e->sizes.data(),
                       e->strides.data(),
                       0};
  PyObject* capsule = PyCapsule_New(&e->managed, kName<M>, capsule_destructor<M>);
  if (!capsule) {
    delete e;
    throw PythonError{};
  }
  return capsule;
}

[[noreturn]] void fail_buffer(const char* text) {
  PyErr_SetString(PyExc_BufferError, text);
  throw PythonError{};
}

void check_exportable(const Tensor& t) {
  if (t.requires_grad()) fail_buffer("Can't export tensors that require gradient, use tensor.detach()");
  if (t.is_conj()) fail_buffer("Can't export tensors with the conjugate bit set");
  if (t.is_neg()) fail_buffer("Can't export tensors with the negative bit set");
  if (!t.device().is_cpu()) fail_buffer("only tensors on the CPU can be exported");
}

PyObject* export_capsule(const Tensor& t) {
  if (t.storage()->read_only())
    fail_buffer("a read-only tensor can only be exported to consumers that ask for DLPack 1.0 (max_version)");
  return make_capsule<DLManaged>(t, false);
}

// self, stream, max_version, dl_device, copy
PyObject* export_tensor(Args& a) {
  Tensor t = a.tensor(0);
  if (a.has(1)) {
    if (!is_int(a.object(1))) fail<TypeError>("stream must be ``int`` or ``none``");
    if (to_int(a.object(1)) != -1) fail<AssertionError>("stream should be None on cpu.");
  }
  check_exportable(t);
  if (a.has(3)) {
    Owned device(PySequence_Tuple(a.object(3)));
    if (PyTuple_GET_SIZE(device.get()) != 2) fail("dl_device must be either None or a tuple of ints");
    if (to_int(PyTuple_GET_ITEM(device.get(), 0)) != kCpu) {
      if (a.has(4) && !a.flag(4))
        fail<ValueError>("cannot move (i.e. copy=False) tensor from cpu to another device without copying.");
      fail_buffer("cannot export a CPU tensor to another device");
    }
  }
  bool versioned = false;
  if (a.has(2)) {
    Owned version(PySequence_Tuple(a.object(2)));
    versioned = PyTuple_GET_SIZE(version.get()) > 0 && to_int(PyTuple_GET_ITEM(version.get(), 0)) >= 1;
  }
  const bool copy = a.flag(4);
  if (copy) t = clone(t);
  if (versioned) return make_capsule<DLManagedVersioned>(t, copy);
  return copy ? make_capsule<DLManaged>(t, true) : export_capsule(t);
}

// ---- import

template <class M>
void drop_managed(void* context, void*, size_t) {
  auto* managed = static_cast<M*>(context);
  if (managed->deleter) managed->deleter(managed);
}

template <class M>
Tensor take_capsule(PyObject* capsule) {
  auto* managed = static_cast<M*>(PyCapsule_GetPointer(capsule, kName<M>));
  if (!managed) throw PythonError{};
  bool read_only = false;
  if constexpr (kVersioned<M>) {
    if (managed->major > 1) fail_buffer("from_dlpack: the capsule has a newer major version of DLPack");
    read_only = managed->flags & kReadOnly;
  }
  const DLTensor& d = managed->tensor;
  if (d.device.type != kCpu) fail_buffer("from_dlpack: only memory on the CPU is supported");
  if (d.ndim < 0 || d.ndim > kMaxDims) fail<ValueError>("from_dlpack: ", d.ndim, " dimensions are not supported");
  if (d.ndim && !d.shape) fail<ValueError>("from_dlpack: the capsule has dims but no sizes");
  const DType dtype = dtype_of(d.dtype);
  const int64_t size = item_size(dtype);
  const DimVector sizes(IntSpan(d.shape, static_cast<size_t>(d.ndim)));
  const int64_t numel = layout::checked_numel(sizes, size);
  DimVector strides =
      d.strides ? DimVector(IntSpan(d.strides, static_cast<size_t>(d.ndim))) : layout::contiguous_strides(sizes);
  for (int64_t i = 0; i < strides.size(); ++i)
    if (strides[i] < 0) {
      if (numel && sizes[i] > 1) fail_buffer("from_dlpack: negative strides are not supported");
      strides[i] = 1;
    }
  int64_t bytes = 0;
  if (numel && __builtin_mul_overflow(layout::required_elements(sizes, strides, 0), size, &bytes))
    fail("from_dlpack: size overflows");
  if (numel && !d.data) fail<ValueError>("from_dlpack: the capsule has no memory");
  // From here on nothing fails: the tensor owns what the capsule did.
  if (PyCapsule_SetName(capsule, kUsedName<M>) < 0) throw PythonError{};
  auto storage = Storage::wrap(numel ? static_cast<char*>(d.data) + d.byte_offset : nullptr, static_cast<size_t>(bytes),
                               {}, drop_managed<M>, managed, read_only);
  return Tensor::adopt(TensorImpl::create(std::move(storage), dtype, sizes, strides, 0));
}

PyObject* ask_capsule(PyObject* o, std::optional<bool> copy) {
  Owned method(PyObject_GetAttrString(o, "__dlpack__"));
  Owned none(PyTuple_New(0));
  Owned keywords(PyDict_New());
  Owned version(Py_BuildValue("(ii)", 1, 0));
  if (PyDict_SetItemString(keywords.get(), "max_version", version.get()) < 0) throw PythonError{};
  if (copy && PyDict_SetItemString(keywords.get(), "copy", *copy ? Py_True : Py_False) < 0) throw PythonError{};
  PyObject* capsule = PyObject_Call(method.get(), none.get(), keywords.get());
  if (capsule || !PyErr_ExceptionMatches(PyExc_TypeError)) return check_object(capsule);
  // Written before version 1.0.
  PyErr_Clear();
  return check_object(PyObject_CallNoArgs(method.get()));
}

}  // namespace

Tensor from_dlpack(PyObject* o, std::optional<bool> copy) {
  PyObject* taken = PyCapsule_CheckExact(o)                        ? Py_NewRef(o)
                    : PyObject_HasAttrString(o, "__dlpack__") == 1 ? ask_capsule(o, copy)
                                                                   : nullptr;
  if (taken) {
    Owned capsule(taken);
    if (PyCapsule_IsValid(taken, kName<DLManagedVersioned>)) return take_capsule<DLManagedVersioned>(taken);
    if (PyCapsule_IsValid(taken, kName<DLManaged>)) return take_capsule<DLManaged>(taken);
  }
  fail(
      "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you might "
      "have already "
      "constructed a tensor from it once.");
}

void register_dlpack() {
  def("__dlpack__(Tensor self, *, object? stream=None, object? max_version=None, object? dl_device=None, bool? "
      "copy=None) -> object",
      export_tensor, kMethod,
      "A DLPack capsule of the memory, versioned if max_version is at least (1, 0).\n\ncopy: True exports a "
      "copy.\nRaises BufferError if "
      "the tensor requires grad.");
  def(
      "__dlpack_device__(Tensor self) -> object", [](Args&) { return check_object(Py_BuildValue("(ii)", kCpu, 0)); },
      kMethod);
  for (const char* name : {"to_dlpack", "_to_dlpack"})
    def((new std::string(std::string(name) + "(Tensor data) -> object"))->c_str(),
        [](Args& a) {
          // As in torch, tensors that require grad may leave by this function.
          check_exportable(detach(a.tensor(0)));
          return export_capsule(a.tensor(0));
        },
        kFunction, "A DLPack capsule of the memory, without version.");
  def(
      "from_dlpack(object ext_tensor, *, device? device=None, bool? copy=None)",
      [](Args& a) {
        if (a.has(1)) require_backend(a.device(1));
        const std::optional<bool> copy = a.has(2) ? std::optional<bool>(a.flag(2)) : std::nullopt;
        if (PyCapsule_CheckExact(a.object(0)) && (a.has(1) || a.has(2)))
          fail<AssertionError>("device and copy kwargs not supported when ext_tensor is already a DLPack capsule.");
        Tensor t = from_dlpack(a.object(0), copy);
        // Producers older than the copy argument ignore it, and a read-only copy is of no use.
        if (copy.value_or(false)) t = clone(t);
        return wrap(t);
      },
      kFunction,
      "A tensor that shares the memory of an object with __dlpack__, or of a capsule.\n\ncopy: True copies.");
}

}  // namespace rushlight::python
