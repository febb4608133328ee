#include "cpu/histogram.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/thread_pool.h"
#include "cpu/clones.h"
#include "cpu/loop_plan.h"
#include "rushlight/error.h"

namespace rushlight::cpu {

namespace {

// Elements per partial result; its table should not be larger than what is counted into it.
constexpr int64_t kChunk = 1 << 17;

// Points whose bins are found together.
constexpr int64_t kBlock = 512;

// The computed bins of x[0], x[stride], ... in even bins; -1 outside and for NaN. Vectorises.
template <class T>
[[gnu::always_inline]] inline void compute_bins(const T* x, int64_t stride, int64_t n, T low, T high, int32_t bins,
                                                int32_t* at) {
  const T count = static_cast<T>(bins), width = high - low;
  auto bin = [=](T v) __attribute__((always_inline)) {
    T q = (v - low) * count / width;
    q = q < count ? q : count - 1;
    q = q > 0 ? q : 0;
    return v >= low && v <= high ? static_cast<int32_t>(q) : -1;
  };
  if (stride == 1)
    for (int64_t i = 0; i < n; ++i) at[i] = bin(x[i]);
  else
    for (int64_t i = 0; i < n; ++i) at[i] = bin(x[i * stride]);
}
RUSHLIGHT_CLONES void even_bins(const float* x, int64_t stride, int64_t n, float low, float high, int32_t bins,
                                int32_t* at) {
  compute_bins(x, stride, n, low, high, bins, at);
}
RUSHLIGHT_CLONES void even_bins(const double* x, int64_t stride, int64_t n, double low, double high, int32_t bins,
                                int32_t* at) {
  compute_bins(x, stride, n, low, high, bins, at);
}

// The last edge that is not above x, by halving; many points at a time hide each other's latency.
template <class T>
[[gnu::always_inline]] inline void halve_bins(const T* x, int64_t stride, int64_t n, const T* edges, int32_t bins,
                                              int32_t* at) {
  constexpr int64_t kWidth = 32;
  const T low = edges[0], high = edges[bins];
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t m = n - i < kWidth ? n - i : kWidth;
    T v[kWidth] = {};
    int32_t place[kWidth] = {};
    for (int64_t k = 0; k < m; ++k) v[k] = x[(i + k) * stride];
    for (int32_t left = bins + 1; left > 1; left -= left / 2) {
      const int32_t half = left / 2;
      for (int64_t k = 0; k < kWidth; ++k) place[k] += edges[place[k] + half] <= v[k] ? half : 0;
    }
    for (int64_t k = 0; k < kWidth; ++k)
      place[k] = v[k] >= low && v[k] <= high ? (place[k] < bins ? place[k] : bins - 1) : -1;
    for (int64_t k = 0; k < m; ++k) at[i + k] = place[k];
  }
}
RUSHLIGHT_CLONES void search_bins(const float* x, int64_t stride, int64_t n, const float* edges, int32_t bins,
                                  int32_t* at) {
  halve_bins(x, stride, n, edges, bins, at);
}
RUSHLIGHT_CLONES void search_bins(const double* x, int64_t stride, int64_t n, const double* edges, int32_t bins,
                                  int32_t* at) {
  halve_bins(x, stride, n, edges, bins, at);
}

template <class T>
struct Bins {
  const T* edges;
  int32_t bins;
  bool even, exact;
  DType rounding;
  T low, high;

  Bins(const Axis& axis, bool exact)
      : edges(static_cast<const T*>(axis.edges)),
        bins(static_cast<int32_t>(axis.bins)),
        even(axis.even),
        exact(exact),
        rounding(axis.rounding),
        low(edges[0]),
        high(edges[axis.bins]) {}

  // at[i]: the bin of x[i * stride], -1 outside and for NaN. The last edge belongs to the last bin.
  void find(const T* x, int64_t stride, int64_t n, int32_t* at) const {
    if (!even) return search_bins(x, stride, n, edges, bins, at);
    if (rounding == DType::Float16)
      half_bins<float16>(x, stride, n, at);
    else if (rounding == DType::BFloat16)
      half_bins<bfloat16>(x, stride, n, at);
    else
      even_bins(x, stride, n, low, high, bins, at);
    if (!exact) return;
    // Rounding errors lead to a neighbour at most.
    for (int64_t i = 0; i < n; ++i) {
      int32_t b = at[i];
      if (b < 0) continue;
      const T v = x[i * stride];
      b -= b > 0 && v < edges[b];
      b += b + 1 < bins && v >= edges[b + 1];
      at[i] = b;
    }
  }

 private:
  template <class H>
  static T rounded(T v) {
    return static_cast<T>(static_cast<float>(H(static_cast<float>(v))));
  }
  // Every step rounds as the tensors of half precision do.
  template <class H>
  void half_bins(const T* x, int64_t stride, int64_t n, int32_t* at) const {
    const T count = rounded<H>(static_cast<T>(bins)), width = rounded<H>(high - low);
    for (int64_t i = 0; i < n; ++i) {
      const T v = x[i * stride], q = rounded<H>(rounded<H>(rounded<H>(v - low) * count) / width);
      at[i] = !(v >= low && v <= high)    ? -1
              : q >= static_cast<T>(bins) ? bins - 1
              : q > 0                     ? static_cast<int32_t>(q)
                                          : 0;
    }
  }
};

// Counts go to several tables in turn, so that equal bins in a row do not wait for each other.
constexpr int64_t kTables = 4;
constexpr int64_t kSmallTable = 4096;

template <class T>
void add_points(const T* points, const T* weights, int64_t begin, int64_t end, const std::vector<Bins<T>>& axes,
                double* hist, int64_t size) {
  const int64_t dims = static_cast<int64_t>(axes.size());
  const bool count = !weights && size <= kSmallTable;
  std::vector<int64_t> tables(static_cast<size_t>(count ? kTables * (size + 1) : 0));
  int32_t at[kBlock];
  int64_t place[kBlock];
  for (int64_t i = begin; i < end; i += kBlock) {
    const int64_t m = std::min(kBlock, end - i);
    for (int64_t d = 0; d < dims; ++d) {
      const Bins<T>& axis = axes[static_cast<size_t>(d)];
      axis.find(points + i * dims + d, dims, m, at);
      for (int64_t j = 0; j < m; ++j) {
        const int64_t outer = d ? place[j] : 0;
        place[j] = outer < 0 || at[j] < 0 ? -1 : outer * axis.bins + at[j];
      }
    }
    if (count) {
      // Place 0 collects the points outside.
      for (int64_t j = 0; j < m; ++j) ++tables[static_cast<size_t>((j % kTables) * (size + 1) + place[j] + 1)];
      continue;
    }
    for (int64_t j = 0; j < m; ++j)
      if (place[j] >= 0) hist[place[j]] += weights ? static_cast<double>(weights[i + j]) : 1.0;
  }
  if (!count) return;
  for (int64_t b = 0; b < size; ++b) {
    int64_t sum = 0;
    for (int64_t k = 0; k < kTables; ++k) sum += tables[static_cast<size_t>(k * (size + 1) + b + 1)];
    hist[b] += static_cast<double>(sum);
  }
}

// add(begin, end, table) for pieces of [0, n), on the thread pool; the tables are added in order.
template <class Sum, class Add>
void in_pieces(int64_t n, Sum* table, int64_t size, Add add) {
  BlockingRegion region(n > kSerialElements);
  const int64_t chunk = std::max(kChunk, size * 4), chunks = (n + chunk - 1) / chunk;
  if (chunks <= 1 || size > (1 << 22)) {
    add(int64_t{0}, n, table);
    return;
  }
  // Tables of a few chunks at a time: memory stays bounded.
  const int64_t group = std::clamp<int64_t>((1 << 22) / std::max<int64_t>(size, 1), 1, 256);
  std::vector<Sum> partial(static_cast<size_t>(std::min(group, chunks) * size));
  for (int64_t first = 0; first < chunks; first += group) {
    const int64_t last = std::min(chunks, first + group);
    std::fill(partial.begin(), partial.end(), Sum(0));
    parallel_for(first, last, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c)
        add(c * chunk, std::min(n, (c + 1) * chunk), partial.data() + (c - first) * size);
    });
    for (int64_t c = 0; c < last - first; ++c)
      for (int64_t i = 0; i < size; ++i) table[i] += partial[static_cast<size_t>(c * size + i)];
  }
}

template <class T>
void histogram_of(const T* points, const T* weights, int64_t rows, int64_t dims, const Axis* axes, bool exact,
                  double* hist, int64_t size) {
  std::vector<Bins<T>> bins;
  for (int64_t d = 0; d < dims; ++d) bins.emplace_back(axes[d], exact);
  in_pieces(rows, hist, size, [&](int64_t begin, int64_t end, double* table) {
    add_points(points, weights, begin, end, bins, table, size);
  });
}

template <class F>
auto with_integers(DType dtype, const void* values, F f) {
  switch (dtype) {
    case DType::UInt8: return f(static_cast<const uint8_t*>(values));
    case DType::Int8: return f(static_cast<const int8_t*>(values));
    case DType::Int16: return f(static_cast<const int16_t*>(values));
    case DType::Int32: return f(static_cast<const int32_t*>(values));
    case DType::Int64: return f(static_cast<const int64_t*>(values));
    default: fail<NotImplementedError>("\"bincount_cpu\" not implemented for '", scalar_type_name(dtype), "'");
  }
}

// Always so, unless another thread changes the values meanwhile.
template <class T>
bool in_table(T value, int64_t size) {
  return static_cast<uint64_t>(static_cast<int64_t>(value)) < static_cast<uint64_t>(size);
}

template <class W>
void sum_by_value(DType dtype, const void* values, const W* weights, int64_t n, W* sums, int64_t size) {
  BlockingRegion region(n > kSerialElements);
  with_integers(dtype, values, [&](const auto* v) {
    for (int64_t i = 0; i < n; ++i)
      if (in_table(v[i], size)) sums[static_cast<int64_t>(v[i])] += weights[i];
  });
}

}  // namespace

void histogram(DType dtype, const void* points, const void* weights, int64_t rows, int64_t dims, const Axis* axes,
               bool exact, double* hist, int64_t hist_size) {
  if (dtype == DType::Float64)
    histogram_of(static_cast<const double*>(points), static_cast<const double*>(weights), rows, dims, axes, exact, hist,
                 hist_size);
  else
    histogram_of(static_cast<const float*>(points), static_cast<const float*>(weights), rows, dims, axes, exact, hist,
                 hist_size);
}

IntRange int_range(DType dtype, const void* values, int64_t n) {
  return with_integers(dtype, values, [&](const auto* v) {
    if (n == 0) return IntRange{0, -1};
    auto low = v[0], high = v[0];
    for (int64_t i = 1; i < n; ++i) {
      low = v[i] < low ? v[i] : low;
      high = v[i] > high ? v[i] : high;
    }
    return IntRange{static_cast<int64_t>(low), static_cast<int64_t>(high)};
  });
}

void count_values(DType dtype, const void* values, int64_t n, int64_t* counts, int64_t size) {
  with_integers(dtype, values, [&](const auto* v) {
    in_pieces(n, counts, size, [&](int64_t begin, int64_t end, int64_t* table) {
      for (int64_t i = begin; i < end; ++i)
        if (in_table(v[i], size)) ++table[static_cast<int64_t>(v[i])];
    });
  });
}

void sum_values(DType dtype, const void* values, const float* weights, int64_t n, float* sums, int64_t size) {
  sum_by_value(dtype, values, weights, n, sums, size);
}
void sum_values(DType dtype, const void* values, const double* weights, int64_t n, double* sums, int64_t size) {
  sum_by_value(dtype, values, weights, n, sums, size);
}

}  // namespace rushlight::cpu
