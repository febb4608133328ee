// Functions of complex numbers. Compiled once, for the baseline: their time goes into libm, not into vectors.
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <utility>

#include "cpu/kernels.h"

namespace rushlight::cpu {
namespace {

template <class Out, class In, Out (*F)(In)>
void unary(char* const* data, const int64_t* strides, int64_t n, const void*) {
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<Out*>(data[0] + i * strides[0]) = F(*reinterpret_cast<const In*>(data[1] + i * strides[1]));
}

template <class C, C (*F)(C, C)>
void binary(char* const* data, const int64_t* strides, int64_t n, const void*) {
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<C*>(data[0] + i * strides[0]) =
        F(*reinterpret_cast<const C*>(data[1] + i * strides[1]), *reinterpret_cast<const C*>(data[2] + i * strides[2]));
}

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

// A function of both parts by the loop of real numbers: vectors. Swap: of the imaginary part first.
template <class R, DType D, BinaryOp Op, bool Swap>
void of_parts(char* const* data, const int64_t* strides, int64_t n, const void*) {
  constexpr int64_t kItem = sizeof(R), kBlock = 256;
  const Loop loop = elementwise().binary[static_cast<int>(Op)][static_cast<int>(D)];
  if (strides[1] != 2 * kItem) {
    char* const re = data[1];
    char* const im = data[1] + kItem;
    char* const at[3] = {data[0], Swap ? im : re, Swap ? re : im};
    const int64_t steps[3] = {strides[0], strides[1], strides[1]};
    return loop(at, steps, n, nullptr);
  }
  R re[kBlock], im[kBlock];
  const int64_t steps[3] = {strides[0], kItem, kItem};
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = n - i < kBlock ? n - i : kBlock;
    take_apart(re, im, reinterpret_cast<const R*>(data[1]) + 2 * i, m);
    char* const first = reinterpret_cast<char*>(Swap ? im : re);
    char* const second = reinterpret_cast<char*>(Swap ? re : im);
    char* const at[3] = {data[0] + i * strides[0], first, second};
    loop(at, steps, m, nullptr);
  }
}

template <class R>
using Cx = std::complex<R>;
template <class R>
inline constexpr R kLn2 = R(0.693147180559945309417232121458176568);
template <class R>
inline constexpr R kLn10 = R(2.30258509299404568401799145468436421);

template <class R>
Cx<R> neg(Cx<R> z) {
  return -z;
}
template <class R>
Cx<R> sgn(Cx<R> z) {
  const R m = std::hypot(z.real(), z.imag());
  return m == 0 ? Cx<R>(0) : z / m;
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
Cx<R> square(Cx<R> z) {
  return {z.real() * z.real() - z.imag() * z.imag(), 2 * z.real() * z.imag()};
}
template <class R>
Cx<R> reciprocal(Cx<R> z) {
  return Cx<R>(1) / z;
}
template <class R>
Cx<R> rsqrt(Cx<R> z) {
  return Cx<R>(1) / std::sqrt(z);
}
template <class R>
Cx<R> exp2(Cx<R> z) {
  return std::exp(z * kLn2<R>);
}
template <class R>
Cx<R> expm1(Cx<R> z) {
  // (e^x - 1) cos y - 2 sin^2(y/2) and e^x sin y: no cancellation near 0.
  const R half = std::sin(z.imag() / 2);
  return {std::expm1(z.real()) * std::cos(z.imag()) - 2 * half * half, std::exp(z.real()) * std::sin(z.imag())};
}
template <class R>
Cx<R> log2(Cx<R> z) {
  const Cx<R> l = std::log(z);
  return {l.real() / kLn2<R>, l.imag() / kLn2<R>};
}
template <class R>
Cx<R> log10(Cx<R> z) {
  const Cx<R> l = std::log(z);
  return {l.real() / kLn10<R>, l.imag() / kLn10<R>};
}
template <class R>
Cx<R> log1p(Cx<R> z) {
  // |1 + z|^2 - 1 = x (2 + x) + y^2, accurate for small z.
  const R x = z.real(), y = z.imag();
  if (std::abs(x) < R(0.5) && std::abs(y) < R(0.5)) return {std::log1p(x * (2 + x) + y * y) / 2, std::atan2(y, 1 + x)};
  return std::log(Cx<R>(1 + x, y));
}
template <class R>
Cx<R> sigmoid(Cx<R> z) {
  return Cx<R>(1) / (Cx<R>(1) + std::exp(-z));
}
// sin(pi z) / (pi z)
template <class R>
Cx<R> sinc(Cx<R> z) {
  if (z == Cx<R>(0)) return 1;
  const Cx<R> p = z * R(3.14159265358979323846);
  return std::sin(p) / p;
}
// log(e^a + e^b): the larger real part is taken out.
template <class R>
Cx<R> logaddexp(Cx<R> a, Cx<R> b) {
  if (std::isnan(a.real()) || std::isnan(a.imag()) || std::isnan(b.real()) || std::isnan(b.imag()))
    return {std::numeric_limits<R>::quiet_NaN(), std::numeric_limits<R>::quiet_NaN()};
  if (a.real() < b.real()) std::swap(a, b);
  if (std::isinf(a.real())) {
    if (a.real() < 0 || b.real() != a.real()) return a;
    return std::log(std::exp(a) + std::exp(b));
  }
  return a + log1p(std::exp(b - a));
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
#define RL_STD(function)          \
  template <class R>              \
  Cx<R> std_##function(Cx<R> z) { \
    return std::function(z);      \
  }
RL_STD(sqrt)
RL_STD(exp)
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
template <class R>
Cx<R> power(Cx<R> a, Cx<R> b) {
  if (b == Cx<R>(0)) return Cx<R>(1);
  if (a == Cx<R>(0)) return b.real() > 0 ? Cx<R>(0) : Cx<R>(std::pow(R(0), b.real()));
  return std::pow(a, b);
}

template <class Out64, class Out128, Out64 (*F64)(complex64), Out128 (*F128)(complex128)>
void put(ElementwiseTable& t, UnaryOp op) {
  t.unary[static_cast<int>(op)][static_cast<int>(DType::Complex64)] = unary<Out64, complex64, F64>;
  t.unary[static_cast<int>(op)][static_cast<int>(DType::Complex128)] = unary<Out128, complex128, F128>;
}

}  // namespace

void fill_complex(ElementwiseTable& t) {
#define RL_PUT(Name, function) put<complex64, complex128, function<float>, function<double>>(t, UnaryOp::Name);
  RL_PUT(Neg, neg)
  RL_PUT(Sgn, sgn)
  RL_PUT(Positive, same)
  RL_PUT(ConjPhysical, conj)
  RL_PUT(Square, square)
  RL_PUT(Reciprocal, reciprocal)
  RL_PUT(Sqrt, std_sqrt)
  RL_PUT(Rsqrt, rsqrt)
  RL_PUT(Exp, std_exp)
  RL_PUT(Exp2, exp2)
  RL_PUT(Expm1, expm1)
  RL_PUT(Log, std_log)
  RL_PUT(Log2, log2)
  RL_PUT(Log10, log10)
  RL_PUT(Log1p, log1p)
  RL_PUT(Sin, std_sin)
  RL_PUT(Cos, std_cos)
  RL_PUT(Tan, std_tan)
  RL_PUT(Asin, std_asin)
  RL_PUT(Acos, std_acos)
  RL_PUT(Atan, std_atan)
  RL_PUT(Sinh, std_sinh)
  RL_PUT(Cosh, std_cosh)
  RL_PUT(Tanh, std_tanh)
  RL_PUT(Asinh, std_asinh)
  RL_PUT(Acosh, std_acosh)
  RL_PUT(Atanh, std_atanh)
  RL_PUT(Sigmoid, sigmoid)
  RL_PUT(Sinc, sinc)
#undef RL_PUT
  Loop* const magnitudes = t.unary[static_cast<int>(UnaryOp::Abs)];
  magnitudes[static_cast<int>(DType::Complex64)] = of_parts<float, DType::Float32, BinaryOp::Hypot, false>;
  magnitudes[static_cast<int>(DType::Complex128)] = of_parts<double, DType::Float64, BinaryOp::Hypot, false>;
  Loop* const angles = t.unary[static_cast<int>(UnaryOp::Angle)];
  angles[static_cast<int>(DType::Complex64)] = of_parts<float, DType::Float32, BinaryOp::Atan2, true>;
  angles[static_cast<int>(DType::Complex128)] = of_parts<double, DType::Float64, BinaryOp::Atan2, true>;
#define RL_PUT(Name, function) put<bool, bool, function<float>, function<double>>(t, UnaryOp::Name);
  RL_PUT(LogicalNot, logical_not)
  RL_PUT(IsNan, is_nan)
  RL_PUT(IsInf, is_inf)
  RL_PUT(IsFinite, is_finite)
  RL_PUT(IsReal, is_real)
#undef RL_PUT
  t.binary[static_cast<int>(BinaryOp::Pow)][static_cast<int>(DType::Complex64)] = binary<complex64, power<float>>;
  t.binary[static_cast<int>(BinaryOp::Pow)][static_cast<int>(DType::Complex128)] = binary<complex128, power<double>>;
  Loop* const row = t.binary[static_cast<int>(BinaryOp::Logaddexp)];
  row[static_cast<int>(DType::Complex64)] = binary<complex64, logaddexp<float>>;
  row[static_cast<int>(DType::Complex128)] = binary<complex128, logaddexp<double>>;
}

}  // namespace rushlight::cpu
