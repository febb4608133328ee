// Elementwise functions of complex numbers. Compiled once, for the baseline: the time of most goes into libm; the rest
// calls the loops of the best instruction set. complex64 computes in double, which is no slower, and rounds once.
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>

#include "cpu/complex_math.h"
#include "cpu/kernels.h"

namespace rushlight::cpu {
namespace {

template <class Out, class In, Out (*F)(In)>
void unary(char* const* data, const int64_t* strides, int64_t n, const void*) {
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<Out*>(data[0] + i * strides[0]) = F(*reinterpret_cast<const In*>(data[1] + i * strides[1]));
}

template <class C, complex128 (*F)(complex128, complex128)>
void binary(char* const* data, const int64_t* strides, int64_t n, const void*) {
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<C*>(data[0] + i * strides[0]) = C(F(*reinterpret_cast<const C*>(data[1] + i * strides[1]),
                                                          *reinterpret_cast<const C*>(data[2] + i * strides[2])));
}

// The loops of both types.
template <Loop F64, Loop F128>
void put(ElementwiseTable& t, UnaryOp op) {
  t.unary[static_cast<int>(op)][static_cast<int>(DType::Complex64)] = F64;
  t.unary[static_cast<int>(op)][static_cast<int>(DType::Complex128)] = F128;
}
template <complex128 (*F)(complex128, complex128)>
void put(ElementwiseTable& t, BinaryOp op) {
  t.binary[static_cast<int>(op)][static_cast<int>(DType::Complex64)] = binary<complex64, F>;
  t.binary[static_cast<int>(op)][static_cast<int>(DType::Complex128)] = binary<complex128, F>;
}

// ---- functions in double
template <complex128 (*F)(complex128)>
complex64 rounded(complex64 z) {
  return complex64(F(z));
}
template <complex128 (*F)(complex128)>
void put_double(ElementwiseTable& t, UnaryOp op) {
  put<unary<complex64, complex64, rounded<F>>, unary<complex128, complex128, F>>(t, op);
}

#define RL_STD(function) \
  complex128 std_##function(complex128 z) { return std::function(z); }
RL_STD(log)
RL_STD(sin)
RL_STD(cos)
RL_STD(tan)
RL_STD(asin)
RL_STD(acos)
RL_STD(atan)
RL_STD(sinh)
RL_STD(cosh)
RL_STD(tanh)
RL_STD(asinh)
RL_STD(acosh)
RL_STD(atanh)
#undef RL_STD
// That of complex64: the parts of (e^x - 1) cos y - 2 sin^2(y/2) and e^x sin y by functions of y/2.
complex128 short_expm1(complex128 z) {
  const double x = z.real(), s = std::sin(z.imag() / 2), c = std::cos(z.imag() / 2);
  const double e = std::expm1(x), two_squares = 2 * s * s;
  return {e * (1 - two_squares) - two_squares, (x > -1 ? e + 1 : std::exp(x)) * (2 * s * c)};
}
constexpr double kLn2 = 0.693147180559945309417232121458176568, kLn10 = 2.30258509299404568401799145468436421;
complex128 log2(complex128 z) {
  const complex128 l = std::log(z);
  return {l.real() / kLn2, l.imag() / kLn2};
}
complex128 log10(complex128 z) {
  const complex128 l = std::log(z);
  return {l.real() / kLn10, l.imag() / kLn10};
}

// ---- functions in either type
template <class R>
using Cx = std::complex<R>;

template <class R>
Cx<R> neg(Cx<R> z) {
  return -z;
}
template <class R>
Cx<R> same(Cx<R> z) {
  return z;
}
template <class R>
Cx<R> conj(Cx<R> z) {
  return std::conj(z);
}
template <class R>
Cx<R> sqrt(Cx<R> z) {
  return std::sqrt(z);
}
template <class R>
Cx<R> exp(Cx<R> z) {
  return std::exp(z);
}
template <class R>
bool is_real(Cx<R> z) {
  return z.imag() == 0;
}
template <class R>
bool logical_not(Cx<R> z) {
  return z.real() == 0 && z.imag() == 0;
}
template <class R>
bool is_nan(Cx<R> z) {
  return std::isnan(z.real()) || std::isnan(z.imag());
}
template <class R>
bool is_inf(Cx<R> z) {
  return std::isinf(z.real()) || std::isinf(z.imag());
}
template <class R>
bool is_finite(Cx<R> z) {
  return std::isfinite(z.real()) && std::isfinite(z.imag());
}

// ---- by the loops of real numbers and of products and quotients
template <class R>
inline constexpr DType kReal = sizeof(R) == 4 ? DType::Float32 : DType::Float64;
template <class R>
inline constexpr DType kComplex = sizeof(R) == 4 ? DType::Complex64 : DType::Complex128;

Loop loop_of(BinaryOp op, DType dtype) { return elementwise().binary[static_cast<int>(op)][static_cast<int>(dtype)]; }
// n contiguous complex numbers as two arrays.
template <class R>
void take_apart(R* re, R* im, const R* z, int64_t n) {
  int64_t i = 0;
#if defined(__SSE2__) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
  typedef R V __attribute__((vector_size(16)));
  constexpr int kLanes = 16 / sizeof(R);
  for (; i + kLanes <= n; i += kLanes) {
    V a, b, x, y;
    std::memcpy(&a, z + 2 * i, 16);
    std::memcpy(&b, z + 2 * i + kLanes, 16);
    if constexpr (kLanes == 4) {
      x = __builtin_shufflevector(a, b, 0, 2, 4, 6);
      y = __builtin_shufflevector(a, b, 1, 3, 5, 7);
    } else {
      x = __builtin_shufflevector(a, b, 0, 2);
      y = __builtin_shufflevector(a, b, 1, 3);
    }
    std::memcpy(re + i, &x, 16);
    std::memcpy(im + i, &y, 16);
  }
#endif
#endif
  for (; i < n; ++i) {
    re[i] = z[2 * i];
    im[i] = z[2 * i + 1];
  }
}
// Op of the two parts, the imaginary one first where it says so.
template <class R, BinaryOp Op, bool ImaginaryFirst>
void of_parts(char* const* data, const int64_t* strides, int64_t n, const void*) {
  constexpr int64_t kItem = sizeof(R), kBlock = 256;
  const Loop loop = loop_of(Op, kReal<R>);
  if (strides[1] != 2 * kItem) {
    char *const re = data[1], *const im = data[1] + kItem;
    char* const parts[3] = {data[0], ImaginaryFirst ? im : re, ImaginaryFirst ? re : im};
    const int64_t steps[3] = {strides[0], strides[1], strides[1]};
    return loop(parts, steps, n, nullptr);
  }
  R re[kBlock], im[kBlock];
  char* const first = reinterpret_cast<char*>(ImaginaryFirst ? im : re);
  char* const second = reinterpret_cast<char*>(ImaginaryFirst ? re : im);
  const int64_t steps[3] = {strides[0], kItem, kItem};
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = n - i < kBlock ? n - i : kBlock;
    take_apart(re, im, reinterpret_cast<const R*>(data[1]) + 2 * i, m);
    char* const parts[3] = {data[0] + i * strides[0], first, second};
    loop(parts, steps, m, nullptr);
  }
}
template <class R>
void square(char* const* data, const int64_t* strides, int64_t n, const void*) {
  char* const parts[3] = {data[0], data[1], data[1]};
  const int64_t steps[3] = {strides[0], strides[1], strides[1]};
  loop_of(BinaryOp::Mul, kComplex<R>)(parts, steps, n, nullptr);
}
template <class R>
void reciprocal(char* const* data, const int64_t* strides, int64_t n, const void*) {
  Cx<R> one(1);
  char* const parts[3] = {data[0], reinterpret_cast<char*>(&one), data[1]};
  const int64_t steps[3] = {strides[0], 0, strides[1]};
  loop_of(BinaryOp::Div, kComplex<R>)(parts, steps, n, nullptr);
}

inline constexpr int64_t kBlock = 128;

template <class R>
void rsqrt(char* const* data, const int64_t* strides, int64_t n, const void*) {
  complex128 roots[kBlock], quotients[kBlock];
  for (int64_t done = 0; done < n; done += kBlock) {
    const int64_t m = n - done < kBlock ? n - done : kBlock;
    for (int64_t i = 0; i < m; ++i)
      roots[i] = std::sqrt(complex128(*reinterpret_cast<const Cx<R>*>(data[1] + (done + i) * strides[1])));
    char* const parts[2] = {reinterpret_cast<char*>(quotients), reinterpret_cast<char*>(roots)};
    const int64_t steps[2] = {sizeof(complex128), sizeof(complex128)};
    reciprocal<double>(parts, steps, m, nullptr);
    for (int64_t i = 0; i < m; ++i) *reinterpret_cast<Cx<R>*>(data[0] + (done + i) * strides[0]) = Cx<R>(quotients[i]);
  }
}

// z / |z|; at infinity 0 or NaN in each part, as torch
template <class R>
void sgn(char* const* data, const int64_t* strides, int64_t n, const void*) {
  constexpr R tiny = std::numeric_limits<R>::min() * R(1 << 23), inf = std::numeric_limits<R>::infinity();
  constexpr R grow = 1 / tiny;
  R magnitudes[kBlock];
  for (int64_t done = 0; done < n; done += kBlock) {
    const int64_t m = n - done < kBlock ? n - done : kBlock;
    char* const in = data[1] + done * strides[1];
    char* const parts[2] = {reinterpret_cast<char*>(magnitudes), in};
    const int64_t steps[2] = {sizeof(R), strides[1]};
    of_parts<R, BinaryOp::Hypot, false>(parts, steps, m, nullptr);
    for (int64_t i = 0; i < m; ++i) {
      Cx<R> z = *reinterpret_cast<const Cx<R>*>(in + i * strides[1]);
      R size = magnitudes[i];
      if (size < tiny || (size == inf && is_finite(z))) [[unlikely]] {
        z *= size < tiny ? grow : R(0.25);
        size = std::hypot(z.real(), z.imag());
      }
      Cx<R>& out = *reinterpret_cast<Cx<R>*>(data[0] + (done + i) * strides[0]);
      if (size == 0) {
        out = 0;
      } else if constexpr (sizeof(R) == 4) {
        const double over = 1 / static_cast<double>(size);
        out = {static_cast<R>(z.real() * over), static_cast<R>(z.imag() * over)};
      } else {
        out = {z.real() / size, z.imag() / size};
      }
    }
  }
}

}  // namespace

void fill_complex(ElementwiseTable& t) {
#define RL_PUT(Name, function) \
  put<unary<complex64, complex64, function<float>>, unary<complex128, complex128, function<double>>>(t, UnaryOp::Name);
  RL_PUT(Neg, neg)
  RL_PUT(Positive, same)
  RL_PUT(ConjPhysical, conj)
  RL_PUT(Sqrt, sqrt)
  RL_PUT(Exp, exp)
#undef RL_PUT
  put<sgn<float>, sgn<double>>(t, UnaryOp::Sgn);
  put<square<float>, square<double>>(t, UnaryOp::Square);
  put<reciprocal<float>, reciprocal<double>>(t, UnaryOp::Reciprocal);
  put<rsqrt<float>, rsqrt<double>>(t, UnaryOp::Rsqrt);
  put<of_parts<float, BinaryOp::Hypot, false>, of_parts<double, BinaryOp::Hypot, false>>(t, UnaryOp::Abs);
  put<of_parts<float, BinaryOp::Atan2, true>, of_parts<double, BinaryOp::Atan2, true>>(t, UnaryOp::Angle);
  put_double<complex_exp2>(t, UnaryOp::Exp2);
  put<unary<complex64, complex64, rounded<short_expm1>>, unary<complex128, complex128, complex_expm1>>(t,
                                                                                                       UnaryOp::Expm1);
  put_double<std_log>(t, UnaryOp::Log);
  put_double<log2>(t, UnaryOp::Log2);
  put_double<log10>(t, UnaryOp::Log10);
  put_double<complex_log1p>(t, UnaryOp::Log1p);
  put_double<std_sin>(t, UnaryOp::Sin);
  put_double<std_cos>(t, UnaryOp::Cos);
  put_double<std_tan>(t, UnaryOp::Tan);
  put_double<std_asin>(t, UnaryOp::Asin);
  put_double<std_acos>(t, UnaryOp::Acos);
  put_double<std_atan>(t, UnaryOp::Atan);
  put_double<std_sinh>(t, UnaryOp::Sinh);
  put_double<std_cosh>(t, UnaryOp::Cosh);
  put_double<std_tanh>(t, UnaryOp::Tanh);
  put_double<std_asinh>(t, UnaryOp::Asinh);
  put_double<std_acosh>(t, UnaryOp::Acosh);
  put_double<std_atanh>(t, UnaryOp::Atanh);
  put_double<complex_sigmoid>(t, UnaryOp::Sigmoid);
  put_double<complex_sinc>(t, UnaryOp::Sinc);
#define RL_PUT(Name, function) \
  put<unary<bool, complex64, function<float>>, unary<bool, complex128, function<double>>>(t, UnaryOp::Name);
  RL_PUT(LogicalNot, logical_not)
  RL_PUT(IsNan, is_nan)
  RL_PUT(IsInf, is_inf)
  RL_PUT(IsFinite, is_finite)
  RL_PUT(IsReal, is_real)
#undef RL_PUT
  put<complex_power>(t, BinaryOp::Pow);
  put<complex_logaddexp>(t, BinaryOp::Logaddexp);
}

}  // namespace rushlight::cpu
