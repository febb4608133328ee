// An element of a bool tensor as it lies in memory: any byte but 0 is true. Memory of others may hold any byte, and
// reading it as a C++ bool would be undefined.
#pragma once

#include "rushlight/dtype.h"

namespace rushlight {

namespace cpu {

struct Boolean {
  uint8_t byte;
  Boolean() = default;
  [[gnu::always_inline]] constexpr Boolean(bool value) : byte(value) {}
  [[gnu::always_inline]] constexpr operator bool() const { return byte != 0; }
};

}  // namespace cpu

template <>
struct DTypeOf<cpu::Boolean> : std::integral_constant<DType, DType::Bool> {};

}  // namespace rushlight
