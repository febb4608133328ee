// Normalization of contiguous rows, compiled once per instruction set.
//
// Sums run over 4 vectors, 4096 elements at a time, and are joined in double; variances come from a second pass over
// the row, which is in the cache then.
#include "cpu/normalization.h"
#include "cpu/reduce_loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

inline constexpr int64_t kNormRun = 4096;

// Vec at p; kTail: only the first m elements, the others are `fill`.
template <bool kTail, class T>
RL_INLINE Vec<T> fetch(const T* p, int64_t m, T fill) {
  if constexpr (kTail)
    return load_tail(p, m, fill);
  else
    return Vec<T>::load(p);
}

template <bool kTail, class T>
RL_INLINE void put(T* p, Vec<T> v, int64_t m) {
  if constexpr (kTail)
    v.store_first(p, m);
  else
    v.store(p);
}

// f<kTail>(i, m) for every vector of a run of n.
template <class T, class F>
RL_INLINE void each_vector(int64_t n, F f) {
  constexpr int64_t width = Vec<T>::size;
  int64_t i = 0;
  for (; i + width <= n; i += width) f.template operator()<false>(i, width);
  if (i < n) f.template operator()<true>(i, n - i);
}

template <class T>
RL_INLINE double lanes_sum(Vec<T> v) {
  return reduce_lanes(v, [](auto a, auto b) __attribute__((always_inline)) { return a + b; });
}

// The sum of f<kTail>(i, m) over a row; f gives 0 in lanes beyond m.
template <class T, class F>
RL_INLINE double sum_of(int64_t n, F f) {
  constexpr int64_t width = Vec<T>::size;
  double total = 0;
  for (int64_t done = 0; done < n; done += kNormRun) {
    const int64_t end = n - done < kNormRun ? n : done + kNormRun;
    Vec<T> s[4] = {T(0), T(0), T(0), T(0)};
    int64_t i = done;
    for (; i + 4 * width <= end; i += 4 * width)
      for (int k = 0; k < 4; ++k) s[k] += f.template operator()<false>(i + k * width, width);
    for (; i + width <= end; i += width) s[0] += f.template operator()<false>(i, width);
    if (i < end) s[1] += f.template operator()<true>(i, end - i);
    total += lanes_sum((s[0] + s[1]) + (s[2] + s[3]));
  }
  return total;
}

template <class T>
RL_INLINE void row_moments(const T* x, int64_t n, double eps, T* mean, T* rstd) {
  const double m = sum_of<T>(n, [&]<bool kTail>(int64_t i, int64_t k)
                                    __attribute__((always_inline)) { return fetch<kTail>(x + i, k, T(0)); }) /
                   static_cast<double>(n);
  const T center = static_cast<T>(m);
  const Vec<T> c(center);
  double squares = sum_of<T>(n, [&]<bool kTail>(int64_t i, int64_t k) __attribute__((always_inline)) {
    const Vec<T> d = fetch<kTail>(x + i, k, center) - c;
    return d * d;
  });
  // What rounding the mean to T has added.
  const double off = m - static_cast<double>(center);
  squares -= off * off * static_cast<double>(n);
  if (squares < 0) squares = 0;
  *mean = center;
  *rstd = static_cast<T>(1 / __builtin_sqrt(squares / static_cast<double>(n) + eps));
}

template <class T>
void moments(const NormRows& r) {
  const T* const x = static_cast<const T*>(r.x);
  for (int64_t i = 0; i < r.rows; ++i)
    row_moments(x + i * r.n, r.n, r.eps, static_cast<T*>(r.mean) + i, static_cast<T*>(r.rstd) + i);
}

template <class T, bool kWeight, bool kBias>
void layer_norm_rows(const NormRows& r) {
  const T *const w = static_cast<const T*>(r.weight), *const b = static_cast<const T*>(r.bias);
  for (int64_t row = 0; row < r.rows; ++row) {
    const T* const x = static_cast<const T*>(r.x) + row * r.n;
    T* const y = static_cast<T*>(r.y) + row * r.n;
    T &mean = static_cast<T*>(r.mean)[row], &rstd = static_cast<T*>(r.rstd)[row];
    row_moments(x, r.n, r.eps, &mean, &rstd);
    const Vec<T> m(mean), s(rstd);
    each_vector<T>(r.n, [&]<bool kTail>(int64_t i, int64_t k) __attribute__((always_inline)) {
      Vec<T> v = (fetch<kTail>(x + i, k, T(0)) - m) * s;
      if constexpr (kWeight) v = v * fetch<kTail>(w + i, k, T(0));
      if constexpr (kBias) v = v + fetch<kTail>(b + i, k, T(0));
      put<kTail>(y + i, v, k);
    });
  }
}

template <class T>
void layer_norm(const NormRows& r) {
  if (r.weight)
    r.bias ? layer_norm_rows<T, true, true>(r) : layer_norm_rows<T, true, false>(r);
  else
    r.bias ? layer_norm_rows<T, false, true>(r) : layer_norm_rows<T, false, false>(r);
}

template <class T>
void affine(const AffineRows& r) {
  for (int64_t row = 0; row < r.rows; ++row) {
    const T* const x = static_cast<const T*>(r.x) + row * r.n;
    T* const y = static_cast<T*>(r.y) + row * r.n;
    const Vec<T> mean(static_cast<const T*>(r.mean)[row]), scale(static_cast<const T*>(r.scale)[row]),
        shift(static_cast<const T*>(r.shift)[row]);
    each_vector<T>(r.n, [&]<bool kTail>(int64_t i, int64_t k) __attribute__((always_inline)) {
      put<kTail>(y + i, (fetch<kTail>(x + i, k, T(0)) - mean) * scale + shift, k);
    });
  }
}

template <class T>
void dots(const NormGradRows& r) {
  for (int64_t row = 0; row < r.rows; ++row) {
    const T* const x = static_cast<const T*>(r.x) + row * r.n;
    const T* const g = static_cast<const T*>(r.grad) + row * r.n;
    const T mean = static_cast<const T*>(r.mean)[row];
    const Vec<T> m(mean);
    static_cast<T*>(r.sums)[row] =
        static_cast<T>(sum_of<T>(r.n, [&]<bool kTail>(int64_t i, int64_t k)
                                          __attribute__((always_inline)) { return fetch<kTail>(g + i, k, T(0)); }));
    static_cast<T*>(r.products)[row] =
        static_cast<T>(sum_of<T>(r.n, [&]<bool kTail>(int64_t i, int64_t k) __attribute__((always_inline)) {
          return fetch<kTail>(g + i, k, T(0)) * (fetch<kTail>(x + i, k, mean) - m);
        }));
  }
}

template <class T>
void combine(const NormGradRows& r) {
  for (int64_t row = 0; row < r.rows; ++row) {
    const T* const x = static_cast<const T*>(r.x) + row * r.n;
    const T* const g = static_cast<const T*>(r.grad) + row * r.n;
    T* const out = static_cast<T*>(r.out) + row * r.n;
    auto of = [&](const void* p) __attribute__((always_inline)) { return Vec<T>(static_cast<const T*>(p)[row]); };
    const Vec<T> mean = of(r.mean), a = of(r.a), b = of(r.b), c = of(r.c);
    each_vector<T>(r.n, [&]<bool kTail>(int64_t i, int64_t k) __attribute__((always_inline)) {
      const Vec<T> d = fetch<kTail>(x + i, k, T(0)) - mean;
      put<kTail>(out + i, fetch<kTail>(g + i, k, T(0)) * a + (d * b + c), k);
    });
  }
}

template <class T, bool kWeight>
void layer_norm_grad_rows(const LayerNormGrad& r) {
  const T* const w = static_cast<const T*>(r.weight);
  T *const gw = static_cast<T*>(r.weight_grad), *const gb = static_cast<T*>(r.bias_grad);
  const double n = static_cast<double>(r.n);
  for (int64_t row = 0; row < r.rows; ++row) {
    const T* const x = static_cast<const T*>(r.x) + row * r.n;
    const T* const g = static_cast<const T*>(r.grad) + row * r.n;
    const T mean = static_cast<const T*>(r.mean)[row], rstd = static_cast<const T*>(r.rstd)[row];
    const Vec<T> m(mean), s(rstd);
    auto weighted = [&]<bool kTail>(int64_t i, int64_t k) __attribute__((always_inline)) {
      Vec<T> v = fetch<kTail>(g + i, k, T(0));
      if constexpr (kWeight) v = v * fetch<kTail>(w + i, k, T(0));
      return v;
    };
    if (r.input) {
      const double sum = sum_of<T>(r.n, weighted);
      const double product = sum_of<T>(r.n, [&]<bool kTail>(int64_t i, int64_t k) __attribute__((always_inline)) {
        return weighted.template operator()<kTail>(i, k) * (fetch<kTail>(x + i, k, mean) - m);
      });
      // rstd * (g - sum / n - xhat * (sum of g * xhat) / n)
      const Vec<T> shift(static_cast<T>(sum / n * rstd));
      const Vec<T> slope(static_cast<T>(product / n * rstd * rstd * rstd));
      T* const out = static_cast<T*>(r.input) + row * r.n;
      each_vector<T>(r.n, [&]<bool kTail>(int64_t i, int64_t k) __attribute__((always_inline)) {
        const Vec<T> d = fetch<kTail>(x + i, k, T(0)) - m;
        put<kTail>(out + i, (weighted.template operator()<kTail>(i, k) * s - shift) - d * slope, k);
      });
    }
    if (gw)
      each_vector<T>(r.n, [&]<bool kTail>(int64_t i, int64_t k) __attribute__((always_inline)) {
        const Vec<T> xhat = (fetch<kTail>(x + i, k, T(0)) - m) * s;
        put<kTail>(gw + i, fetch<kTail>(gw + i, k, T(0)) + fetch<kTail>(g + i, k, T(0)) * xhat, k);
      });
    if (gb)
      each_vector<T>(r.n, [&]<bool kTail>(int64_t i, int64_t k) __attribute__((always_inline)) {
        put<kTail>(gb + i, fetch<kTail>(gb + i, k, T(0)) + fetch<kTail>(g + i, k, T(0)), k);
      });
  }
}

template <class T>
void layer_norm_grad(const LayerNormGrad& r) {
  r.weight ? layer_norm_grad_rows<T, true>(r) : layer_norm_grad_rows<T, false>(r);
}

template <class T>
NormKernels kernels() {
  return {layer_norm<T>, moments<T>, affine<T>, dots<T>, combine<T>, layer_norm_grad<T>};
}

}  // namespace

void fill_normalization(NormTable& t) {
  t.of_float = kernels<float>();
  t.of_double = kernels<double>();
}

}  // namespace rushlight::cpu::RL_ISA
