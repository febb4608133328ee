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

namespace {

// The C++ types as torch spells them in this message.
const char* converted_type(DType dtype) {
  switch (dtype) {
    case DType::UInt8: return "uint8_t";
    case DType::Int8: return "int8_t";
    case DType::Int16: return "int16_t";
    case DType::Int32: return "int";
    case DType::Int64: return "int64_t";
    case DType::UInt16: return "uint16_t";
    case DType::UInt32: return "uint32_t";
    case DType::UInt64: return "uint64_t";
    case DType::Float16: return "at::Half";
    default: return cpp_type_name(dtype);
  }
}

double largest_float(DType dtype) {
  switch (dtype) {
    case DType::Float16: return 65504.0;
    case DType::Float32:
    case DType::Complex64: return std::numeric_limits<float>::max();
    default: return std::numeric_limits<double>::max();
  }
}

}  // namespace

void Scalar::check_fits(DType dtype) const {
  if (dtype == DType::Bool) return;
  bool fits = true;
  if (is_complex() && !rushlight::is_complex(dtype) && imag_ != 0) {
    fits = false;
  } else if (rushlight::is_integral(dtype, false)) {
    const int64_t bits = 8 * item_size(dtype);
    const bool is_unsigned = !is_signed(dtype);
    const double high = std::ldexp(1.0, static_cast<int>(is_unsigned ? bits : bits - 1));
    const double value = to_double();
    if (kind_ <= Kind::Int)
      // torch lets small negative integers wrap into unsigned types.
      fits = bits == 64 ? !wide_ || is_unsigned : value >= (is_unsigned ? 1 - high : -high) && value < high;
    else  // the largest integer of 64 bits is no double
      fits = value >= (is_unsigned ? 0 : -high) && value <= (bits == 64 ? high : high - 1);
  } else {
    const double limit = largest_float(dtype);
    const auto inside = [=](double value) { return !(std::abs(value) > limit) || std::isinf(value); };
    fits = inside(to_double()) && (!is_complex() || inside(imag_));
  }
  if (!fits) fail("value cannot be converted to type ", converted_type(dtype), " without overflow");
}

}  // namespace rushlight
