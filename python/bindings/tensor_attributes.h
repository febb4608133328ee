// The attributes of the Python type of tensors.
#pragma once

#include "bindings/python.h"

namespace rushlight::python {

extern PyGetSetDef tensor_attributes[];  // ends with an empty entry

}  // namespace rushlight::python
