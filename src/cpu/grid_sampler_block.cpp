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

template <class T, int D, bool Linear>
[[gnu::always_inline]] inline void run_block(const GridSample& s, const Block& b) {
  constexpr int kTaps = Linear ? 2 : 1, kCorners = Linear ? 1 << D : 1;
  const int64_t count = b.count;
  T tap_weight[D][kTaps][kPoints];
  int32_t tap_index[D][kTaps][kPoints], tap_inside[D][kTaps][kPoints];
  for (int d = 0; d < D; ++d) {
    const int64_t size = s.spatial[D - 1 - d];
    const T last = static_cast<T>(size - 1), end = static_cast<T>(size);
    const T half = s.align_corners ? last / 2 : end / 2, shift = s.align_corners ? T(0) : T(0.5);
    const bool border = s.padding == Padding::Border;
    const T* const grid = static_cast<const T*>(b.grid) + d;
    for (int64_t i = 0; i < count; ++i) {
      T x = (grid[i * D] + 1) * half - shift;
      const T low = x > 0 ? x : T(0), clipped = low >= last ? last : low;
      x = border ? clipped : x;
      const T first = Linear ? std::floor(x) : std::nearbyint(x);
      for (int k = 0; k < kTaps; ++k) {
        const T at = first + static_cast<T>(k);
        const bool inside = (at >= 0) & (at < end);
        tap_index[d][k][i] = static_cast<int32_t>(inside ? at : T(0));
        tap_inside[d][k][i] = inside ? -1 : 0;
      }
      if constexpr (Linear) {
        const T t = x - first;
        tap_weight[d][0][i] = 1 - t;
        tap_weight[d][1][i] = t;
      }
    }
  }
  int32_t offset[kCorners][kPoints], inside[kCorners][kPoints];
  T weight[kCorners][kPoints], zero[kPoints];
  for (int64_t i = 0; i < count; ++i) zero[i] = 0;
  for (int c = 0; c < kCorners; ++c) {
    const int x = c & 1, y = c >> 1 & 1, z = c >> 2;
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
    if constexpr (Linear)
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
      if constexpr (Linear) {
        T sum = zero[i];
#pragma GCC unroll 8
        for (int k = 0; k < kCorners; ++k) sum += weight[k][i] * value(k, i);
        out[i] = sum;
      } else {
        out[i] = value(0, i);
      }
    }
  }
}

#define RL_BLOCK(name, T, D, Linear) \
  RUSHLIGHT_CLONES void name(const GridSample& s, const Block& b) { run_block<T, D, Linear>(s, b); }
RL_BLOCK(linear_2_float, float, 2, true)
RL_BLOCK(linear_3_float, float, 3, true)
RL_BLOCK(nearest_2_float, float, 2, false)
RL_BLOCK(nearest_3_float, float, 3, false)
RL_BLOCK(linear_2_double, double, 2, true)
RL_BLOCK(linear_3_double, double, 3, true)
RL_BLOCK(nearest_2_double, double, 2, false)
RL_BLOCK(nearest_3_double, double, 3, false)
#undef RL_BLOCK

}  // namespace

bool grid_sample_blocks(DType dtype, const GridSample& s) {
  if ((dtype != DType::Float32 && dtype != DType::Float64) || s.mode == Interpolation::Cubic ||
      s.padding == Padding::Reflection)
    return false;
  int64_t channel = 1;
  for (int k = 0; k < s.dims; ++k)
    if (__builtin_mul_overflow(channel, s.spatial[k], &channel) || channel > INT32_MAX) return false;
  if (channel == 0) return false;
  const bool wide = dtype == DType::Float64, linear = s.mode == Interpolation::Linear;
  const auto block =
      s.dims == 2 ? linear ? (wide ? linear_2_double : linear_2_float) : (wide ? nearest_2_double : nearest_2_float)
      : linear    ? (wide ? linear_3_double : linear_3_float)
                  : (wide ? nearest_3_double : nearest_3_float);
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
