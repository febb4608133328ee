// Products of complex numbers, and quotients that neither overflow nor underflow on the way, for the kernels of one
// instruction set. Files that include it are compiled with -ffp-contract=off.
#pragma once

#include <stdint.h>

#include "cpu/loops.h"

namespace rushlight::cpu::RL_ISA {

// As written: a b = b a, and a conj(a) is real. A difference beside a sum would become one fused instruction in vectors
// (GCC does so whatever -ffp-contract says), but not in single elements.
template <class R>
RL_INLINE Complex<R> product(Complex<R> a, Complex<R> b) {
  const R minus = -a.im;
  return {a.re * b.re + minus * b.im, a.re * b.im + a.im * b.re};
}

// Smith's method, scaled by the larger part of b. It decides about zeros, infinities and NaN as torch and NumPy do.
template <class R>
RL_INLINE Complex<R> smith_quotient(Complex<R> a, Complex<R> b) {
  const R re = b.re <= 0 ? R(0) - b.re : b.re, im = b.im <= 0 ? R(0) - b.im : b.im;  // -0 becomes 0
  if (re >= im) {
    if (re == 0 && im == 0) return {a.re / re, a.im / im};
    const R ratio = b.im / b.re, scale = R(1) / (b.re + b.im * ratio);
    return {(a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale};
  }
  const R ratio = b.re / b.im, scale = R(1) / (b.re * ratio + b.im);
  return {(a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale};
}

// a b + c d without cancellation of what the products lose (Kahan), where a fused multiplication is an instruction.
RL_INLINE double sum_of_products(double a, double b, double c, double d) {
#if RL_HAS_FMA
  const double p = c * d, sum = __builtin_fma(a, b, p) + __builtin_fma(c, d, -p);
  return sum != 0 ? sum : a * b + p;  // for the sign of zero
#else
  return a * b + c * d;
#endif
}

RL_INLINE uint64_t magnitude_bits(double x) { return __builtin_bit_cast(uint64_t, x) & ~(uint64_t{1} << 63); }
// The exponent bits of the larger part, kept where both powers of two are normal and leave room for products.
RL_INLINE uint64_t exponent_of(uint64_t larger) {
  constexpr uint64_t mask = uint64_t{0x7ff} << 52, low = uint64_t{1023 - 1000} << 52,
                     high = uint64_t{1023 + 1000} << 52;
  const uint64_t e = larger & mask;
  return e < low ? low : e > high ? high : e;
}

// Right to some 2 units in the last place in each part, with the signs of zeros of smith_quotient; NaN where that has
// to decide. b is scaled so that its larger part is about 1.
RL_INLINE Complex<double> finite_quotient(Complex<double> a, Complex<double> b) {
  const uint64_t are = magnitude_bits(a.re), aim = magnitude_bits(a.im), bre = magnitude_bits(b.re),
                 bim = magnitude_bits(b.im);
  const uint64_t ea = exponent_of(are > aim ? are : aim), eb = exponent_of(bre >= bim ? bre : bim);
  const uint64_t twice = uint64_t{2046} << 52;
  const uint64_t sign = __builtin_bit_cast(uint64_t, bre >= bim ? b.re : b.im) & (uint64_t{1} << 63);
  const double sa = __builtin_bit_cast(double, twice - ea), sb = __builtin_bit_cast(double, (twice - eb) | sign);
  const double x = a.re * sa, y = a.im * sa, c = b.re * sb, d = b.im * sb;
  const double norm = sum_of_products(c, c, d, d), minus = -x;
  // 2^(ea - eb) in two halves.
  const uint64_t k = (ea >> 52) - (eb >> 52) + 2 * 1023, half = k >> 1;
  const double up = __builtin_bit_cast(double, (half << 52) | sign),
               more = __builtin_bit_cast(double, (k - half) << 52);
  return {sum_of_products(x, c, y, d) / norm * up * more, sum_of_products(y, c, minus, d) / norm * up * more};
}
// Products of floats are exact in double, and their sums cannot overflow.
RL_INLINE Complex<float> finite_quotient(Complex<float> a, Complex<float> b) {
  const double re = b.re, im = b.im, larger = __builtin_fabs(re) >= __builtin_fabs(im) ? re : im;
  const double sign = __builtin_copysign(1.0, larger), x = a.re, y = a.im, c = re * sign, d = im * sign, minus = -x;
  const double over = sign / (c * c + d * d);
  return {static_cast<float>((x * c + y * d) * over), static_cast<float>((y * c + minus * d) * over)};
}

template <class R>
RL_INLINE Complex<R> quotient(Complex<R> a, Complex<R> b) {
  const Complex<R> q = finite_quotient(a, b);
  return q.re != q.re || q.im != q.im ? smith_quotient(a, b) : q;
}

// The loop of quotients: blocks without a decision, and another pass over those with NaN.
template <class R>
void quotient_loop(char* const* data, const int64_t* strides, int64_t n, const void*) {
  using C = Complex<R>;
  constexpr int64_t kBlock = 128;
  C block[kBlock];
  for (int64_t done = 0; done < n; done += kBlock) {
    const int64_t m = n - done < kBlock ? n - done : kBlock;
    char* const parts[3] = {reinterpret_cast<char*>(block), data[1] + done * strides[1], data[2] + done * strides[2]};
    const int64_t steps[3] = {sizeof(C), strides[1], strides[2]};
    binary_loop<C, C>(parts, steps, m, [](C a, C b) __attribute__((always_inline)) { return finite_quotient(a, b); });
    bool nan = false;
    for (int64_t i = 0; i < m; ++i) nan |= (block[i].re != block[i].re) | (block[i].im != block[i].im);
    if (nan) [[unlikely]]
      for (int64_t i = 0; i < m; ++i)
        if (block[i].re != block[i].re || block[i].im != block[i].im)
          block[i] = smith_quotient(at<C>(parts[1], i * steps[1]), at<C>(parts[2], i * steps[2]));
    char* const out = data[0] + done * strides[0];
    for (int64_t i = 0; i < m; ++i) at<C>(out, i * strides[0]) = block[i];
  }
}

}  // namespace rushlight::cpu::RL_ISA
