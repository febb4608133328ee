// iter(tensor), for the type of tensors, and what others take tensors by.
#pragma once

#include "bindings/python.h"

namespace rushlight::python {

PyObject* tensor_iter(PyObject* self);
void ready_iterator_type();
void register_arrow();  // called by bind_numpy

}  // namespace rushlight::python
