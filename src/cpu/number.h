// Half precision as float, where numbers are only compared.
#pragma once

#include <type_traits>

#include "rushlight/dtype.h"

namespace rushlight::cpu {

template <class T>
auto number(T x) {
  if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
    return static_cast<float>(x);
  else
    return x;
}

}  // namespace rushlight::cpu
