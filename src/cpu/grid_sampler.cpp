#include "cpu/grid_sampler.h"

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"

namespace rushlight::cpu {

namespace {

// Where half precision rounds: after every step from the coordinate to the weights, as torch does. Otherwise nowhere.
struct Exact {
  template <class T>
  static T round(T x) {
    return x;
  }
};
template <class H>
struct To {
  static float round(float x) { return static_cast<float>(H(x)); }
};

// The elements along one dim that a coordinate takes part of.
template <class T>
struct Taps {
  int count = 0;
  int64_t index[4];  // -1: outside
  T weight[4], slope[4];
  T t, t_slope;  // the place between them and its derivative
};

// x folded into the image, times the derivative of that in `slope`.
template <class R, class T>
T pad(T x, int64_t size, Padding padding, bool align_corners, T& slope) {
  const T last = static_cast<T>(size - 1);
  if (padding == Padding::Reflection) {
    const T low = align_corners ? T(0) : T(-0.5), span = align_corners ? last : static_cast<T>(size);
    if (span == 0) {
      slope = 0;
      return 0;
    }
    T d = R::round(x - low);
    if (d < 0) {
      d = -d;
      slope = -slope;
    }
    const T rest = std::fmod(d, span);
    if (std::fmod(std::floor(d / span), T(2)) == 0) {
      x = R::round(rest + low);
    } else {
      x = R::round(R::round(span - rest) + low);
      slope = -slope;
    }
  }
  if (padding != Padding::Zeros) {
    if (!(x > 0)) {
      slope = 0;
      return 0;
    }
    if (x >= last) {
      slope = 0;
      return last;
    }
  }
  return x;
}

template <class T>
int64_t inside(T x, int64_t size) {
  return x >= 0 && x < static_cast<T>(size) ? static_cast<int64_t>(x) : -1;
}

// Weights of the cubic convolution with a = -0.75 for the distances 1 + t, t, 1 - t and 2 - t.
template <class R, class T>
void cubic(T t, T* weight, T* slope) {
  constexpr T a = T(-0.75);
  auto r = [](T x) { return R::round(x); };
  auto near = [&](T d) { return r(r(r(r(r((a + 2) * d) - (a + 3)) * d) * d) + 1); };
  auto far = [&](T d) { return r(r(r(r(r(r(a * d) - 5 * a) * d) + 8 * a) * d) - 4 * a); };
  auto near_slope = [](T d) { return (3 * (a + 2) * d - 2 * (a + 3)) * d; };
  auto far_slope = [](T d) { return (3 * a * d - 10 * a) * d + 8 * a; };
  const T after = r(t + 1), left = r(1 - t), before = r(2 - t);
  weight[0] = far(after);
  weight[1] = near(t);
  weight[2] = near(left);
  weight[3] = far(before);
  slope[0] = far_slope(after);
  slope[1] = near_slope(t);
  slope[2] = -near_slope(left);
  slope[3] = -far_slope(before);
}

template <class R, class T>
void find_taps(Taps<T>& taps, T x, int64_t size, const GridSample& s) {
  T slope = s.align_corners ? static_cast<T>(size - 1) / 2 : static_cast<T>(size) / 2;
  x = R::round(R::round(x + 1) * slope);
  if (!s.align_corners) x = R::round(x - T(0.5));
  if (s.mode == Interpolation::Cubic) {
    taps.count = 4;
    const T floor = std::floor(x);
    taps.t = R::round(x - floor);
    taps.t_slope = slope;
    cubic<R>(taps.t, taps.weight, taps.slope);
    for (int i = 0; i < 4; ++i) {
      T unused = 1;
      taps.index[i] = inside(pad<R>(floor + static_cast<T>(i - 1), size, s.padding, s.align_corners, unused), size);
      taps.slope[i] *= slope;
    }
    return;
  }
  x = pad<R>(x, size, s.padding, s.align_corners, slope);
  if (s.mode == Interpolation::Nearest) {
    taps.count = 1;
    taps.index[0] = inside(std::nearbyint(x), size);
    taps.weight[0] = 1;
    taps.slope[0] = taps.t = taps.t_slope = 0;
    return;
  }
  taps.count = 2;
  const T floor = std::floor(x), t = R::round(x - floor);
  taps.index[0] = inside(floor, size);
  taps.index[1] = inside(floor + 1, size);
  taps.weight[0] = R::round(1 - t);
  taps.weight[1] = t;
  taps.slope[0] = -slope;
  taps.slope[1] = slope;
  taps.t = t;
  taps.t_slope = slope;
}

// All elements of a channel that one point takes part of, without those outside.
template <class T>
struct Stencil {
  int count = 0;
  int64_t offset[16];
  T weight[16];
  T slope[3][16];  // derivatives of the weight by the coordinates, in the order of the grid
  T zero = 0;      // NaN where a weight is
};

template <class R, class T>
void find_stencil(Stencil<T>& st, const T* position, const GridSample& s) {
  Taps<T> taps[3];
  for (int k = 0; k < s.dims; ++k) find_taps<R>(taps[k], position[k], s.spatial[s.dims - 1 - k], s);
  if (s.dims == 2) {
    taps[2].count = 1;
    taps[2].index[0] = 0;
    taps[2].weight[0] = 1;
    taps[2].slope[0] = 0;
  }
  st.count = 0;
  st.zero = 0;
  const int64_t width = s.spatial[s.dims - 1], area = width * s.spatial[s.dims - 2];
  for (int z = 0; z < taps[2].count; ++z)
    for (int y = 0; y < taps[1].count; ++y)
      for (int x = 0; x < taps[0].count; ++x) {
        const T wx = taps[0].weight[x], wy = taps[1].weight[y], wz = taps[2].weight[z];
        const T weight = R::round(R::round(wx * wy) * wz);
        st.zero += weight * 0;
        const int64_t ix = taps[0].index[x], iy = taps[1].index[y], iz = taps[2].index[z];
        if (ix < 0 || iy < 0 || iz < 0) continue;
        const int k = st.count++;
        st.offset[k] = iz * area + iy * width + ix;
        st.weight[k] = weight;
        st.slope[0][k] = taps[0].slope[x] * wy * wz;
        st.slope[1][k] = wx * taps[1].slope[y] * wz;
        st.slope[2][k] = wx * wy * taps[2].slope[z];
      }
}

int64_t channel_size(const GridSample& s) {
  int64_t size = 1;
  for (int k = 0; k < s.dims; ++k) size *= s.spatial[k];
  return size;
}

// Points whose stencils are kept while the channels pass.
constexpr int64_t kPointBlock = 64;

template <class T, class R>
void sample(const GridSample& s) {
  const int64_t channel = channel_size(s);
  auto run = [&](int64_t begin, int64_t end) {
    Stencil<T> stencils[kPointBlock];
    for (int64_t at = begin; at < end;) {
      const int64_t n = at / s.points, p = at % s.points;
      const int64_t count = std::min({kPointBlock, end - at, s.points - p});
      for (int64_t i = 0; i < count; ++i)
        find_stencil<R>(stencils[i], static_cast<const T*>(s.grid) + (at + i) * s.dims, s);
      const T* in = static_cast<const T*>(s.input) + n * s.c * channel;
      T* out = static_cast<T*>(s.out) + n * s.c * s.points + p;
      for (int64_t c = 0; c < s.c; ++c, in += channel, out += s.points)
        for (int64_t i = 0; i < count; ++i) {
          const Stencil<T>& st = stencils[i];
          T sum = st.zero;
          for (int k = 0; k < st.count; ++k) sum += st.weight[k] * in[st.offset[k]];
          out[i] = sum;
        }
      at += count;
    }
  };
  const int64_t total = s.n * s.points, work = 16 * std::max<int64_t>(s.c, 4);
  if (total * work <= kSerialElements) return run(0, total);
  BlockingRegion region(true);
  parallel_for(0, total, std::max(kPointBlock, kSerialElements / work), run);
}

template <class T, class R>
void sample_grad(const GridSample& s) {
  const int64_t channel = channel_size(s);
  // Points of one sample may meet in one element.
  auto run = [&](int64_t begin, int64_t end) {
    Stencil<T> st;
    for (int64_t n = begin; n < end; ++n)
      for (int64_t p = 0; p < s.points; ++p) {
        const int64_t i = n * s.points + p;
        find_stencil<R>(st, static_cast<const T*>(s.grid) + i * s.dims, s);
        const T* in = static_cast<const T*>(s.input) + n * s.c * channel;
        const T* grad = static_cast<const T*>(s.grad) + n * s.c * s.points + p;
        T* input_grad = s.input_grad ? static_cast<T*>(s.input_grad) + n * s.c * channel : nullptr;
        T slope[3] = {0, 0, 0};
        for (int64_t c = 0; c < s.c; ++c, in += channel, grad += s.points) {
          const T g = *grad;
          if (input_grad) {
            for (int k = 0; k < st.count; ++k) input_grad[st.offset[k]] += st.weight[k] * g;
            input_grad += channel;
          }
          if (s.grid_grad)
            for (int k = 0; k < st.count; ++k) {
              const T v = in[st.offset[k]] * g;
              for (int d = 0; d < s.dims; ++d) slope[d] += st.slope[d][k] * v;
            }
        }
        if (s.grid_grad) std::copy(slope, slope + s.dims, static_cast<T*>(s.grid_grad) + i * s.dims);
      }
  };
  if (s.n * s.points * 16 * std::max<int64_t>(s.c, 4) <= kSerialElements) return run(0, s.n);
  BlockingRegion region(true);
  parallel_for(0, s.n, 1, run);
}

template <class T>
void all_taps(const GridSample& s, int k, int64_t* index, T* t, T* slope) {
  const int64_t total = s.n * s.points;
  const T* const grid = static_cast<const T*>(s.grid);
  Taps<T> taps;
  for (int64_t i = 0; i < total; ++i) {
    find_taps<Exact>(taps, grid[i * s.dims + k], s.spatial[s.dims - 1 - k], s);
    for (int j = 0; j < taps.count; ++j) index[j * total + i] = taps.index[j];
    t[i] = taps.t;
    slope[i] = taps.t_slope;
  }
}

}  // namespace

void grid_sample(DType dtype, const GridSample& s) {
  if (grid_sample_blocks(dtype, s)) return;
  switch (dtype) {
    case DType::Float64: return sample<double, Exact>(s);
    case DType::Float16: return sample<float, To<float16>>(s);
    case DType::BFloat16: return sample<float, To<bfloat16>>(s);
    default: return sample<float, Exact>(s);
  }
}

void grid_sample_grad(DType dtype, const GridSample& s) {
  switch (dtype) {
    case DType::Float64: return sample_grad<double, Exact>(s);
    case DType::Float16: return sample_grad<float, To<float16>>(s);
    case DType::BFloat16: return sample_grad<float, To<bfloat16>>(s);
    default: return sample_grad<float, Exact>(s);
  }
}

int grid_tap_count(Interpolation mode) {
  return mode == Interpolation::Cubic ? 4 : mode == Interpolation::Linear ? 2 : 1;
}

void grid_taps(DType dtype, const GridSample& s, int k, int64_t* index, void* t, void* slope) {
  if (dtype == DType::Float64)
    all_taps(s, k, index, static_cast<double*>(t), static_cast<double*>(slope));
  else
    all_taps(s, k, index, static_cast<float*>(t), static_cast<float*>(slope));
}

}  // namespace rushlight::cpu
