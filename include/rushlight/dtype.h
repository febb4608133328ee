// Element types: their names, sizes, categories and promotion.
#pragma once

#include <bit>
#include <complex>
#include <cstdint>
#include <cstring>

#pragma GCC visibility push(default)

namespace rushlight {

// The order within a category is the order of promotion. The first kNumComputeDTypes have kernels; the rest can be
// stored, viewed and copied only.
enum class DType : uint8_t {
  Bool,
  UInt8,
  Int8,
  Int16,
  Int32,
  Int64,
  Float16,
  BFloat16,
  Float32,
  Float64,
  Complex64,
  Complex128,
  UInt16,
  UInt32,
  UInt64,
  Complex32,
  QUInt8,
  QInt8,
  QInt32,
  QUInt4x2,
  Undefined,
};

inline constexpr int kNumComputeDTypes = 12;
inline constexpr int kNumDTypes = 20;

// IEEE binary16, converted by arithmetic on the bits so that loops over it vectorise on every instruction set.
struct float16 {
  uint16_t bits = 0;
  float16() = default;
  [[gnu::always_inline]] explicit float16(float value) : bits(from_float(value)) {}
  [[gnu::always_inline]] explicit operator float() const { return to_float(bits); }

  [[gnu::always_inline]] static float to_float(uint16_t h) {
    const uint32_t shifted = static_cast<uint32_t>(h & 0x7fff) << 13;
    // Multiplying by 2^112 rebiases normal and subnormal numbers alike.
    float magnitude = std::bit_cast<float>(shifted) * std::bit_cast<float>(uint32_t{0x77800000});
    const uint32_t inf_nan = (h & 0x7c00) == 0x7c00 ? 0x7f800000u | shifted : std::bit_cast<uint32_t>(magnitude);
    return std::bit_cast<float>(inf_nan | static_cast<uint32_t>(h & 0x8000) << 16);
  }

  [[gnu::always_inline]] static uint16_t from_float(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const uint32_t sign = (u >> 16) & 0x8000;
    const uint32_t a = u & 0x7fffffff;
    // Normal results: round to nearest even on the bits.
    const uint32_t normal = (a + 0xfff + ((a >> 13) & 1) - 0x38000000) >> 13;
    // Subnormal results: let the addition of 0.5 round them into the low bits.
    const float denorm = std::bit_cast<float>(a) + 0.5f;
    const uint32_t small = std::bit_cast<uint32_t>(denorm) - 0x3f000000;
    const uint32_t finite = a < 0x38800000 ? small : normal;
    const uint32_t special = a > 0x7f800000 ? 0x7e00 : 0x7c00;
    return static_cast<uint16_t>(sign | (a >= 0x477ff000 ? special : finite));
  }
};

struct bfloat16 {
  uint16_t bits = 0;
  bfloat16() = default;
  [[gnu::always_inline]] explicit bfloat16(float value) : bits(from_float(value)) {}
  [[gnu::always_inline]] explicit operator float() const { return to_float(bits); }

  [[gnu::always_inline]] static float to_float(uint16_t b) {
    return std::bit_cast<float>(static_cast<uint32_t>(b) << 16);
  }
  [[gnu::always_inline]] static uint16_t from_float(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    return static_cast<uint16_t>((u & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
  }
};

using complex64 = std::complex<float>;
using complex128 = std::complex<double>;

// Bytes per element.
constexpr int64_t item_size(DType dtype) {
  constexpr uint8_t sizes[] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16, 2, 4, 8, 4, 1, 1, 4, 1, 0};
  return sizes[static_cast<int>(dtype)];
}
// "float32": the name without a prefix.
const char* name(DType dtype);
// "Float": the name that torch's CPU messages use ("not implemented for 'Long'").
const char* scalar_type_name(DType dtype);
// "torch.FloatTensor"
const char* tensor_type_name(DType dtype);
// "long int": the C++ type, as some of torch's messages spell it.
const char* cpp_type_name(DType dtype);

constexpr bool is_floating_point(DType d) { return d >= DType::Float16 && d <= DType::Float64; }
constexpr bool is_complex(DType d) { return d == DType::Complex64 || d == DType::Complex128 || d == DType::Complex32; }
constexpr bool is_integral(DType d, bool include_bool) {
  return (d >= DType::UInt8 && d <= DType::Int64) || (d >= DType::UInt16 && d <= DType::UInt64) ||
         (include_bool && d == DType::Bool);
}
constexpr bool is_signed(DType d) {
  return d != DType::Bool && d != DType::UInt8 && !(d >= DType::UInt16 && d <= DType::UInt64) && d != DType::QUInt8;
}
constexpr bool is_differentiable(DType d) { return is_floating_point(d) || is_complex(d); }

// complex64 -> float32; real types are returned as they are.
DType to_real(DType dtype);
// float32 -> complex64 ...; complex types are returned as they are.
DType to_complex(DType dtype);

// torch.promote_types: the smallest type both convert to without losing their category.
DType promote_types(DType a, DType b);
// torch.can_cast: whether an in-place or out= result of dtype `from` may be stored as `to`.
bool can_cast(DType from, DType to);

DType default_dtype();
void set_default_dtype(DType dtype);

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<bool> : std::integral_constant<DType, DType::Bool> {};
template <>
struct DTypeOf<uint8_t> : std::integral_constant<DType, DType::UInt8> {};
template <>
struct DTypeOf<int8_t> : std::integral_constant<DType, DType::Int8> {};
template <>
struct DTypeOf<int16_t> : std::integral_constant<DType, DType::Int16> {};
template <>
struct DTypeOf<int32_t> : std::integral_constant<DType, DType::Int32> {};
template <>
struct DTypeOf<int64_t> : std::integral_constant<DType, DType::Int64> {};
template <>
struct DTypeOf<float16> : std::integral_constant<DType, DType::Float16> {};
template <>
struct DTypeOf<bfloat16> : std::integral_constant<DType, DType::BFloat16> {};
template <>
struct DTypeOf<float> : std::integral_constant<DType, DType::Float32> {};
template <>
struct DTypeOf<double> : std::integral_constant<DType, DType::Float64> {};
template <>
struct DTypeOf<complex64> : std::integral_constant<DType, DType::Complex64> {};
template <>
struct DTypeOf<complex128> : std::integral_constant<DType, DType::Complex128> {};

}  // namespace rushlight

#pragma GCC visibility pop
