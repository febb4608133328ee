// Tensors made from storages.
#pragma once

#include "bindings/python.h"

namespace rushlight::python {

// A 1-d tensor on the memory of a storage, typed or not; undefined where `o` is none. RuntimeError where a typed one
// has another dtype. Without a dtype an untyped one is read as int64.
Tensor tensor_of_storage(PyObject* o, OptDType dtype);

}  // namespace rushlight::python
