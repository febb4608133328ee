// UntypedStorage, the methods that lead from tensors to their storage and back, and what copy and pickle need.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <unordered_map>

#include "bindings/storage.h"

#include "autograd/hooks.h"
#include "layout/layout.h"
#include "rushlight/creation.h"
#include "rushlight/shared_memory.h"

namespace rushlight::python {

namespace {

struct UntypedStorage;
// A storage has one Python object while that lives, so that pickle and copy see which tensors share it. Guarded by the
// interpreter's lock.
std::unordered_map<Storage*, PyObject*>& objects() {
  static auto* map = new std::unordered_map<Storage*, PyObject*>;
  return *map;
}

struct UntypedStorage {
  explicit UntypedStorage(Ref<Storage> s) : storage(std::move(s)) {}
  UntypedStorage(UntypedStorage&&) = default;
  ~UntypedStorage() {
    if (!storage) return;
    const auto found = objects().find(storage.get());
    if (found != objects().end() && found->second == object) objects().erase(found);
  }
  uint8_t* bytes() const { return reinterpret_cast<uint8_t*>(storage->data()); }
  int64_t size() const { return static_cast<int64_t>(storage->nbytes()); }
  Ref<Storage> storage;
  PyObject* object = nullptr;  // borrowed: the one that this lies in
};

bool is_storage(PyObject* o) { return nb::isinstance<UntypedStorage>(nb::handle(o)); }
const UntypedStorage& storage_of(PyObject* o) {
  if (!is_storage(o)) fail<TypeError>("expected torch.UntypedStorage, but got ", type_name(o));
  return *ready_instance<UntypedStorage>(o);
}

void check_writable(const UntypedStorage& s) {
  if (s.storage->read_only()) fail("the memory of this storage is read-only");
}

Ref<Storage> allocate_bytes(int64_t nbytes, Device device) {
  if (nbytes < 0) fail("UntypedStorage: the size must not be negative, got ", nbytes);
  return Storage::allocate(static_cast<size_t>(nbytes), device);
}

uint8_t byte_of(PyObject* o) {
  if (!is_int(o) || is_tensor(o))
    fail("can only set storage content with a int types, but got ", type_name(o), " instead");
  // As a cast to a byte does: the low bits.
  return static_cast<uint8_t>(to_int(o));
}

Ref<Storage> make_storage(PyObject* data, Device device) {
  if (!data || data == Py_None) return allocate_bytes(0, device);
  if (is_int(data)) return allocate_bytes(to_int(data), device);
  if (is_tensor(data)) fail("torch.UntypedStorage(): Expected a sequence type, but got Tensor");
  if (!PySequence_Check(data))
    fail<TypeError>("UntypedStorage takes a size or a sequence of bytes, but got ", type_name(data));
  // A tuple: reading an item may run Python code that changes a list.
  Owned items(PySequence_Tuple(data));
  const Py_ssize_t n = PyTuple_GET_SIZE(items.get());
  Ref<Storage> s = allocate_bytes(n, device);
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* const item = PyTuple_GET_ITEM(items.get(), i);
    if (!is_int(item))
      fail("torch.UntypedStorage(): tried to construct a storage from a sequence (", Py_TYPE(data)->tp_name,
           "), but one of the items was of type ", Py_TYPE(item)->tp_name, " instead of int");
    s->data()[i] = static_cast<char>(byte_of(item));
  }
  return s;
}

Ref<Storage> copy_storage(const UntypedStorage& s) {
  Ref<Storage> made = Storage::allocate(s.storage->nbytes(), s.storage->device());
  if (s.size()) std::memcpy(made->data(), s.bytes(), s.storage->nbytes());
  return made;
}

struct Range {
  int64_t start, count;
};
Range range_of(const UntypedStorage& s, PyObject* slice) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(slice, &start, &stop, &step) < 0) throw PythonError{};
  const Py_ssize_t count = PySlice_AdjustIndices(s.size(), &start, &stop, step);
  if (step != 1)
    fail("Trying to slice with a step of ", static_cast<int64_t>(step), ", but only a step of 1 is supported");
  return {start, count};
}

PyObject* get_item(const UntypedStorage& s, PyObject* index) {
  if (PySlice_Check(index)) {
    const Range r = range_of(s, index);
    auto* owner = new Ref<Storage>(s.storage);
    pin(*s.storage);
    return wrap_storage(Storage::wrap(
        s.bytes() + r.start, static_cast<size_t>(r.count), s.storage->device(),
        [](void* context, void*, size_t) { delete static_cast<Ref<Storage>*>(context); }, owner,
        s.storage->read_only()));
  }
  if (!is_int(index)) fail<TypeError>("can't index a torch.UntypedStorage with ", Py_TYPE(index)->tp_name);
  int64_t i = to_int(index);
  if (i < -s.size() || i >= s.size()) fail<IndexError>("index ", i, " out of range for storage of size ", s.size());
  return PyLong_FromLong(s.bytes()[i < 0 ? i + s.size() : i]);
}

void set_item(const UntypedStorage& s, PyObject* index, PyObject* value) {
  const uint8_t byte = byte_of(value);
  check_writable(s);
  if (PySlice_Check(index)) {
    const Range r = range_of(s, index);
    if (r.count > 0) std::memset(s.bytes() + r.start, byte, static_cast<size_t>(r.count));
    return;
  }
  if (!is_int(index)) fail<TypeError>("can't index a torch.UntypedStorage with ", Py_TYPE(index)->tp_name);
  int64_t i = to_int(index);
  if (i < -s.size() || i >= s.size()) fail("out of bounds: index ", i, " of a storage of size ", s.size());
  s.bytes()[i < 0 ? i + s.size() : i] = byte;
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  if (!nb::inst_ready(nb::handle(self))) {
    PyErr_SetString(PyExc_BufferError, "UntypedStorage: __init__() was not called");
    return -1;
  }
  const UntypedStorage& s = storage_of(self);
  pin(*s.storage);
  static char nothing[16];
  return PyBuffer_FillInfo(view, self, s.size() ? static_cast<void*>(s.bytes()) : nothing, s.size(),
                           s.storage->read_only(), flags);
}

PyObject* storage_repr(const UntypedStorage& s, PyObject* self) {
  (void)s;
  return call_python("rushlight.storage", "_untyped_repr", self);
}

// The storage of bytes that pickle has stored: copied into memory of its own, or shared with a buffer out of band.
PyObject* storage_from_buffer(PyObject* o) {
  auto* view = new Py_buffer;
  if (PyObject_GetBuffer(o, view, PyBUF_WRITABLE) < 0) {
    PyErr_Clear();
    if (PyObject_GetBuffer(o, view, PyBUF_SIMPLE) < 0) {
      delete view;
      throw PythonError{};
    }
  }
  auto drop = [](void* context, void*, size_t) {
    auto* held = static_cast<Py_buffer*>(context);
    if (!Py_IsInitialized()) return;
    const PyGILState_STATE state = PyGILState_Ensure();
    PyBuffer_Release(held);
    PyGILState_Release(state);
    delete held;
  };
  Ref<Storage> shared = Storage::wrap(view->buf, static_cast<size_t>(view->len), {}, drop, view, view->readonly);
  if (!PyBytes_Check(o) && !PyByteArray_Check(o) && !view->readonly) return wrap_storage(shared);
  Ref<Storage> own = Storage::allocate(shared->nbytes());
  if (own->nbytes()) std::memcpy(own->data(), shared->data(), own->nbytes());
  return wrap_storage(own);
}

// ---- tensors on a storage

Tensor tensor_on(const Ref<Storage>& storage, DType dtype, int64_t offset, IntSpan sizes, IntSpan strides) {
  layout::check_bounds("set_", sizes, strides, offset, item_size(dtype), storage->nbytes());
  return Tensor::adopt(TensorImpl::create(storage, dtype, sizes, strides, offset));
}

// An UntypedStorage, or the one inside a TypedStorage, and the dtype of the latter. Null: neither.
Ref<Storage> find_storage(PyObject* o, OptDType& dtype) {
  if (is_storage(o)) return storage_of(o).storage;
  if (is_tensor(o)) return {};
  PyObject* inner = PyObject_GetAttrString(o, "_untyped_storage");
  if (!inner) {
    forgive();
    return {};
  }
  const Owned held(inner);
  if (!is_storage(inner)) return {};
  const Owned type(PyObject_GetAttrString(o, "dtype"));
  dtype = to_dtype(type.get());
  return storage_of(inner).storage;
}

// For set_ on a tensor of `dtype`; without a dtype that of the storage does not matter.
Ref<Storage> storage_argument(PyObject* o, OptDType dtype = {}) {
  OptDType own;
  Ref<Storage> found = find_storage(o, own);
  if (!found) fail<TypeError>("set_(): argument 'source' must be Storage or Tensor, not ", type_name(o));
  if (dtype && own && *own != *dtype)
    fail("Expected a Storage of type ", scalar_type_name(*dtype), " or an UntypedStorage, but got type ",
         scalar_type_name(*own), " for argument 1 'storage'");
  return found;
}

Tensor whole_storage(const Ref<Storage>& storage, DType dtype) {
  const int64_t one = 1, n = static_cast<int64_t>(storage->nbytes()) / item_size(dtype);
  return tensor_on(storage, dtype, 0, IntSpan(&n, 1), IntSpan(&one, 1));
}

PyObject* set_to(Args& a, const Tensor& source) {
  const Tensor& t = a.tensor(0);
  if (source.dtype() != t.dtype())
    fail("Could not set tensor of type ", name(source.dtype()), " to a tensor of type ", name(t.dtype()));
  autograd::check_inplace(t);
  set_storage(t, source);
  autograd::forget_accumulator(t);
  t.bump_version("set_");
  return Py_NewRef(a.object(0));
}

// self, source, storage_offset, size, stride
PyObject* set_geometry(Args& a, const Ref<Storage>& storage, DType dtype, uint8_t lazy) {
  const DimVector sizes = a.ints(3);
  layout::checked_numel(sizes, item_size(dtype));
  const DimVector strides = a.has(4) ? a.ints(4) : layout::contiguous_strides(sizes);
  const Tensor part = tensor_on(storage, dtype, a.integer(2), sizes, strides);
  part.impl()->set_lazy(lazy);
  return set_to(a, part);
}

void register_set() {
  def(
      "set_(Tensor self)", [](Args& a) { return set_to(a, empty(DimVector{0}, a.tensor(0).dtype())); }, kMethod,
      "Makes the tensor see other memory of the same dtype: that of a tensor, or a part of a storage given by offset, "
      "size and stride in "
      "elements.\n\nRaises RuntimeError where the part does not lie within the storage.");
  def("set_(Tensor self, Tensor source)", [](Args& a) { return set_to(a, a.tensor(1)); }, kMethod);
  def(
      "set_(Tensor self, Tensor source, int storage_offset, int[] size, int[]? stride=None)",
      [](Args& a) { return set_geometry(a, a.tensor(1).storage(), a.tensor(1).dtype(), a.tensor(1).impl()->lazy()); },
      kMethod);
  def(
      "set_(Tensor self, object source)",
      [](Args& a) {
        const DType dtype = a.tensor(0).dtype();
        const Tensor whole = whole_storage(storage_argument(a.object(1), dtype), dtype);
        whole.impl()->set_lazy(a.tensor(0).impl()->lazy());
        return set_to(a, whole);
      },
      kMethod);
  def(
      "set_(Tensor self, object source, int storage_offset, int[] size, int[]? stride=None)",
      [](Args& a) {
        const DType dtype = a.tensor(0).dtype();
        return set_geometry(a, storage_argument(a.object(1), dtype), dtype, a.tensor(0).impl()->lazy());
      },
      kMethod);
}

}  // namespace

Tensor tensor_of_storage(PyObject* o, OptDType dtype) {
  OptDType own;
  const Ref<Storage> storage = find_storage(o, own);
  if (!storage) return {};
  if (dtype && own && *own != *dtype)
    fail("Expected a Storage of type ", scalar_type_name(*dtype), " or an UntypedStorage, but got ",
         scalar_type_name(*own));
  return whole_storage(storage, dtype ? *dtype : own.value_or(DType::Int64));
}

PyObject* wrap_storage(const Ref<Storage>& storage) {
  auto known = [&]() -> PyObject* {
    const auto found = objects().find(storage.get());
    // An object that is being freed must not be brought back.
    return found != objects().end() && Py_REFCNT(found->second) > 0 ? found->second : nullptr;
  };
  if (PyObject* o = known()) return Py_NewRef(o);
  nb::object made = nb::cast(UntypedStorage(storage));
  // Making it may have run the collector and with it code that came here first.
  if (PyObject* o = known()) return Py_NewRef(o);
  nb::inst_ptr<UntypedStorage>(made)->object = made.ptr();
  objects()[storage.get()] = made.ptr();
  return made.release().ptr();
}

namespace {

// How rushlight.multiprocessing hands storages on, under torch's names.
void bind_sharing(nb::class_<UntypedStorage>& type) {
  using Handle = std::pair<int, int64_t>;
  type.def(
          "share_memory_",
          [](nb::handle self) {
            SharedMemory::share(storage_of(self.ptr()).storage);
            return nb::borrow(self);
          },
          "Moves the memory, in place, to where other processes can map it.")
      .def(
          "is_shared", [](const UntypedStorage& s) { return s.storage->is_shared(); },
          "Whether other processes can map the memory.")
      .def(
          "_share_fd_cpu_",
          [](const UntypedStorage& s) {
            SharedMemory::share(s.storage);
            return Handle(SharedMemory::descriptor(*s.storage), s.size());
          },
          "(descriptor, bytes) of the memory, which is shared from now on. The descriptor stays the storage's own.")
      .def_static(
          "_new_shared_fd_cpu",
          [](int descriptor, int64_t nbytes) {
            if (nbytes < 0) fail("_new_shared_fd_cpu: the size must not be negative, got ", nbytes);
            return nb::steal(wrap_storage(SharedMemory::open(descriptor, static_cast<size_t>(nbytes))));
          },
          "The storage of the memory behind a descriptor.")
      .def(
          "_share_filename_cpu_",
          [](const UntypedStorage& s) {
            SharedMemory::share(s.storage);
            const std::string path =
                "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(SharedMemory::descriptor(*s.storage));
            return nb::make_tuple(nb::bytes("", 0), nb::bytes(path.c_str(), path.size()), s.size());
          },
          "(manager, path, bytes) of the memory, which is shared from now on. There is no manager: the path is good "
          "while this process has the storage.")
      .def_static(
          "_new_shared_filename_cpu",
          [](nb::bytes, nb::bytes path, int64_t nbytes) {
            if (nbytes < 0) fail("_new_shared_filename_cpu: the size must not be negative, got ", nbytes);
            const int descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC);
            if (descriptor < 0)
              fail("unable to open shared memory object <", path.c_str(),
                   "> in read-write mode: ", std::strerror(errno), " (", errno, ")");
            const struct Closed {
              int fd;
              ~Closed() { close(fd); }
            } closed{descriptor};
            return nb::steal(wrap_storage(SharedMemory::open(descriptor, static_cast<size_t>(nbytes))));
          },
          "The storage of the memory behind such a path.")
      .def(
          "_count_messages",
          [](const UntypedStorage& s, int by) { return SharedMemory::count_messages(*s.storage, by); },
          "Changes the number, shared as the memory, of messages on their way that tell of it.")
      .def("_shared_incref", [](nb::handle self) { return nb::borrow(self); })
      .def("_shared_decref", [](nb::handle self) { return nb::borrow(self); });
  for (const char* name : {"_new_shared", "_new_using_fd_cpu", "_new_using_filename_cpu"})
    type.def_static(
        name,
        [](int64_t nbytes) {
          const Ref<Storage> made = allocate_bytes(nbytes, {});
          SharedMemory::share(made);
          return nb::steal(wrap_storage(made));
        },
        "New shared memory.");
}

}  // namespace

void bind_storage(nb::module_& m) {
  static PyType_Slot slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)}, {0, nullptr}};
  auto type = nb::class_<UntypedStorage>(
      m, "UntypedStorage", nb::type_slots(slots), nb::dynamic_attr(), nb::is_weak_referenceable(),
      "UntypedStorage(size_or_bytes=0, *, device='cpu')\n\nBytes that tensors share.");
  type.def(
          "__init__",
          [](nb::pointer_and_handle<UntypedStorage> self, nb::handle data, nb::handle device) {
            new (self.p)
                UntypedStorage(make_storage(data.ptr(), device.is_none() ? Device{} : to_device(device.ptr())));
            self.p->object = self.h.ptr();
            objects()[self.p->storage.get()] = self.h.ptr();
          },
          nb::arg("data") = nb::none(), nb::kw_only(), nb::arg("device") = nb::none())
      .def("nbytes", &UntypedStorage::size, "Bytes.")
      .def("size", &UntypedStorage::size, "Bytes.")
      .def("__len__", &UntypedStorage::size)
      .def(
          "data_ptr", [](const UntypedStorage& s) { return reinterpret_cast<uintptr_t>(s.storage->data()); },
          "Address of the first byte.")
      .def("element_size", [](const UntypedStorage&) { return 1; })
      .def_prop_ro("_cdata", [](const UntypedStorage& s) { return reinterpret_cast<uintptr_t>(s.storage.get()); })
      .def_prop_ro("device", [](const UntypedStorage& s) { return nb::steal(wrap_device(s.storage->device())); })
      .def_prop_ro("is_cuda", [](const UntypedStorage& s) { return s.storage->device().type == DeviceType::CUDA; })
      .def_prop_ro("filename",
                   [](const UntypedStorage& s) -> nb::object {
                     const std::string file = mapped_filename(*s.storage);
                     return file.empty() ? nb::none() : nb::object(nb::str(file.c_str()));
                   })
      .def_static(
          "from_file",
          [](const std::string& filename, bool shared, int64_t nbytes) {
            return nb::steal(wrap_storage(from_file(filename, shared, nbytes, DType::UInt8).storage()));
          },
          nb::arg("filename"), nb::arg("shared") = false, nb::arg("nbytes") = 0,
          "The first `nbytes` bytes of a file, mapped into memory. shared: writes reach the file.")
      .def_static(
          "from_buffer",
          [](nb::args args, nb::kwargs kwargs) {
            return nb::module_::import_("rushlight._storage_bytes").attr("from_buffer")(*args, **kwargs);
          },
          "A copy of the bytes of a buffer: buffer, byte_order, count=-1, offset=0, dtype.")
      .def(
          "byteswap",
          [](nb::handle self, nb::handle dtype) {
            nb::module_::import_("rushlight._storage_bytes").attr("byteswap")(self, dtype);
          },
          nb::arg("dtype"), "Reverses the bytes of every number of dtype in place.")
      .def("_fix_weakref", [](const UntypedStorage&) {})
      .def(
          "to",
          [](nb::handle self, nb::handle device, bool) {
            const Device to = to_device(device.ptr());
            if (to.type != storage_of(self.ptr()).storage->device().type)
              fail<NotImplementedError>("moving storages between devices is not implemented yet");
            return nb::borrow(self);
          },
          nb::kw_only(), nb::arg("device"), nb::arg("non_blocking") = false)
      .def("get_device",
           [](const UntypedStorage& s) -> nb::object {
             const Device d = s.storage->device();
             return d.is_cpu() ? nb::none() : nb::object(nb::int_(static_cast<int>(d.index)));
           })
      .def("is_pinned", [](const UntypedStorage&) { return false; })
      .def("resizable", [](const UntypedStorage& s) { return s.storage->resizable(); })
      .def("type", [](const UntypedStorage&) { return "torch.storage.UntypedStorage"; })
      .def("__getitem__", [](const UntypedStorage& s, nb::handle i) { return nb::steal(get_item(s, i.ptr())); })
      .def("__setitem__", [](const UntypedStorage& s, nb::handle i, nb::handle v) { set_item(s, i.ptr(), v.ptr()); })
      .def("__eq__", [](const UntypedStorage& s,
                        nb::handle o) { return is_storage(o.ptr()) && storage_of(o.ptr()).storage == s.storage; })
      .def("__hash__",
           [](const UntypedStorage& s) {
             return static_cast<int64_t>(reinterpret_cast<uintptr_t>(s.storage.get()) >> 4);
           })
      .def("__repr__", [](nb::handle self) { return nb::steal(storage_repr(storage_of(self.ptr()), self.ptr())); })
      .def(
          "tolist",
          [](const UntypedStorage& s) {
            nb::list made;
            for (int64_t i = 0; i < s.size(); ++i) made.append(static_cast<int>(s.bytes()[i]));
            return made;
          },
          "The bytes as ints.")
      .def(
          "resize_",
          [](nb::handle self, int64_t nbytes) {
            const UntypedStorage& s = storage_of(self.ptr());
            if (nbytes < 0) fail("resize_: the size must not be negative, got ", nbytes);
            s.storage->resize(static_cast<size_t>(nbytes));
            return nb::borrow(self);
          },
          "Changes the number of bytes; those that remain keep their values.")
      .def("fill_",
           [](nb::handle self, nb::handle value) {
             const UntypedStorage& s = storage_of(self.ptr());
             const uint8_t byte = byte_of(value.ptr());
             check_writable(s);
             if (s.size()) std::memset(s.bytes(), byte, static_cast<size_t>(s.size()));
             return nb::borrow(self);
           })
      .def(
          "copy_",
          [](nb::handle self, nb::handle source, nb::handle) {
            const nb::object inner =
                is_storage(source.ptr()) ? nb::borrow(source) : nb::getattr(source, "_untyped_storage", nb::none());
            if (!is_storage(inner.ptr())) fail<TypeError>("copy_: the source must be a storage");
            const UntypedStorage &s = storage_of(self.ptr()), &o = storage_of(inner.ptr());
            if (s.size() != o.size())
              fail("size does not match, self was ", s.size(), " bytes but src was ", o.size(), " bytes");
            check_writable(s);
            if (s.size()) std::memmove(s.bytes(), o.bytes(), static_cast<size_t>(s.size()));
            return nb::borrow(self);
          },
          nb::arg("source"), nb::arg("non_blocking") = nb::none())
      .def("new",
           [](const UntypedStorage& s) { return nb::steal(wrap_storage(Storage::allocate(0, s.storage->device()))); })
      .def("clone", [](const UntypedStorage& s) { return nb::steal(wrap_storage(copy_storage(s))); })
      .def("__copy__", [](const UntypedStorage& s) { return nb::steal(wrap_storage(copy_storage(s))); })
      .def("__deepcopy__",
           [](const UntypedStorage& s, nb::dict memo) {
             nb::dict known = nb::borrow<nb::dict>(memo.attr("setdefault")("rushlight", nb::dict()));
             nb::object key = nb::cast(reinterpret_cast<uintptr_t>(s.storage.get()));
             if (known.contains(key)) return nb::object(known[key]);
             nb::object made = nb::steal(wrap_storage(copy_storage(s)));
             known[key] = made;
             return made;
           })
      .def("cpu", [](nb::handle self) { return nb::borrow(self); })
      .def("untyped", [](nb::handle self) { return nb::borrow(self); })
      .def("__reduce__", [](nb::handle self) { return self.attr("__reduce_ex__")(2); })
      .def("__reduce_ex__", [](nb::handle self, int protocol) {
        return nb::module_::import_("rushlight._rebuild").attr("_reduce_storage")(self, protocol);
      });
  static constexpr std::pair<const char*, const char*> conversions[] = {{"double", "float64"},
                                                                        {"float", "float32"},
                                                                        {"half", "float16"},
                                                                        {"bfloat16", "bfloat16"},
                                                                        {"long", "int64"},
                                                                        {"int", "int32"},
                                                                        {"short", "int16"},
                                                                        {"char", "int8"},
                                                                        {"byte", "uint8"},
                                                                        {"bool", "bool"},
                                                                        {"complex_double", "complex128"},
                                                                        {"complex_float", "complex64"}};
  bind_sharing(type);
  for (const auto& [method, dtype] : conversions)
    type.def(method, [dtype = dtype](nb::handle self) {
      return nb::module_::import_("rushlight._storage_bytes").attr("convert")(self, dtype);
    });
  m.def("_storage_from_buffer", [](nb::handle o) { return nb::steal(storage_from_buffer(o.ptr())); });

  // Subclasses made from here on inherit it.
  TensorType.tp_as_buffer = &tensor_buffer;

  def(
      "untyped_storage(Tensor self) -> UntypedStorage", [](Args& a) { return wrap_storage(a.tensor(0).storage()); },
      kMethod, "The bytes that the tensor sees a part of.");
  def(
      "_typed_storage(Tensor self) -> TypedStorage",
      [](Args& a) { return call_python("rushlight.storage", "typed_storage", a.object(0)); }, kMethod);
  def(
      "storage(Tensor self) -> TypedStorage",
      [](Args& a) { return call_python("rushlight.storage", "typed_storage", a.object(0)); }, kMethod);
  def(
      "storage_type(Tensor self) -> type",
      [](Args& a) { return call_python("rushlight.storage", "storage_type", a.object(0)); }, kMethod,
      "The old class of the storage, such as torch.FloatStorage.");
  register_set();

  // Pickling and copying: the policy is in rushlight/_rebuild.py.
  def(
      "_tensor_on_storage(object storage, dtype dtype, int storage_offset, int[] size, int[] stride)",
      [](Args& a) {
        return wrap(tensor_on(storage_argument(a.object(0)), *a.dtype(1), a.integer(2), a.ints(3), a.ints(4)));
      },
      kFunction);
  def(
      "__reduce_ex__(Tensor self, int protocol) -> object",
      [](Args& a) { return call_python("rushlight._rebuild", "_reduce", a.object(0)); }, kMethod);
  def(
      "__deepcopy__(Tensor self, object memo)",
      [](Args& a) { return call_python("rushlight._rebuild", "_deepcopy", a.object(0), a.object(1)); }, kMethod);
  def(
      "__copy__(Tensor self)", [](Args& a) { return call_python("rushlight._rebuild", "_copy_tensor", a.object(0)); },
      kMethod);
}

}  // namespace rushlight::python
