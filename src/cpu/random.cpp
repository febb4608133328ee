// The transformations from MT19937 words to the distributions, step by step those of torch, so that the bits agree.
//
// Uniform numbers: float, float16 and bfloat16 take the low 24 bits of one word, double the low 53 bits of two words
// (the first one high), both scaled to [0, 1). All other distributions compute in double from such doubles and round
// at the end, except the blocks of normal().
// Wherever torch's compiler merges a product and a sum into one rounding, the code here says fma.
#include "random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "rushlight/error.h"

#if defined(__x86_64__) && defined(__gnu_linux__) && (!defined(__clang__) || __clang_major__ >= 17)
#define RUSHLIGHT_CLONES [[gnu::target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")]]
#else
#define RUSHLIGHT_CLONES
#endif

namespace rushlight::cpu {
namespace {

constexpr int kChunk = 512;  // elements per pass through the buffers: all of them stay in the L1 cache
constexpr double kTwoPi = 6.283185307179586476925286766559;
constexpr double kPi = 3.141592653589793238462643383280;

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

RUSHLIGHT_CLONES void words_to_unit(const uint32_t* __restrict words, float* __restrict out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(static_cast<int32_t>(words[i] & 0xffffffu)) * 0x1p-24f;
}

// Both halves and their sum are exact.
RUSHLIGHT_CLONES void words_to_unit(const uint32_t* __restrict words, double* __restrict out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const double high = static_cast<double>(static_cast<int32_t>(words[2 * i] & 0x1fffffu));
    out[i] = high * 0x1p-21 + to_double(words[2 * i + 1]) * 0x1p-53;
  }
}

template <class Real>
void fill_unit(GeneratorImpl& gen, Real* out, int64_t n) {
  constexpr int per = sizeof(Real) / 4;
  uint32_t words[kChunk * per];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min<int64_t>(kChunk, n - i);
    gen.fill(words, count * per);
    words_to_unit(words, out + i, count);
  }
}

double unit(GeneratorImpl& gen) { return static_cast<double>(gen.random64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53; }

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

// ---------------------------------------------------------------------------------------------------- uniform

// u (to - from) + from in one rounding. A result that rounds to `to` becomes `from`: the interval is half open.
template <class Real>
[[gnu::always_inline]] inline void scale_unit(Real* values, int64_t n, Real from, Real to) {
  const Real width = to - from;
  for (int64_t i = 0; i < n; ++i) values[i] = std::fma(values[i], width, from);
}
RUSHLIGHT_CLONES void scale(float* values, int64_t n, float from, float to) { scale_unit(values, n, from, to); }
RUSHLIGHT_CLONES void scale(double* values, int64_t n, double from, double to) { scale_unit(values, n, from, to); }

RUSHLIGHT_CLONES void round_to(const float* __restrict in, float16* __restrict out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = float16(in[i]);
}
RUSHLIGHT_CLONES void round_to(const float* __restrict in, bfloat16* __restrict out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = bfloat16(in[i]);
}

template <class T>
void uniform_fill(T* out, int64_t n, double from, double to, GeneratorImpl& gen) {
  using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const Real low = static_cast<Real>(from), high = static_cast<Real>(to);
  const bool plain = low == 0 && high == 1;
  const T first = T(low), last = T(high);
  Real buffer[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min<int64_t>(kChunk, n - i);
    T* part = out + i;
    if constexpr (is_reduced<T>) {
      fill_unit(gen, buffer, count);
      if (!plain) scale(buffer, count, low, high);
      round_to(buffer, part, count);
      for (int64_t j = 0; j < count; ++j) part[j].bits = part[j].bits == last.bits ? first.bits : part[j].bits;
    } else {
      fill_unit(gen, part, count);
      if (plain) continue;
      scale(part, count, low, high);
      for (int64_t j = 0; j < count; ++j) part[j] = part[j] == last ? first : part[j];
    }
  }
}

// ---------------------------------------------------------------------------------------------------- normal

// Box-Muller on blocks of 16: 8 uniforms u1 make radii sqrt(-2 log(1 - u1)), the next 8 the angles 2 pi u2; the block
// becomes the 8 radius * cos and then the 8 radius * sin. The functions for float are the single-precision ones of the
// Cephes library (S. Moshier), with fused operations: their last bits are part of the stream.

// Natural logarithm of 0 < x <= 1: x = m 2^e with m in [sqrt(1/2), sqrt(2)), then a polynomial in m - 1.
[[gnu::always_inline]] inline float cephes_log(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  float m = std::bit_cast<float>((bits & 0x007fffffu) | 0x3f000000u);
  float e = static_cast<float>(static_cast<int32_t>(bits >> 23) - 126);
  const bool small = m < 0.707106781186547524f;
  e = small ? e - 1.0f : e;
  m = small ? m + (m - 1.0f) : m - 1.0f;
  const float z = m * m;
  float y = 7.0376836292e-2f;
  y = std::fma(y, m, -1.1514610310e-1f);
  y = std::fma(y, m, 1.1676998740e-1f);
  y = std::fma(y, m, -1.2420140846e-1f);
  y = std::fma(y, m, 1.4249322787e-1f);
  y = std::fma(y, m, -1.6668057665e-1f);
  y = std::fma(y, m, 2.0000714765e-1f);
  y = std::fma(y, m, -2.4999993993e-1f);
  y = std::fma(y, m, 3.3333331174e-1f);
  y = std::fma(y * m, z, e * -2.12194440e-4f);
  y = std::fma(z, -0.5f, y);
  return std::fma(e, 0.693359375f, m + y);
}

// Sine and cosine of 0 <= x < 2 pi: the multiple of pi/2 that is nearest is taken off in three parts.
[[gnu::always_inline]] inline void cephes_sincos(float x, float& sin, float& cos) {
  const int32_t octant = (static_cast<int32_t>(x * 1.27323954473516f) + 1) & ~1;
  const float k = static_cast<float>(octant);
  x = std::fma(k, -0.78515625f, x);
  x = std::fma(k, -2.4187564849853515625e-4f, x);
  x = std::fma(k, -3.77489497744594108e-8f, x);
  const float z = x * x;
  float c = std::fma(2.443315711809948e-5f, z, -1.388731625493765e-3f);
  c = std::fma(c, z, 4.166664568298827e-2f);
  c = std::fma(c * z, z, -0.5f * z) + 1.0f;
  float s = std::fma(-1.9515295891e-4f, z, 8.3321608736e-3f);
  s = std::fma(s, z, -1.6666654611e-1f);
  s = std::fma(s * z, x, x);
  const bool straight = (octant & 2) == 0;
  const uint32_t sin_sign = static_cast<uint32_t>(octant & 4) << 29;
  const uint32_t cos_sign = static_cast<uint32_t>(~(octant - 2) & 4) << 29;
  sin = std::bit_cast<float>(std::bit_cast<uint32_t>(straight ? s : c) ^ sin_sign);
  cos = std::bit_cast<float>(std::bit_cast<uint32_t>(straight ? c : s) ^ cos_sign);
}

// count / 16 blocks in place; count <= kChunk. Radii and angles are gathered so that the long loop vectorises.
RUSHLIGHT_CLONES void box_muller(float* data, int count, float mean, float std) {
  float u1[kChunk / 2], u2[kChunk / 2];
  const int half = count / 2;
  for (int b = 0; b < half; b += 8)
    for (int j = 0; j < 8; ++j) {
      u1[b + j] = 1.0f - data[2 * b + j];
      u2[b + j] = static_cast<float>(kTwoPi) * data[2 * b + 8 + j];
    }
  for (int i = 0; i < half; ++i) {
    const float radius = std::sqrt(-2.0f * cephes_log(u1[i]));
    float sin, cos;
    cephes_sincos(u2[i], sin, cos);
    u1[i] = std::fma(radius * cos, std, mean);
    u2[i] = std::fma(radius * sin, std, mean);
  }
  for (int b = 0; b < half; b += 8)
    for (int j = 0; j < 8; ++j) {
      data[2 * b + j] = u1[b + j];
      data[2 * b + 8 + j] = u2[b + j];
    }
}

// The same with the C library's functions, which round correctly in nearly all cases.
template <class Real>
void box_muller_exact(Real* data, int count, Real mean, Real std) {
  for (int b = 0; b < count; b += 16)
    for (int j = b; j < b + 8; ++j) {
      const Real radius = std::sqrt(-2 * std::log(1 - data[j]));
      const Real theta = static_cast<Real>(kTwoPi * data[j + 8]);
      data[j] = std::fma(radius * std::cos(theta), std, mean);
      data[j + 8] = std::fma(radius * std::sin(theta), std, mean);
    }
}
void box_muller(double* data, int count, double mean, double std) { box_muller_exact(data, count, mean, std); }

// n >= 16. float and double draw n uniforms, and when n is no multiple of 16, 16 more for the last 16 places, which
// are computed anew. float16 and bfloat16 compute in float and draw nothing for the incomplete block.
template <class T>
void normal_fill(T* out, int64_t n, double mean, double std, GeneratorImpl& gen) {
  using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const Real m = static_cast<Real>(mean), s = static_cast<Real>(std);
  const int64_t whole = n & ~int64_t{15};
  Real buffer[kChunk];
  const auto part = [&](T* to, int count) {
    if constexpr (is_reduced<T>) {
      fill_unit(gen, buffer, count);
      box_muller(buffer, count, m, s);
      round_to(buffer, to, count);
    } else {
      fill_unit(gen, to, count);
      box_muller(to, count, m, s);
    }
  };
  for (int64_t i = 0; i < whole; i += kChunk) part(out + i, static_cast<int>(std::min<int64_t>(kChunk, whole - i)));
  if (whole == n) return;
  if constexpr (!is_reduced<T>) fill_unit(gen, buffer, n - whole);  // drawn by torch and then overwritten
  part(out + n - 16, 16);
}

// One sample: Box-Muller in double; the sine part waits in the generator for the next call.
double normal_one(GeneratorImpl& gen, double mean, double std) {
  double value;
  if (gen.next_double_normal) {
    value = *gen.next_double_normal;
    gen.next_double_normal.reset();
  } else {
    const double u1 = unit(gen);
    const double u2 = unit(gen);
    const double radius = std::sqrt(-2.0 * std::log1p(-u2));
    const double theta = kTwoPi * u1;
    gen.next_double_normal = radius * std::sin(theta);
    value = radius * std::cos(theta);
  }
  return std::fma(value, std, mean);
}

// The real type and number of elements that a complex array consists of.
std::pair<DType, int64_t> as_real(DType dtype, int64_t n) {
  return is_complex(dtype) ? std::pair{to_real(dtype), 2 * n} : std::pair{dtype, n};
}

}  // namespace

void uniform(void* out, DType dtype, int64_t n, double from, double to, Generator& gen) {
  std::tie(dtype, n) = as_real(dtype, n);
  dispatch_float(dtype, "check_uniform_bounds", [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    uniform_fill(static_cast<T*>(out), n, from, to, gen.impl());
  });
}

void normal(void* out, DType dtype, int64_t n, double mean, double std, Generator& gen) {
  const bool complex = is_complex(dtype);
  if ((complex ? 2 * n : n) < 16) return normal_serial(out, dtype, n, mean, std, gen);
  check(std >= 0, "normal expects std >= 0.0, but found std ", std);
  if (complex) std /= std::sqrt(2.0);
  std::tie(dtype, n) = as_real(dtype, n);
  dispatch_float(dtype, "normal_kernel_cpu", [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    normal_fill(static_cast<T*>(out), n, mean, std, gen.impl());
  });
}

void normal_serial(void* out, DType dtype, int64_t n, double mean, double std, Generator& gen) {
  check(std >= 0, "normal expects std >= 0.0, but found std ", std);
  if (is_complex(dtype)) std /= std::sqrt(2.0);
  std::tie(dtype, n) = as_real(dtype, n);
  dispatch_float(dtype, "normal_kernel_cpu", [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    T* data = static_cast<T*>(out);
    for (int64_t i = 0; i < n; ++i) data[i] = convert<T>(normal_one(gen.impl(), mean, std));
  });
}

void log_normal(void* out, DType dtype, int64_t n, double mean, double std, Generator& gen) {
  check(std > 0, "log_normal_ expects std > 0.0, but found std=", std);
  dispatch_float(dtype, "log_normal_cpu", [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    T* data = static_cast<T*>(out);
    for (int64_t i = 0; i < n; ++i) data[i] = convert<T>(std::exp(normal_one(gen.impl(), mean, std)));
  });
}

void exponential(void* out, DType dtype, int64_t n, double lambda, Generator& gen) {
  check(lambda > 0, "exponential_ expects lambda > 0.0, but found lambda=", lambda);
  dispatch_float(dtype, "exponential_cpu", [&](auto t) {
    const double scale = -1.0 / lambda;
    map_unit<decltype(t)>(out, n, gen, [=](double u) { return scale * std::log1p(-u); });
  });
}

void cauchy(void* out, DType dtype, int64_t n, double median, double sigma, Generator& gen) {
  check(sigma > 0, "cauchy_ expects sigma > 0.0, but found sigma=", sigma);
  dispatch_float(dtype, "cauchy_cpu", [&](auto t) {
    map_unit<decltype(t)>(out, n, gen, [=](double u) { return std::fma(sigma, std::tan(kPi * (u - 0.5)), median); });
  });
}

void geometric(void* out, DType dtype, int64_t n, double p, Generator& gen) {
  check(0 < p && p < 1, "geometric_ expects p to be in (0, 1), but got p=", p);
  dispatch_real(dtype, "geometric_cpu", [&](auto t) {
    const double log_fail = std::log1p(-p);
    map_unit<decltype(t)>(out, n, gen, [=](double u) { return std::ceil(std::log(u) / log_fail); });
  });
}

// ---------------------------------------------------------------------------------------------------- bernoulli

void bernoulli(void* out, DType dtype, int64_t n, double p, Generator& gen) {
  check(0 <= p && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", p);
  dispatch_real_bool(dtype, "bernoulli_scalar_cpu_",
                     [&](auto t) { map_unit<decltype(t)>(out, n, gen, [=](double u) { return u < p ? 1.0 : 0.0; }); });
}

// float64 probabilities are compared with double uniforms, all others in float with float ones.
void bernoulli(void* out, DType dtype, int64_t n, const void* p, DType p_dtype, Generator& gen) {
  dispatch_real_bool(dtype, "bernoulli_tensor_cpu_self_", [&](auto t) {
    dispatch_float(p_dtype, "bernoulli_tensor_cpu_p_", [&](auto tp) {
      using T = decltype(t);
      using P = decltype(tp);
      using Real = std::conditional_t<std::is_same_v<P, double>, double, float>;
      const P* prob = static_cast<const P*>(p);
      bool valid = true;
      for (int64_t i = 0; i < n; ++i) {
        const Real v = static_cast<Real>(prob[i]);
        valid &= v >= 0 && v <= 1;
      }
      check(valid, "Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
      std::lock_guard lock(gen.impl().mutex);
      T* data = static_cast<T*>(out);
      Real u[kChunk];
      for (int64_t i = 0; i < n; i += kChunk) {
        const int64_t count = std::min<int64_t>(kChunk, n - i);
        fill_unit(gen.impl(), u, count);
        for (int64_t j = 0; j < count; ++j) data[i + j] = convert<T>(u[j] < static_cast<Real>(prob[i + j]) ? 1.0 : 0.0);
      }
    });
  });
}

// ---------------------------------------------------------------------------------------------------- integers

namespace {

// The remainder of each word by 1 <= d < 2^28. The quotient by way of double is off by at most one.
RUSHLIGHT_CLONES void remainders(const uint32_t* __restrict words, int32_t* __restrict out, int64_t n, uint32_t d) {
  const double inverse = 1.0 / d;
  const auto divisor = static_cast<int32_t>(d);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t quotient = static_cast<uint32_t>(static_cast<int32_t>(to_double(words[i]) * inverse));
    int32_t r = static_cast<int32_t>(words[i] - quotient * d);
    r += r < 0 ? divisor : 0;
    r -= r >= divisor ? divisor : 0;
    out[i] = r;
  }
}

template <class T, class F>
void map_words64(T* out, int64_t n, GeneratorImpl& gen, F f) {
  for (int64_t i = 0; i < n; ++i) out[i] = convert_int<T>(static_cast<int64_t>(f(gen.random64())));
}

// v % d for all words, plus base.
template <class T>
void modulo_fill(T* out, int64_t n, uint32_t d, int64_t base, GeneratorImpl& gen) {
  uint32_t words[kChunk];
  int32_t values[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min<int64_t>(kChunk, n - i);
    gen.fill(words, count);
    if (d == 1)
      std::fill_n(values, count, 0);
    else
      remainders(words, values, count, d);
    for (int64_t j = 0; j < count; ++j) out[i + j] = convert_int<T>(values[j] + base);
  }
}

// value rounded to T; the lowest integer where the result is 2^63, as on x86.
template <class T>
int64_t rounded(int64_t value) {
  double d;
  if constexpr (is_reduced<T>)
    d = static_cast<float>(T(static_cast<float>(value)));
  else
    d = static_cast<double>(static_cast<T>(value));
  return convert<int64_t>(d);
}

template <class T>
int64_t spacing(int64_t value) {
  uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  const int log2 = magnitude == 0 ? 0 : 63 - std::countl_zero(magnitude);
  const int shift = log2 - digits<T> + 1;
  return shift < 0 ? 0 : int64_t{1} << std::min(shift, 62);
}

template <class T>
double lowest_value() {
  if constexpr (std::is_same_v<T, float16>) return -65504.0;
  if constexpr (std::is_same_v<T, bfloat16>) return -3.3895313892515355e38;
  if constexpr (!is_reduced<T>) return static_cast<double>(std::numeric_limits<T>::lowest());
}
template <class T>
double highest_value() {
  if constexpr (is_reduced<T>)
    return -lowest_value<T>();
  else
    return static_cast<double>(std::numeric_limits<T>::max());
}

// How torch's messages about bounds spell the types.
const char* cpp_name(DType dtype) {
  switch (dtype) {
    case DType::Bool: return "bool";
    case DType::UInt8: return "unsigned char";
    case DType::Int8: return "signed char";
    case DType::Int16: return "short int";
    case DType::Int32: return "int";
    case DType::Int64: return "long int";
    case DType::Float16: return "c10::Half";
    case DType::BFloat16: return "c10::BFloat16";
    case DType::Float32: return "float";
    default: return "double";
  }
}

template <class T>
void check_bounds(const char* what, int64_t value, DType dtype) {
  bool inside;
  if constexpr (std::is_integral_v<T>)
    inside = value >= static_cast<int64_t>(std::numeric_limits<T>::lowest()) &&
             value <= static_cast<int64_t>(std::numeric_limits<T>::max());
  else
    inside = static_cast<double>(value) >= lowest_value<T>() && static_cast<double>(value) <= highest_value<T>();
  check(inside, what, " is out of bounds for ", cpp_name(dtype));
}

}  // namespace

RandomRange random_range(DType dtype, int64_t from, std::optional<int64_t> to) {
  RandomRange result{};
  dispatch_real_bool(dtype, "random_", [&](auto t) {
    using T = decltype(t);
    constexpr int64_t max64 = std::numeric_limits<int64_t>::max();
    constexpr int64_t min64 = std::numeric_limits<int64_t>::min();
    if (!to && from == min64) {
      check(std::is_same_v<T, int64_t> || (is_real_float<T> && !std::is_same_v<T, float16>),
            "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16");
      result = {min64, 0};
      return;
    }
    if (to) check(from < *to, "random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", *to);
    int64_t low = from, last;  // both ends belong to the range
    if constexpr (is_real_float<T>) {
      // Past the highest value below 2^63 there is none to move to: the test against the other end fails.
      const int64_t above = from == max64 ? min64 : rounded<T>(from + 1);
      if (above < from) {
        const bool past = above == min64 && from > 0;
        if (past) check_bounds<T>("from", from, dtype);
        low = past ? max64 : above + spacing<T>(from + 1);
      }
      if (to) {
        int64_t end = *to;
        const int64_t below = rounded<T>(end - 1);
        if (below >= end) end = below - spacing<T>(end - 1);
        check(low < end,
              "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from=", low,
              " >= to=", end);
        last = end - 1;
      } else {
        last = int64_t{1} << digits<T>;
        check(low < last,
              "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but got "
              "from=",
              low, " > to_inc=", last);
      }
    } else {
      last = to ? *to - 1 : static_cast<int64_t>(std::numeric_limits<T>::max());
    }
    check_bounds<T>("from", low, dtype);
    check_bounds<T>("to - 1", last, dtype);
    result = {low, static_cast<uint64_t>(last) - static_cast<uint64_t>(low) + 1};
  });
  return result;
}

// A range below 2^28 takes the remainder of one word, a larger one that of two.
void random_from_to(void* out, DType dtype, int64_t n, RandomRange range, Generator& gen) {
  dispatch_real_bool(dtype, "random_from_to_kernel_cpu", [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    T* data = static_cast<T*>(out);
    const uint64_t d = range.range, base = static_cast<uint64_t>(range.base);
    if (d == 0)
      map_words64(data, n, gen.impl(), [](uint64_t v) { return v; });
    else if (d < (uint64_t{1} << 28))
      modulo_fill(data, n, static_cast<uint32_t>(d), range.base, gen.impl());
    else
      map_words64(data, n, gen.impl(), [=](uint64_t v) { return v % d + base; });
  });
}

void random(void* out, DType dtype, int64_t n, Generator& gen) {
  dispatch_real_bool(dtype, "random_kernel_cpu", [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    T* data = static_cast<T*>(out);
    if constexpr (std::is_same_v<T, int64_t>) {
      map_words64(data, n, gen.impl(), [](uint64_t v) { return v & (~uint64_t{0} >> 1); });
    } else if constexpr (std::is_same_v<T, double>) {
      map_words64(data, n, gen.impl(), [](uint64_t v) { return v % ((uint64_t{1} << 53) + 1); });
    } else if constexpr (std::is_integral_v<T>) {
      for (int64_t i = 0; i < n; ++i) data[i] = static_cast<T>(gen.impl().random() & std::numeric_limits<T>::max());
    } else {
      modulo_fill(data, n, (1u << digits<T>)+1, 0, gen.impl());
    }
  });
}

// Fisher-Yates from the front; the remainder of one word would be biased for very long ones, which are built by
// inserting i at a place among the first i + 1.
void randperm(void* out, DType dtype, int64_t n, Generator& gen) {
  dispatch_real(dtype, "randperm", [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    GeneratorImpl& g = gen.impl();
    T* data = static_cast<T*>(out);
    if (n < std::numeric_limits<uint32_t>::max() / 20) {
      for (int64_t i = 0; i < n; ++i) data[i] = convert_int<T>(i);
      for (int64_t i = 0; i < n - 1; ++i) std::swap(data[i], data[i + g.random() % static_cast<uint32_t>(n - i)]);
    } else {
      for (int64_t i = 0; i < n; ++i) {
        const auto place = static_cast<int64_t>(g.random64() % static_cast<uint64_t>(i + 1));
        data[i] = data[place];
        data[place] = convert_int<T>(i);
      }
    }
  });
}

// ---------------------------------------------------------------------------------------------------- poisson

namespace {

// Below rate 10: the number of uniforms whose product stays above exp(-rate). From 10 on: the transformed rejection
// method PTRS, W. Hoermann, "The transformed rejection method for generating Poisson random variables", 1993.
int64_t poisson_one(double rate, GeneratorImpl& gen) {
  if (rate == 0) return 0;
  if (rate < 10) {
    const double limit = std::exp(-rate);
    double product = 1.0;
    for (int64_t count = 0;; ++count) {
      product *= unit(gen);
      if (!(product > limit)) return count;
    }
  }
  const double log_rate = std::log(rate);
  const double b = 0.931 + 2.53 * std::sqrt(rate);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double v_r = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = unit(gen) - 0.5;
    const double v = unit(gen);
    const double us = 0.5 - std::fabs(u);
    const auto k = convert<int64_t>(std::floor((2 * a / us + b) * u + rate + 0.43));
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double x = static_cast<double>(k);
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
        -rate + x * log_rate - std::lgamma(x + 1))
      return k;
  }
}

}  // namespace

void poisson(void* out, DType dtype, int64_t n, const void* rate, Generator& gen) {
  dispatch_float(dtype, "poisson_cpu", [&](auto t) {
    using T = decltype(t);
    const T* rates = static_cast<const T*>(rate);
    const auto as_double = [](T v) {
      if constexpr (is_reduced<T>) return static_cast<double>(static_cast<float>(v));
      if constexpr (!is_reduced<T>) return static_cast<double>(v);
    };
    // Larger rates have results beyond int64, and the rejection would never end.
    bool valid = true;
    for (int64_t i = 0; i < n; ++i) valid &= as_double(rates[i]) >= 0 && as_double(rates[i]) < 9e18;
    check(valid, "invalid Poisson rate, expected rate to be non-negative");
    std::lock_guard lock(gen.impl().mutex);
    T* data = static_cast<T*>(out);
    for (int64_t i = 0; i < n; ++i) data[i] = convert_int<T>(poisson_one(as_double(rates[i]), gen.impl()));
  });
}

// ---------------------------------------------------------------------------------------------------- multinomial

namespace {

// With replacement: inverse of the cumulative sums, which are kept in Real and end with exactly 1.
template <class T, class Real>
void multinomial_inverse(int64_t* out, const T* weights, int64_t categories, int64_t samples, Real* sums,
                         GeneratorImpl& gen) {
  Real sum = 0;
  for (int64_t j = 0; j < categories; ++j) sums[j] = sum += static_cast<Real>(weights[j]);
  for (int64_t j = 0; j < categories; ++j) sums[j] /= sum;
  sums[categories - 1] = 1;
  for (int64_t j = 0; j < samples; ++j) out[j] = std::lower_bound(sums, sums + categories, unit(gen)) - sums;
}

// Without: the largest of weight / Exp(1), an exponential race. Rounded to T in each step, as the tensors in torch are.
template <class T, class Real>
void multinomial_race(int64_t* out, const T* weights, int64_t categories, int64_t samples,
                      std::pair<Real, int64_t>* race, GeneratorImpl& gen) {
  for (int64_t j = 0; j < categories; ++j) {
    const T wait = convert<T>(-std::log1p(-unit(gen)));
    race[j] = {static_cast<Real>(T(static_cast<Real>(weights[j]) / static_cast<Real>(wait))), j};
  }
  const auto before = [](const auto& x, const auto& y) {
    return (std::isnan(x.first) && !std::isnan(y.first)) || x.first > y.first;
  };
  const auto end = race + categories;
  if (samples == 1) {
    out[0] = std::min_element(race, end, before)->second;  // the first of equals
    return;
  }
  // torch.topk on the CPU: which of equal values win depends on the algorithm.
  if (samples * 64 <= categories) {
    std::partial_sort(race, race + samples, end, before);
  } else {
    std::nth_element(race, race + samples - 1, end, before);
    std::sort(race, race + samples - 1, before);
  }
  for (int64_t j = 0; j < samples; ++j) out[j] = race[j].second;
}

}  // namespace

void multinomial(int64_t* out, const void* weights, DType dtype, int64_t rows, int64_t categories, int64_t samples,
                 bool replacement, Generator& gen) {
  check(samples > 0, "cannot sample n_sample <= 0 samples");
  check(replacement || samples <= categories,
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  check(categories <= (int64_t{1} << 24), "number of categories cannot exceed 2^24");
  dispatch_float(dtype, "multinomial", [&](auto t) {
    using T = decltype(t);
    using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const T* w = static_cast<const T*>(weights);
    for (int64_t r = 0; r < rows; ++r) {
      Real sum = 0;
      for (int64_t j = 0; j < categories; ++j) {
        const Real value = static_cast<Real>(w[r * categories + j]);
        check(value >= 0 && value < std::numeric_limits<Real>::infinity(),
              "probability tensor contains either `inf`, `nan` or element < 0");
        sum += value;
      }
      check(sum > 0, "invalid multinomial distribution (sum of probabilities <= 0)");
    }
    std::lock_guard lock(gen.impl().mutex);
    if (replacement && samples > 1) {
      const auto sums = std::make_unique_for_overwrite<Real[]>(static_cast<size_t>(categories));
      for (int64_t r = 0; r < rows; ++r)
        multinomial_inverse(out + r * samples, w + r * categories, categories, samples, sums.get(), gen.impl());
    } else {
      const auto race = std::make_unique<std::pair<Real, int64_t>[]>(static_cast<size_t>(categories));
      for (int64_t r = 0; r < rows; ++r)
        multinomial_race(out + r * samples, w + r * categories, categories, samples, race.get(), gen.impl());
    }
  });
}

}  // namespace rushlight::cpu
