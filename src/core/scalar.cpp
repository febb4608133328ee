#include "rushlight/scalar.h"

#include <cmath>
#include <limits>

namespace rushlight {

namespace {

// Out-of-range conversions are undefined in C++; give what x86 conversions give instead.
int64_t to_int64(double value) {
  if (value >= -9223372036854775808.0 && value < 9223372036854775808.0) return static_cast<int64_t>(value);
  return std::numeric_limits<int64_t>::min();
}

template <class T>
void put(void* out, T value) {
  std::memcpy(out, &value, sizeof value);
}
template <class T>
T get(const void* in) {
  T value;
  std::memcpy(&value, in, sizeof value);
  return value;
}

}  // namespace

Scalar Scalar::operator-() const {
  switch (kind_) {
    case Kind::Bool: return Scalar(-int_);
    case Kind::Int:
      if (wide_) return Scalar(-to_double());
      return Scalar(static_cast<int64_t>(0 - static_cast<uint64_t>(int_)));
    case Kind::Float: return Scalar(-real_);
    default: return Scalar(-to_complex());
  }
}

DType Scalar::dtype() const {
  switch (kind_) {
    case Kind::Bool: return DType::Bool;
    case Kind::Int: return DType::Int64;
    case Kind::Float: return default_dtype();
    default: return default_dtype() == DType::Float64 ? DType::Complex128 : DType::Complex64;
  }
}

void Scalar::store(DType dtype, void* out) const {
  const int64_t i = kind_ <= Kind::Int ? int_ : to_int64(real_);
  const double d = to_double();
  switch (dtype) {
    case DType::Bool: return put(out, to_bool());
    case DType::UInt8:
    case DType::QUInt8:
    case DType::QUInt4x2: return put(out, static_cast<uint8_t>(i));
    case DType::Int8:
    case DType::QInt8: return put(out, static_cast<int8_t>(i));
    case DType::Int16: return put(out, static_cast<int16_t>(i));
    case DType::UInt16: return put(out, static_cast<uint16_t>(i));
    case DType::Int32:
    case DType::QInt32: return put(out, static_cast<int32_t>(i));
    case DType::UInt32: return put(out, static_cast<uint32_t>(i));
    case DType::Int64: return put(out, i);
    case DType::UInt64: return put(out, static_cast<uint64_t>(i));
    case DType::Float16: return put(out, float16(static_cast<float>(d)));
    case DType::BFloat16: return put(out, bfloat16(static_cast<float>(d)));
    case DType::Float32: return put(out, static_cast<float>(d));
    case DType::Float64: return put(out, d);
    case DType::Complex32: {
      const uint16_t parts[2] = {float16::from_float(static_cast<float>(d)),
                                 float16::from_float(static_cast<float>(to_complex().imag()))};
      std::memcpy(out, parts, sizeof parts);
      return;
    }
    case DType::Complex64: return put(out, complex64(to_complex()));
    case DType::Complex128: return put(out, to_complex());
    case DType::Undefined: return;
  }
}

Scalar Scalar::load(DType dtype, const void* in) {
  switch (dtype) {
    case DType::Bool: return get<uint8_t>(in) != 0;
    case DType::UInt8:
    case DType::QUInt8:
    case DType::QUInt4x2: return static_cast<int64_t>(get<uint8_t>(in));
    case DType::Int8:
    case DType::QInt8: return static_cast<int64_t>(get<int8_t>(in));
    case DType::Int16: return static_cast<int64_t>(get<int16_t>(in));
    case DType::UInt16: return static_cast<int64_t>(get<uint16_t>(in));
    case DType::Int32:
    case DType::QInt32: return static_cast<int64_t>(get<int32_t>(in));
    case DType::UInt32: return static_cast<int64_t>(get<uint32_t>(in));
    case DType::Int64: return get<int64_t>(in);
    case DType::UInt64: return from_uint64(get<uint64_t>(in));
    case DType::Float16: return static_cast<double>(static_cast<float>(get<float16>(in)));
    case DType::BFloat16: return static_cast<double>(static_cast<float>(get<bfloat16>(in)));
    case DType::Float32: return static_cast<double>(get<float>(in));
    case DType::Float64: return get<double>(in);
    case DType::Complex32: {
      uint16_t parts[2];
      std::memcpy(parts, in, sizeof parts);
      return std::complex<double>(float16::to_float(parts[0]), float16::to_float(parts[1]));
    }
    case DType::Complex64: return std::complex<double>(get<complex64>(in));
    case DType::Complex128: return get<complex128>(in);
    case DType::Undefined: break;
  }
  return Scalar();
}

void Scalar::check_fits(DType dtype) const {
  bool fits = true;
  const char* type = "";
  if (is_complex() && !rushlight::is_complex(dtype) && imag_ != 0) {
    fits = false;
    type = name(dtype);
  } else if (rushlight::is_integral(dtype, false)) {
    const int64_t bits = 8 * item_size(dtype);
    const bool is_unsigned = !is_signed(dtype);
    const double low = is_unsigned ? 0 : -std::ldexp(1.0, static_cast<int>(bits - 1));
    const double high = std::ldexp(1.0, static_cast<int>(is_unsigned ? bits : bits - 1));
    const double value = std::trunc(to_double());
    // torch lets small negative numbers wrap into unsigned types.
    fits = kind_ <= Kind::Int && bits == 64 ? !wide_ || is_unsigned
                                            : (value >= (is_unsigned ? -high + 1 : low) && value < high);
    constexpr const char* types[2][4] = {{"int8_t", "int16_t", "int32_t", "int64_t"},
                                         {"uint8_t", "uint16_t", "uint32_t", "uint64_t"}};
    type = types[is_unsigned][bits == 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3];
  } else if (dtype == DType::Float16 || dtype == DType::Float32) {
    const double value = std::abs(to_double());
    const double limit = dtype == DType::Float16 ? 65504.0 : std::numeric_limits<float>::max();
    fits = !(value > limit) || std::isinf(value);
    type = dtype == DType::Float16 ? "at::Half" : "float";
  }
  if (!fits) fail("value cannot be converted to type ", type, " without overflow");
}

}  // namespace rushlight
