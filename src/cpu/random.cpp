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
#include <tuple>
#include <utility>

#include "random_common.h"

namespace rushlight::cpu {

namespace draw {
namespace {

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
void fill_words(GeneratorImpl& gen, Real* out, int64_t n) {
  constexpr int per = sizeof(Real) / 4;
  uint32_t words[kChunk * per];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min<int64_t>(kChunk, n - i);
    gen.fill(words, count * per);
    words_to_unit(words, out + i, count);
  }
}

}  // namespace

void fill_unit(GeneratorImpl& gen, float* out, int64_t n) { fill_words(gen, out, n); }
void fill_unit(GeneratorImpl& gen, double* out, int64_t n) { fill_words(gen, out, n); }

}  // namespace draw

namespace {

using namespace draw;

constexpr double kTwoPi = 6.283185307179586476925286766559;
constexpr double kPi = 3.141592653589793238462643383280;

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

}  // namespace rushlight::cpu
