// What messages show of Python objects. A str may hold characters that UTF-8 lacks, and repr() may run any code.
#include "bindings/python.h"

namespace rushlight::python {

std::string text_of(PyObject* o) {
  if (!o || !PyUnicode_Check(o)) return "?";
  Py_ssize_t size = 0;
  if (const char* text = PyUnicode_AsUTF8AndSize(o, &size)) return {text, static_cast<size_t>(size)};
  PyErr_Clear();
  PyObject* escaped = PyUnicode_AsEncodedString(o, "utf-8", "backslashreplace");
  if (!escaped) {
    PyErr_Clear();
    return "?";
  }
  std::string text(PyBytes_AS_STRING(escaped), static_cast<size_t>(PyBytes_GET_SIZE(escaped)));
  Py_DECREF(escaped);
  return text;
}

std::string repr_of(PyObject* o) { return text_of(Owned(PyObject_Repr(o)).get()); }
std::string str_of(PyObject* o) { return text_of(Owned(PyObject_Str(o)).get()); }

std::string type_name(PyObject* o) {
  if (is_tensor(o) && Py_TYPE(o) == &TensorType) return "Tensor";
  if (PyTuple_CheckExact(o) || PyList_CheckExact(o)) {
    std::string text = PyTuple_CheckExact(o) ? "tuple" : "list";
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    if (n == 0) return text;
    const bool same = [&] {
      for (Py_ssize_t i = 1; i < n; ++i)
        if (Py_TYPE(PySequence_Fast_GET_ITEM(o, i)) != Py_TYPE(PySequence_Fast_GET_ITEM(o, 0))) return false;
      return true;
    }();
    if (same) return text + " of " + Py_TYPE(PySequence_Fast_GET_ITEM(o, 0))->tp_name + "s";
    if (n > 8) return text;
    text += " of (";
    for (Py_ssize_t i = 0; i < n; ++i)
      text += (i ? ", " : "") + std::string(Py_TYPE(PySequence_Fast_GET_ITEM(o, i))->tp_name);
    return text + ")";
  }
  if (is_dtype(o)) return "torch.dtype";
  if (is_device_object(o)) return "torch.device";
  return Py_TYPE(o)->tp_name;
}

bool is_true(PyObject* o) {
  const int truth = PyObject_IsTrue(o);
  if (truth < 0) throw PythonError{};
  return truth != 0;
}

void forgive() {
  if (!PyErr_Occurred()) return;
  if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) throw PythonError{};
  PyErr_Clear();
}

}  // namespace rushlight::python
