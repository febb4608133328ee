// A number from outside a tensor: bool, int64, double or complex double.
#pragma once

#include <complex>
#include <cstdint>

#include "rushlight/dtype.h"
#include "rushlight/error.h"

#pragma GCC visibility push(default)

namespace rushlight {

class Scalar {
 public:
  enum class Kind : uint8_t { Bool, Int, Float, Complex };

  Scalar() : Scalar(int64_t{0}) {}
  Scalar(bool value) : kind_(Kind::Bool), int_(value) {}
  Scalar(int value) : kind_(Kind::Int), int_(value) {}
  Scalar(long value) : kind_(Kind::Int), int_(value) {}
  Scalar(long long value) : kind_(Kind::Int), int_(value) {}
  Scalar(float value) : kind_(Kind::Float), real_(value) {}
  Scalar(double value) : kind_(Kind::Float), real_(value) {}
  Scalar(std::complex<double> value) : kind_(Kind::Complex), real_(value.real()), imag_(value.imag()) {}

  // Integers up to 2^64 - 1: of kind Int, and told apart by is_wide() where int64 cannot hold them.
  static Scalar from_uint64(uint64_t value) {
    Scalar s(static_cast<int64_t>(value));
    s.wide_ = value > static_cast<uint64_t>(INT64_MAX);
    return s;
  }

  Kind kind() const { return kind_; }
  bool is_wide() const { return wide_; }
  bool is_bool() const { return kind_ == Kind::Bool; }
  bool is_integral(bool include_bool) const { return kind_ == Kind::Int || (include_bool && is_bool()); }
  bool is_floating_point() const { return kind_ == Kind::Float; }
  bool is_complex() const { return kind_ == Kind::Complex; }

  // Truncates; floats that int64 cannot hold become its least value, wide integers wrap.
  int64_t to_int() const {
    if (kind_ <= Kind::Int) return int_;
    return real_ >= -0x1p63 && real_ < 0x1p63 ? static_cast<int64_t>(real_) : INT64_MIN;
  }
  double to_double() const {
    if (wide_) return static_cast<double>(static_cast<uint64_t>(int_));
    return kind_ <= Kind::Int ? static_cast<double>(int_) : real_;
  }
  std::complex<double> to_complex() const { return {to_double(), kind_ == Kind::Complex ? imag_ : 0.0}; }
  bool to_bool() const { return kind_ <= Kind::Int ? int_ != 0 : (real_ != 0 || (is_complex() && imag_ != 0)); }
  bool equals(double value) const { return to_double() == value && (!is_complex() || imag_ == 0); }
  Scalar operator-() const;

  // The dtype of a 0-d tensor made of it: bool, int64, the default dtype, or its complex counterpart.
  DType dtype() const;
  // Writes the value as one element of `dtype`. Integers wrap; floats are truncated.
  void store(DType dtype, void* out) const;
  // Reads one element.
  static Scalar load(DType dtype, const void* in);
  // Raises RuntimeError "value cannot be converted to type uint8_t without overflow" where it does not fit.
  void check_fits(DType dtype) const;

 private:
  Kind kind_;
  bool wide_ = false;
  union {
    int64_t int_;
    double real_;
  };
  double imag_ = 0;
};

}  // namespace rushlight

#pragma GCC visibility pop
