#include "cpu/copy_short.h"

#include <algorithm>

namespace rushlight::cpu {

namespace {

struct Bytes16 {
  uint64_t low, high;
};

// Runs that are dense on both sides.
void copy_dense(const ShortRuns& r) {
  const int64_t bytes = r.n * r.item;
  for (int64_t j = 0; j < r.runs; ++j) copy_short(r.to + j * r.to_run, r.from + j * r.from_run, bytes);
}

// One element per run, n times. Vectors of kBytes are written, one or two; the next run overwrites what is too much.
// Returns the number of runs done.
template <int64_t kBytes, class T>
int64_t repeat_vectors(const ShortRuns& r) {
  constexpr int64_t kItem = sizeof(T), kItems = kBytes / kItem;
  const int64_t room = r.runs - (2 * kItems + r.n - 1) / r.n;
  int64_t j = 0;
  for (; j < room; ++j) {
    T x, copies[kItems];
    std::memcpy(&x, r.from + j * r.from_run, sizeof x);
    for (int64_t i = 0; i < kItems; ++i) copies[i] = x;
    std::memcpy(r.to + j * r.to_run, copies, sizeof copies);
    if (r.n > kItems) std::memcpy(r.to + j * r.to_run + kBytes, copies, sizeof copies);
  }
  return j;
}
template <class T>
void repeat(const ShortRuns& r) {
  constexpr int64_t kItem = sizeof(T);
  int64_t j = 0;
  if (r.to_run == r.n * kItem) j = r.to_run <= 16 ? repeat_vectors<16, T>(r) : repeat_vectors<32, T>(r);
  for (; j < r.runs; ++j) {
    const T x = *reinterpret_cast<const T*>(r.from + j * r.from_run);
    for (int64_t i = 0; i < r.n; ++i) *reinterpret_cast<T*>(r.to + j * r.to_run + i * r.to_step) = x;
  }
}

// Blocks of runs, element by element: the inner loops are long and the block stays in the cache.
template <class T>
void cross(const ShortRuns& r) {
  constexpr int64_t kBlock = 512;
  for (int64_t first = 0; first < r.runs; first += kBlock) {
    const int64_t end = std::min(r.runs, first + kBlock);
    for (int64_t i = 0; i < r.n; ++i) {
      char* const to = r.to + i * r.to_step;
      const char* const from = r.from + i * r.from_step;
      for (int64_t j = first; j < end; ++j)
        *reinterpret_cast<T*>(to + j * r.to_run) = *reinterpret_cast<const T*>(from + j * r.from_run);
    }
  }
}
// n neighbours from n rows.
template <class T, int N>
void interleave(const ShortRuns& r) {
  for (int64_t j = 0; j < r.runs; ++j) {
    T* const to = reinterpret_cast<T*>(r.to) + j * N;
    for (int i = 0; i < N; ++i) to[i] = reinterpret_cast<const T*>(r.from + i * r.from_step)[j];
  }
}

template <class T>
void copy_items(const ShortRuns& r) {
  constexpr int64_t kItem = sizeof(T);
  if (r.from_step == 0 && r.to_step == kItem) return repeat<T>(r);
  if (r.to_step == kItem && r.from_run == kItem && r.to_run == r.n * kItem) {
    if (r.n == 2) return interleave<T, 2>(r);
    if (r.n == 3) return interleave<T, 3>(r);
    if (r.n == 4) return interleave<T, 4>(r);
  }
  cross<T>(r);
}

template <int N>
void repeat_fixed(char* to, const char* from, int64_t runs, int64_t step, int64_t count) {
  struct Run {
    char b[N];
  };
  for (int64_t i = 0; i < runs; ++i) {
    Run x;
    std::memcpy(&x, from + i * step, N);
    for (int64_t c = 0; c < count; ++c, to += N) std::memcpy(to, &x, N);
  }
}

}  // namespace

void repeat_runs(char* to, const char* from, int64_t runs, int64_t n, int64_t step, int64_t count) {
  switch (n) {
    case 4: return repeat_fixed<4>(to, from, runs, step, count);
    case 8: return repeat_fixed<8>(to, from, runs, step, count);
    case 16: return repeat_fixed<16>(to, from, runs, step, count);
    case 32: return repeat_fixed<32>(to, from, runs, step, count);
    default:
      for (int64_t i = 0; i < runs; ++i)
        for (int64_t c = 0; c < count; ++c, to += n) copy_short(to, from + i * step, n);
  }
}

void copy_runs(const ShortRuns& r) {
  if (r.from_step == r.item && r.to_step == r.item) return copy_dense(r);
  switch (r.item) {
    case 1: return copy_items<uint8_t>(r);
    case 2: return copy_items<uint16_t>(r);
    case 4: return copy_items<uint32_t>(r);
    case 8: return copy_items<uint64_t>(r);
    default: return copy_items<Bytes16>(r);
  }
}

}  // namespace rushlight::cpu
