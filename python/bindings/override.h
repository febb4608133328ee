// __torch_function__: which calls subclasses, other classes and modes take over, and in which order.
//
// A program that has neither pays one test of a counter per call. Objects of foreign classes are only looked for where
// a call would fail otherwise.
#pragma once

#include "bindings/python.h"

namespace rushlight::python {

// Above 0 from the first tensor of a class that takes over calls on, and while a mode is entered on any thread.
[[gnu::visibility("hidden")]] extern int g_overrides;
inline bool overrides_possible() { return g_overrides != 0; }

// Counts a class whose instances take over calls; called when the first one is made.
void note_override(PyTypeObject* type);

// Whether instances of the class take over calls.
bool type_overrides(PyTypeObject* type);
// Whether the class has a handler other than Tensor's.
bool has_own_handler(PyTypeObject* type);

// Whether a mode takes over the calls of this thread.
bool modes_on();

// Which calls of a function can be taken over.
enum class Overridable : uint8_t { Always, ByMode, Never };
Overridable overridable(const std::string& name);

// Each returns whether the call was taken over; then *result is what to return, null with an exception.
// names: of the keyword arguments that follow `count` positional ones, or null.
bool overridden(PyObject* function, Overridable by, PyObject* const* given, Py_ssize_t count, PyObject* names,
                PyObject** result);
// As function(*given) of the Tensor class: a method or the method behind an operator.
bool overridden(const char* method, std::initializer_list<PyObject*> given, PyObject** result);
bool overridden_getter(PyObject* self, const char* attribute, PyObject** result);
bool overridden_setter(PyObject* self, const char* attribute, PyObject* value, int* status);
// An operator and its reflected form: func is Tensor.<name> or, where only b is a tensor, Tensor.<reflected> of (b, a).
// A TypeError becomes NotImplemented.
bool overridden_operator(const char* name, const char* reflected, PyObject* a, PyObject* b, PyObject** result);

void bind_override(nb::module_& m);

}  // namespace rushlight::python
