// Tensors as arrays of Apache Arrow (the C data interface, in capsules): what data frames take.
#include "bindings/conj.h"
#include "bindings/iteration.h"

namespace rushlight::python {

namespace {

// ---- the structures of the interface
struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  ArrowSchema** children;
  ArrowSchema* dictionary;
  void (*release)(ArrowSchema*);
  void* private_data;
};
struct ArrowArray {
  int64_t length, null_count, offset, n_buffers, n_children;
  const void** buffers;
  ArrowArray** children;
  ArrowArray* dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

const char* format_of(DType dtype) {
  switch (dtype) {
    case DType::Bool: return "b";
    case DType::Int8: return "c";
    case DType::UInt8: return "C";
    case DType::Int16: return "s";
    case DType::UInt16: return "S";
    case DType::Int32: return "i";
    case DType::UInt32: return "I";
    case DType::Int64: return "l";
    case DType::UInt64: return "L";
    case DType::Float16: return "e";
    case DType::Float32: return "f";
    case DType::Float64: return "g";
    default: fail<TypeError>("Arrow has no type for elements of dtype torch.", name(dtype));
  }
}

// What one level owns, behind private_data.
struct SchemaLevel {
  std::string format;
  ArrowSchema* child = nullptr;
};
struct ArrayLevel {
  const void* buffers[2] = {nullptr, nullptr};  // no bitmap of nulls
  Ref<Storage> storage;
  ArrowArray* child = nullptr;
};

// A consumer may have taken a child over, which has no release() then.
template <class A, class Level>
void release_level(A* a) {
  auto* level = static_cast<Level*>(a->private_data);
  if (level->child) {
    if (level->child->release) level->child->release(level->child);
    delete level->child;
  }
  delete level;
  a->release = nullptr;
}

template <class A>
void free_root(PyObject* capsule) {
  auto* a = static_cast<A*>(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
  if (a->release) a->release(a);
  delete a;
}

template <class A>
PyObject* make_capsule(A* a, const char* name) {
  PyObject* capsule = PyCapsule_New(a, name, free_root<A>);
  if (capsule) return capsule;
  if (a->release) a->release(a);
  delete a;
  throw PythonError{};
}

// Dims behind the first are lists of fixed size.
ArrowSchema* make_schema(const Tensor& t, int64_t dim) {
  auto* level = new SchemaLevel;
  if (dim < t.dim()) {
    level->format = "+w:" + std::to_string(t.sizes()[dim]);
    level->child = make_schema(t, dim + 1);
  } else {
    level->format = format_of(t.dtype());
  }
  return new ArrowSchema{level->format.c_str(),
                         "",
                         nullptr,
                         0,
                         level->child ? 1 : 0,
                         &level->child,
                         nullptr,
                         release_level<ArrowSchema, SchemaLevel>,
                         level};
}

ArrowArray* make_array(const Tensor& t, const Tensor& memory, int64_t dim, int64_t length) {
  auto* level = new ArrayLevel;
  if (dim < t.dim()) {
    level->child = make_array(t, memory, dim + 1, length * t.sizes()[dim]);
  } else {
    static const char nothing[16] = {};
    level->storage = memory.storage();
    pin(*memory.storage());
    level->buffers[1] = memory.numel() ? memory.data() : nothing;
  }
  return new ArrowArray{length,
                        0,
                        0,
                        level->child ? 1 : 2,
                        level->child ? 1 : 0,
                        level->buffers,
                        &level->child,
                        nullptr,
                        release_level<ArrowArray, ArrayLevel>,
                        level};
}

// Bools are bits there, the lowest first.
Tensor packed_bits(const Tensor& t) {
  const int64_t n = t.numel();
  Tensor bits = zeros(DimVector{(n + 7) / 8}, DType::UInt8);
  auto* to = reinterpret_cast<uint8_t*>(bits.data());
  const auto* from = reinterpret_cast<const uint8_t*>(t.data());
  for (int64_t i = 0; i < n; ++i) to[i / 8] |= static_cast<uint8_t>((from[i] != 0) << (i % 8));
  return bits;
}

PyObject* export_array(Args& a) {
  Tensor t = a.tensor(0);
  if (t.requires_grad()) fail("Can't export a Tensor that requires grad to Arrow. Use tensor.detach() instead.");
  if (!t.device().is_cpu()) fail<TypeError>("can't export a tensor on ", t.device().str(), " to Arrow");
  if (t.dtype() == DType::BFloat16) t = to(t, DType::Float32);
  format_of(t.dtype());  // refuses what has none
  t = contiguous(t.dim() ? t : reshape(t, DimVector{1}));
  const Tensor memory = t.dtype() == DType::Bool ? packed_bits(t) : t;
  Owned schema(make_capsule(make_schema(t, 1), "arrow_schema"));
  Owned array(make_capsule(make_array(t, memory, 1, t.sizes()[0]), "arrow_array"));
  return check_object(PyTuple_Pack(2, schema.get(), array.get()));
}

}  // namespace

void register_arrow() {
  def("__arrow_c_array__(Tensor self, object? requested_schema=None) -> object", export_array, kMethod,
      "Capsules of the type and the memory, as Apache Arrow's interface has them; bools and bfloat16 are copied.\n\n"
      "Raises RuntimeError if the tensor requires grad, TypeError for complex numbers.");
}

}  // namespace rushlight::python
