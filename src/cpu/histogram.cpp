#include "cpu/histogram.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "rushlight/error.h"

namespace rushlight::cpu {

namespace {

// Elements per partial result; its table should not be larger than what is counted into it.
constexpr int64_t kChunk = 1 << 17;

template <class T>
struct Bins {
  const T* edges;
  int64_t bins;
  bool even, exact;
  DType rounding;
  T low, high;

  Bins(const Axis& axis, bool exact)
      : edges(static_cast<const T*>(axis.edges)),
        bins(axis.bins),
        even(axis.even),
        exact(exact),
        rounding(axis.rounding),
        low(edges[0]),
        high(edges[bins]) {}

  T rounded(T v) const {
    if (rounding == DType::Float16) return static_cast<T>(static_cast<float>(float16(static_cast<float>(v))));
    if (rounding == DType::BFloat16) return static_cast<T>(static_cast<float>(bfloat16(static_cast<float>(v))));
    return v;
  }

  // -1 outside
  int64_t of(T x) const {
    if (!(x >= low && x <= high)) return -1;
    int64_t at;
    if (even) {
      const T q = rounded(rounded(rounded(x - low) * rounded(static_cast<T>(bins))) / rounded(high - low));
      at = q >= 0 && q < static_cast<T>(bins) ? static_cast<int64_t>(q) : q > 0 ? bins : 0;
      if (exact) {
        const T* const first = edges + std::max<int64_t>(0, at - 1);
        const T* const last = edges + std::min<int64_t>(at + 2, bins + 1);
        at = std::upper_bound(first, last, x) - edges - 1;
      }
    } else {
      at = std::upper_bound(edges, edges + bins + 1, x) - edges - 1;
    }
    // The last edge belongs to the last bin.
    return std::clamp<int64_t>(at, 0, bins - 1);
  }
};

template <class T, class Sum>
void add_points(const T* points, const T* weights, int64_t begin, int64_t end, const std::vector<Bins<T>>& axes,
                Sum* hist) {
  const int64_t dims = static_cast<int64_t>(axes.size());
  if (dims == 1) {
    const Bins<T> axis = axes[0];
    for (int64_t i = begin; i < end; ++i)
      if (const int64_t at = axis.of(points[i]); at >= 0) hist[at] += weights ? static_cast<Sum>(weights[i]) : Sum(1);
    return;
  }
  for (int64_t i = begin; i < end; ++i) {
    int64_t place = 0;
    bool inside = true;
    for (int64_t d = 0; d < dims && inside; ++d) {
      const int64_t at = axes[static_cast<size_t>(d)].of(points[i * dims + d]);
      inside = at >= 0;
      place = place * axes[static_cast<size_t>(d)].bins + at;
    }
    if (inside) hist[place] += weights ? static_cast<Sum>(weights[i]) : Sum(1);
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
  in_pieces(rows, hist, size,
            [&](int64_t begin, int64_t end, double* table) { add_points(points, weights, begin, end, bins, table); });
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
