// iter(tensor), for the type of tensors.
#pragma once

#include "bindings/python.h"

namespace rushlight::python {

PyObject* tensor_iter(PyObject* self);
void ready_iterator_type();

}  // namespace rushlight::python
