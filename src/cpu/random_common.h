// What the distributions share: dispatch over types, conversions, uniform numbers. Private to src/cpu/random*.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <mutex>
#include <type_traits>

#include "cpu/clones.h"
#include "rushlight/dtype.h"
#include "rushlight/error.h"
#include "rushlight/generator.h"

namespace rushlight::cpu::draw {

inline constexpr int kChunk = 512;  // elements per pass through the buffers: all of them stay in the L1 cache

template <class T>
inline constexpr bool is_reduced = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
template <class T>
inline constexpr bool is_real_float = std::is_floating_point_v<T> || is_reduced<T>;
// Bits of the significand, the leading one included.
template <class T>
inline constexpr int digits = std::numeric_limits<T>::digits;
template <>
inline constexpr int digits<float16> = 11;
template <>
inline constexpr int digits<bfloat16> = 8;

// Calls f(T{}) for the types of a family; `op` names the operation in the error.
template <class F>
void dispatch_float(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::Float16: return f(float16{});
    case DType::BFloat16: return f(bfloat16{});
    case DType::Float32: return f(float{});
    case DType::Float64: return f(double{});
    default: fail<NotImplementedError>("\"", op, "\" not implemented for '", dtype, "'");
  }
}

template <class F>
void dispatch_real(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::UInt8: return f(uint8_t{});
    case DType::Int8: return f(int8_t{});
    case DType::Int16: return f(int16_t{});
    case DType::Int32: return f(int32_t{});
    case DType::Int64: return f(int64_t{});
    default: return dispatch_float(dtype, op, f);
  }
}

template <class F>
void dispatch_real_bool(DType dtype, const char* op, F&& f) {
  if (dtype == DType::Bool) return f(bool{});
  dispatch_real(dtype, op, f);
}

// double -> T. Integers: truncation; what does not fit becomes what x86 makes of it (the lowest integer of 32 or 64
// bits, cut to the width of T), here without undefined behaviour.
template <class T>
[[gnu::always_inline]] inline T convert(double value) {
  if constexpr (is_reduced<T>) {
    return T(static_cast<float>(value));
  } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    using Wide = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
    constexpr double limit = sizeof(T) == 8 ? 9223372036854775808.0 : 2147483648.0;
    const bool fits = value > -limit - (sizeof(T) == 8 ? 0 : 1) && value < limit;
    return static_cast<T>(fits ? static_cast<Wide>(value) : std::numeric_limits<Wide>::min());
  } else {
    return static_cast<T>(value);
  }
}

template <class T>
[[gnu::always_inline]] inline T convert_int(int64_t value) {
  if constexpr (is_reduced<T>)
    return T(static_cast<float>(value));
  else
    return static_cast<T>(value);
}

// uint32 -> double through a signed conversion, which every vector unit has.
[[gnu::always_inline]] inline double to_double(uint32_t word) {
  return static_cast<double>(static_cast<int32_t>(word ^ 0x80000000u)) + 2147483648.0;
}

// n uniform numbers in [0, 1): one word of the stream for a float, two for a double.
void fill_unit(GeneratorImpl& gen, float* out, int64_t n);
void fill_unit(GeneratorImpl& gen, double* out, int64_t n);

inline double unit(GeneratorImpl& gen) {
  return static_cast<double>(gen.random64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

// out[i] = f(u_i) with u_i uniform doubles.
template <class T, class F>
void map_unit(void* out, int64_t n, Generator& gen, F f) {
  std::lock_guard lock(gen.impl().mutex);
  double u[kChunk];
  T* data = static_cast<T*>(out);
  for (int64_t i = 0; i < n; i += kChunk) {
    const int count = static_cast<int>(std::min<int64_t>(kChunk, n - i));
    fill_unit(gen.impl(), u, count);
    for (int j = 0; j < count; ++j) data[i + j] = convert<T>(f(u[j]));
  }
}

}  // namespace rushlight::cpu::draw
