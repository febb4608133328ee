// The argument memory_format of functions.
#pragma once

#include "bindings/python.h"
#include "rushlight/shape.h"

namespace rushlight::python {

// Parameter i, an `object? memory_format`; TypeError unless it is a memory format.
MemoryFormat memory_format(const Args& a, int i, MemoryFormat otherwise = MemoryFormat::Preserve);

}  // namespace rushlight::python
