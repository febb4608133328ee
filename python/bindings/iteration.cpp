// Iterating over the first dim of a tensor.
#include "bindings/iteration.h"

#include "bindings/override.h"
#include "rushlight/ops.h"

namespace rushlight::python {

namespace {

// Many only ask whether there is an iterator: the parts of a long tensor are made when the first is asked for.
struct Iterator {
  PyObject_HEAD PyObject* tensor;  // null once there are parts
  PyObject* parts;                 // an iterator
};
PyTypeObject IteratorType = {PyVarObject_HEAD_INIT(nullptr, 0)};
constexpr int64_t kShort = 32;

PyObject* iterate_parts(const Tensor& t) {
  Owned parts(wrap(unbind(t, 0)));
  return check_object(PyObject_GetIter(parts.get()));
}

PyObject* next(PyObject* self) {
  auto* it = reinterpret_cast<Iterator*>(self);
  if (!it->parts && it->tensor) {
    Owned tensor(it->tensor);
    it->tensor = nullptr;
    it->parts = guarded([&] { return iterate_parts(unwrap(tensor.get())); });
  }
  return it->parts ? Py_TYPE(it->parts)->tp_iternext(it->parts) : nullptr;
}

PyObject* length_hint(PyObject* self, PyObject*) {
  auto* it = reinterpret_cast<Iterator*>(self);
  if (it->tensor) return PyLong_FromSsize_t(PyObject_Length(it->tensor));
  return PyLong_FromSsize_t(it->parts ? PyObject_LengthHint(it->parts, 0) : 0);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  auto* it = reinterpret_cast<Iterator*>(self);
  Py_VISIT(it->tensor);
  Py_VISIT(it->parts);
  return 0;
}
int clear(PyObject* self) {
  auto* it = reinterpret_cast<Iterator*>(self);
  Py_CLEAR(it->tensor);
  Py_CLEAR(it->parts);
  return 0;
}
void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  clear(self);
  PyObject_GC_Del(self);
}

PyMethodDef methods[] = {{"__length_hint__", length_hint, METH_NOARGS, nullptr}, {}};

}  // namespace

PyObject* tensor_iter(PyObject* self) {
  return guarded([&]() -> PyObject* {
    if (overrides_possible()) [[unlikely]] {
      Owned dims(PyObject_CallMethod(self, "dim", nullptr));
      if (PyLong_Check(dims.get()) && PyLong_AsLong(dims.get()) == 0) fail<TypeError>("iteration over a 0-d tensor");
      Owned parts(PyObject_CallMethod(self, "unbind", "i", 0));
      return PyObject_GetIter(parts.get());
    }
    const Tensor& t = unwrap(self);
    if (t.dim() == 0) fail<TypeError>("iteration over a 0-d tensor");
    // What is recorded is recorded now.
    if (t.sizes()[0] <= kShort || t.requires_grad()) return iterate_parts(t);
    auto* it = reinterpret_cast<Iterator*>(check_object(PyType_GenericAlloc(&IteratorType, 0)));
    it->tensor = Py_NewRef(self);
    return reinterpret_cast<PyObject*>(it);
  });
}

void ready_iterator_type() {
  IteratorType.tp_name = "rushlight.TensorIterator";
  IteratorType.tp_basicsize = sizeof(Iterator);
  IteratorType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION;
  IteratorType.tp_iter = PyObject_SelfIter;
  IteratorType.tp_iternext = next;
  IteratorType.tp_methods = methods;
  IteratorType.tp_traverse = traverse;
  IteratorType.tp_clear = clear;
  IteratorType.tp_dealloc = dealloc;
  if (PyType_Ready(&IteratorType) < 0) throw PythonError{};
}

}  // namespace rushlight::python
