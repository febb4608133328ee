// Values of an image at positions of a grid in float32 and float64, many points at once: places and weights of all
// corners first, then one pass per channel. The arithmetic is that of grid_sampler.cpp.
#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

#include "core/thread_pool.h"
#include "cpu/clones.h"
#include "cpu/grid_sampler.h"
#include "cpu/loop_plan.h"

namespace rushlight::cpu {

namespace {

constexpr int64_t kPoints = 128;

struct Block {
  const void *grid, *in;
  void* out;
  int64_t count;
};

// How one dim folds coordinates into the image.
template <class T>
struct Fold {
  T last, low, span;

  Fold(int64_t size, bool align_corners)
      : last(static_cast<T>(size - 1)),
        low(align_corners ? T(0) : T(-0.5)),
        span(align_corners ? last : static_cast<T>(size)) {}

  [[gnu::always_inline]] T clip(T x) const {
    const T y = x > 0 ? x : T(0);
    return y >= last ? last : y;
  }
  [[gnu::always_inline]] static bool even(T x) { return std::floor(x * T(0.5)) * 2 == x; }
  // The quotient may be rounded up to the next integer, which the exact rest shows. Not for more than 2^20 images.
  [[gnu::always_inline]] T reflect(T x) const {
    const T d = std::abs(x - low), q = std::floor(d / span), r = std::fma(-q, span, d);
    const T rest = r < 0 ? r + span : r;
    return clip(even(q) ? rest + low : span - rest + low);
  }
  bool is_far(T x) const { return !(std::abs(x - low) < span * T(1 << 20)); }
  // Any coordinate.
  T reflect_far(T x) const {
    if (span == 0) return 0;
    const T d = std::abs(x - low), rest = std::fmod(d, span);
    return clip(even(std::floor(d / span)) ? rest + low : span - rest + low);
  }

  template <Padding P>
  [[gnu::always_inline]] void run(T* x, int64_t n) const {
    if constexpr (P == Padding::Border) {
      for (int64_t i = 0; i < n; ++i) x[i] = clip(x[i]);
    } else if constexpr (P == Padding::Reflection) {
      T before[kPoints];
      int32_t any = 0;
      for (int64_t i = 0; i < n; ++i) {
        before[i] = x[i];
        any |= is_far(x[i]);
        x[i] = reflect(x[i]);
      }
      if (any)
        for (int64_t i = 0; i < n; ++i)
          if (is_far(before[i])) x[i] = reflect_far(before[i]);
    }
  }
  [[gnu::always_inline]] void run(Padding padding, T* x, int64_t n) const {
    if (padding == Padding::Border) run<Padding::Border>(x, n);
    if (padding == Padding::Reflection) run<Padding::Reflection>(x, n);
  }
};

template <class T, int D, Interpolation Mode>
[[gnu::always_inline]] inline void run_block(const GridSample& s, const Block& b) {
  constexpr bool kNearest = Mode == Interpolation::Nearest, kCubic = Mode == Interpolation::Cubic;
  constexpr int kTaps = kNearest ? 1 : kCubic ? 4 : 2;
  constexpr int kCorners = D == 3 ? kTaps * kTaps * kTaps : kTaps * kTaps;
  const int64_t count = b.count;
  T tap_weight[D][kTaps][kPoints];
  int32_t tap_index[D][kTaps][kPoints], tap_inside[D][kTaps][kPoints];
  for (int d = 0; d < D; ++d) {
    const int64_t size = s.spatial[D - 1 - d];
    const Fold<T> fold(size, s.align_corners);
    const T end = static_cast<T>(size);
    const T half = s.align_corners ? fold.last / 2 : end / 2, shift = s.align_corners ? T(0) : T(0.5);
    const T* const grid = static_cast<const T*>(b.grid) + d;
    T x[kPoints], first[kPoints];
    for (int64_t i = 0; i < count; ++i) x[i] = (grid[i * D] + 1) * half - shift;
    if constexpr (!kCubic) fold.run(s.padding, x, count);
    for (int64_t i = 0; i < count; ++i) {
      first[i] = kNearest ? std::nearbyint(x[i]) : std::floor(x[i]);
      if constexpr (Mode == Interpolation::Linear) {
        const T t = x[i] - first[i];
        tap_weight[d][0][i] = 1 - t;
        tap_weight[d][1][i] = t;
      } else if constexpr (kCubic) {
        // The cubic convolution with a = -0.75 for the distances 1 + t, t, 1 - t and 2 - t.
        constexpr T a = T(-0.75);
        const auto near = [](T v) { return ((a + 2) * v - (a + 3)) * v * v + 1; };
        const auto far = [](T v) { return ((a * v - 5 * a) * v + 8 * a) * v - 4 * a; };
        const T t = x[i] - first[i];
        tap_weight[d][0][i] = far(t + 1);
        tap_weight[d][1][i] = near(t);
        tap_weight[d][2][i] = near(1 - t);
        tap_weight[d][3][i] = far(2 - t);
      }
    }
    for (int k = 0; k < kTaps; ++k) {
      T at[kPoints];
      for (int64_t i = 0; i < count; ++i) at[i] = first[i] + static_cast<T>(kCubic ? k - 1 : k);
      if constexpr (kCubic) fold.run(s.padding, at, count);
      for (int64_t i = 0; i < count; ++i) {
        const bool inside = (at[i] >= 0) & (at[i] < end);
        tap_index[d][k][i] = static_cast<int32_t>(inside ? at[i] : T(0));
        tap_inside[d][k][i] = inside ? -1 : 0;
      }
    }
  }
  int32_t offset[kCorners][kPoints], inside[kCorners][kPoints];
  T weight[kCorners][kPoints], zero[kPoints];
  for (int64_t i = 0; i < count; ++i) zero[i] = 0;
  for (int c = 0; c < kCorners; ++c) {
    const int x = c % kTaps, y = c / kTaps % kTaps, z = c / (kTaps * kTaps);
    const int32_t width = static_cast<int32_t>(s.spatial[D - 1]);
    const int32_t area = D == 3 ? static_cast<int32_t>(s.spatial[1]) * width : 0;
    for (int64_t i = 0; i < count; ++i) {
      int32_t at = tap_index[0][x][i] + tap_index[1][y][i] * width, in = tap_inside[0][x][i] & tap_inside[1][y][i];
      if constexpr (D == 3) {
        at += tap_index[D - 1][z][i] * area;
        in &= tap_inside[D - 1][z][i];
      }
      offset[c][i] = in & at;
      inside[c][i] = in;
    }
    if constexpr (!kNearest)
      for (int64_t i = 0; i < count; ++i) {
        T w = tap_weight[0][x][i] * tap_weight[1][y][i];
        if constexpr (D == 3) w *= tap_weight[D - 1][z][i];
        weight[c][i] = w;
        zero[i] += w * 0;  // NaN stays NaN where the corner lies outside
      }
  }
  int64_t channel = 1;
  for (int d = 0; d < D; ++d) channel *= s.spatial[d];
  using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  const T* in = static_cast<const T*>(b.in);
  T* out = static_cast<T*>(b.out);
  for (int64_t c = 0; c < s.c; ++c, in += channel, out += s.points) {
    const auto value = [&](int k, int64_t i) __attribute__((always_inline)) {
      return std::bit_cast<T>(std::bit_cast<Bits>(in[offset[k][i]]) & Bits{inside[k][i]});
    };
#pragma GCC ivdep
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (!kNearest) {
        T sum = zero[i];
#pragma GCC unroll 16
        for (int k = 0; k < kCorners; ++k) sum += weight[k][i] * value(k, i);
        out[i] = sum;
      } else {
        out[i] = value(0, i);
      }
    }
  }
}

#define RL_BLOCK(name, D, Mode)                                              \
  RUSHLIGHT_CLONES void name##_float(const GridSample& s, const Block& b) {  \
    run_block<float, D, Interpolation::Mode>(s, b);                          \
  }                                                                          \
  RUSHLIGHT_CLONES void name##_double(const GridSample& s, const Block& b) { \
    run_block<double, D, Interpolation::Mode>(s, b);                         \
  }
RL_BLOCK(linear_2, 2, Linear)
RL_BLOCK(linear_3, 3, Linear)
RL_BLOCK(nearest_2, 2, Nearest)
RL_BLOCK(nearest_3, 3, Nearest)
RL_BLOCK(cubic_2, 2, Cubic)
#undef RL_BLOCK

auto block_of(const GridSample& s, bool wide) {
  const bool flat = s.dims == 2;
  switch (s.mode) {
    case Interpolation::Cubic: return wide ? cubic_2_double : cubic_2_float;
    case Interpolation::Nearest:
      return flat ? (wide ? nearest_2_double : nearest_2_float) : (wide ? nearest_3_double : nearest_3_float);
    default: return flat ? (wide ? linear_2_double : linear_2_float) : (wide ? linear_3_double : linear_3_float);
  }
}

}  // namespace

bool grid_sample_blocks(DType dtype, const GridSample& s) {
  if ((dtype != DType::Float32 && dtype != DType::Float64) || (s.mode == Interpolation::Cubic && s.dims != 2))
    return false;
  int64_t channel = 1;
  for (int k = 0; k < s.dims; ++k)
    if (__builtin_mul_overflow(channel, s.spatial[k], &channel) || channel > INT32_MAX) return false;
  if (channel == 0) return false;
  const bool wide = dtype == DType::Float64;
  const auto block = block_of(s, wide);
  const int64_t item = wide ? 8 : 4;
  const auto run = [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end;) {
      const int64_t n = at / s.points, p = at % s.points;
      const int64_t count = std::min({kPoints, end - at, s.points - p});
      block(s, {static_cast<const char*>(s.grid) + at * s.dims * item,
                static_cast<const char*>(s.input) + n * s.c * channel * item,
                static_cast<char*>(s.out) + (n * s.c * s.points + p) * item, count});
      at += count;
    }
  };
  const int64_t total = s.n * s.points, work = 2 * std::max<int64_t>(s.c, 4);
  if (total * work <= kSerialElements) {
    run(0, total);
  } else {
    BlockingRegion region(true);
    parallel_for(0, total, std::max(kPoints, kSerialElements / work), run);
  }
  return true;
}

}  // namespace rushlight::cpu
