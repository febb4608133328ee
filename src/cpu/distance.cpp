#include "cpu/distance.h"

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"

namespace rushlight::cpu {

namespace {

// One term of the norm, how terms combine, and what becomes of the total.
template <class T>
struct Sum {
  static T combine(T a, T b) { return a + b; }
};
template <class T>
struct Count : Sum<T> {
  T term(T d) const { return d != 0 ? T(1) : T(0); }
  T finish(T s) const { return s; }
};
template <class T>
struct Absolute : Sum<T> {
  T term(T d) const { return std::abs(d); }
  T finish(T s) const { return s; }
};
template <class T>
struct Euclid : Sum<T> {
  T term(T d) const { return d * d; }
  T finish(T s) const { return std::sqrt(s); }
};
template <class T>
struct Power : Sum<T> {
  T p;
  T term(T d) const { return std::pow(std::abs(d), p); }
  T finish(T s) const { return std::pow(s, 1 / p); }
};
template <class T>
struct Largest {
  static T combine(T a, T b) { return a > b || a != a ? a : b; }  // NaN wins
  T term(T d) const { return std::abs(d); }
  T finish(T s) const { return s; }
};

// Several totals at once, so that the compiler may use vectors; their number is fixed, so the bits are, too.
template <class T, class Norm>
T distance(const T* x, const T* y, int64_t n, const Norm& norm) {
  constexpr int kLanes = 16;
  T total[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) total[k] = Norm::combine(total[k], norm.term(x[i + k] - y[i + k]));
  for (int k = 0; i < n; ++i, ++k) total[k] = Norm::combine(total[k], norm.term(x[i] - y[i]));
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) total[k] = Norm::combine(total[k], total[k + half]);
  return norm.finish(total[0]);
}

template <class T, class Norm>
void run(const T* x1, const T* x2, T* out, int64_t batch, int64_t rows1, int64_t rows2, int64_t cols, Norm norm) {
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, rows2 * std::max<int64_t>(cols, 1)));
  parallel_for(0, batch * rows1, grain, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* const y = x2 + row / rows1 * rows2 * cols;
      for (int64_t j = 0; j < rows2; ++j) out[row * rows2 + j] = distance(x1 + row * cols, y + j * cols, cols, norm);
    }
  });
}

}  // namespace

template <class T>
void distances(const T* x1, const T* x2, T* out, int64_t batch, int64_t rows1, int64_t rows2, int64_t cols, double p) {
  if (p == 0)
    run(x1, x2, out, batch, rows1, rows2, cols, Count<T>{});
  else if (p == 1)
    run(x1, x2, out, batch, rows1, rows2, cols, Absolute<T>{});
  else if (p == 2)
    run(x1, x2, out, batch, rows1, rows2, cols, Euclid<T>{});
  else if (std::isinf(p))
    run(x1, x2, out, batch, rows1, rows2, cols, Largest<T>{});
  else
    run(x1, x2, out, batch, rows1, rows2, cols, Power<T>{{}, static_cast<T>(p)});
}

template void distances(const float*, const float*, float*, int64_t, int64_t, int64_t, int64_t, double);
template void distances(const double*, const double*, double*, int64_t, int64_t, int64_t, int64_t, double);

}  // namespace rushlight::cpu
