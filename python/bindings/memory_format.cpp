#include "bindings/memory_format.h"

#include <cstring>

#include "bindings/creation.h"

namespace rushlight::python {

namespace {

// Counts the change unless there was none.
template <class F>
void resized(const Args& a, const char* operation, F&& resize) {
  const Tensor& t = a.tensor(0);
  if (t.requires_grad()) fail("cannot resize variables that require grad");
  const DimVector sizes(t.sizes()), strides(t.strides());
  resize();
  if (!equal(sizes, t.sizes()) || !equal(strides, t.strides())) t.bump_version(operation);
}

// Memory formats are small Python objects (_types.py) that carry their number.
MemoryFormat to_memory_format(const Args& a, PyObject* o) {
  if (std::strcmp(Py_TYPE(o)->tp_name, "memory_format") == 0) {
    Owned number(PyObject_GetAttrString(o, "_format"));
    return static_cast<MemoryFormat>(to_int(number.get()) & 3);
  }
  fail<TypeError>(a.function, "(): argument 'memory_format' must be torch.memory_format, not ", type_name(o));
}

}  // namespace

MemoryFormat memory_format(const Args& a, int i, MemoryFormat otherwise) {
  return a.has(i) ? to_memory_format(a, a.object(i)) : otherwise;
}

void register_memory_format() {
  def(
      "contiguous(Tensor self, *, object? memory_format=None)",
      [](Args& a) {
        const MemoryFormat format = memory_format(a, 1, MemoryFormat::Contiguous);
        if (is_contiguous(a.tensor(0), format)) return Py_NewRef(a.object(0));
        return wrap(contiguous(a.tensor(0), format));
      },
      kMethod,
      "The tensor itself if it is dense in row-major order (or in the order of memory_format), else such a copy.");
  def(
      "is_contiguous(Tensor self, *, object? memory_format=None) -> bool",
      [](Args& a) {
        if (!a.has(1)) return wrap_bool(a.tensor(0).is_contiguous());
        return wrap_bool(is_contiguous(a.tensor(0), memory_format(a, 1)));
      },
      kMethod, "Whether the elements lie in row-major order (or in that of memory_format) without gaps.");
  def(
      "clone(Tensor input, *, object? memory_format=None)",
      [](Args& a) { return wrap(clone(a.tensor(0), memory_format(a, 1))); }, kBoth,
      "A copy in memory of its own; gradients flow through it.\n\nmemory_format: order of the dims in memory, default "
      "that of the input.");
  def(
      "resize_(Tensor self, int[*] size, *, object? memory_format=None)",
      [](Args& a) {
        resized(a, "resize_", [&] {
          const size_t before = a.tensor(0).storage()->nbytes();
          if (a.has(2))
            resize_(a.tensor(0), a.ints(1), memory_format(a, 2));
          else
            resize_(a.tensor(0), a.ints(1));
          if (fills_uninitialized()) fill_uninitialized_from(a.tensor(0), before);
        });
        return Py_NewRef(a.object(0));
      },
      kMethod,
      "Changes the sizes in place; the storage grows where needed. Elements keep their place in memory, new ones are "
      "uninitialised.");
  def(
      "resize_as_(Tensor input, Tensor the_template, *, object? memory_format=None)",
      [](Args& a) {
        const Tensor &t = a.tensor(0), &like = a.tensor(1);
        resized(a, "resize_as_", [&] {
          if (!a.has(2)) {
            resize_(t, like.sizes());
          } else {
            const MemoryFormat format = memory_format(a, 2);
            resize_(t, like.sizes(), format == MemoryFormat::Preserve ? suggested_format(like) : format);
          }
        });
        return Py_NewRef(a.object(0));
      },
      kBoth, "resize_ to the sizes of another tensor.");
}

}  // namespace rushlight::python
