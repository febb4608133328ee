// Loops of the wide unsigned integers (uint16, uint32, uint64) for the operations that differ from those of their
// signed twins.
#pragma once

#include "cpu/kernels.h"

namespace rushlight::cpu {

// Null where there is none.
Loop unsigned_unary(UnaryOp op, DType dtype);
Loop unsigned_binary(BinaryOp op, DType dtype);

}  // namespace rushlight::cpu
