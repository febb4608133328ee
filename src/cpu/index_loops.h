// The inner loops that the files of the family index share: indices checked block by block before their use.
#pragma once

#include <algorithm>

#include "core/thread_pool.h"
#include "cpu/index.h"

namespace rushlight::cpu {

inline constexpr int64_t kCheckBlock = 512;         // indices checked at a time, before they are used
inline constexpr int64_t kParallelBytes = 1 << 18;  // moves below this stay on the calling thread

struct Bytes16 {
  uint64_t low, high;
};

template <class T>
inline T& at(char* base, int64_t byte) {
  return *reinterpret_cast<T*>(base + byte);
}

// Raises for the first of n indices outside [0, p.size).
void check_run(const char* index, int64_t stride, int64_t n, const IndexParams& p);

// A loop that checks its indices where it is asked to, block by block before their use.
template <void (*Body)(char* const*, const int64_t*, int64_t, const IndexParams&)>
void checked(char* const* data, const int64_t* s, int64_t n, const void* params) {
  const IndexParams& p = *static_cast<const IndexParams*>(params);
  if (!p.check) return Body(data, s, n, p);
  for (int64_t done = 0; done < n; done += kCheckBlock) {
    const int64_t m = std::min(kCheckBlock, n - done);
    char* const block[3] = {data[0] + done * s[0], data[1] + done * s[1], data[2] + done * s[2]};
    check_run(block[2], s[2], m, p);
    Body(block, s, m, p);
  }
}

// f(i, index[i]), four at a time: the loads of a group go before its stores.
template <class T, class F>
[[gnu::always_inline]] inline void for_indices(const int64_t* index, const T* x, int64_t n, F f) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const int64_t i0 = index[i], i1 = index[i + 1], i2 = index[i + 2], i3 = index[i + 3];
    const T x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
    f(i0, x0);
    f(i1, x1);
    f(i2, x2);
    f(i3, x3);
  }
  for (; i < n; ++i) f(index[i], x[i]);
}

// Cuts [begin, end) over threads where the work moves enough bytes.
template <class F>
void split(int64_t begin, int64_t end, int64_t grain, int64_t bytes, F&& f) {
  if (bytes <= kParallelBytes || end - begin <= grain) {
    f(begin, end);
    return;
  }
  BlockingRegion region(true);
  parallel_for(begin, end, grain, f);
}

}  // namespace rushlight::cpu
