// Quicksort of 64-bit words with 512-bit vectors: partitions by compressing stores, and networks for up to 128 words.
#pragma once

#include "cpu/sort_transpose.h"

#if RL_AVX512

namespace rushlight::cpu::RL_ISA {
namespace {

typedef uint64_t Words __attribute__((vector_size(64)));

RL_INLINE __m512i raw(Words v) { return reinterpret_cast<__m512i>(v); }
RL_INLINE Words words(__m512i v) { return reinterpret_cast<Words>(v); }
// (The forms without a mask make GCC warn of their undefined operand.)
RL_INLINE Words least(Words a, Words b) { return words(_mm512_mask_min_epu64(raw(a), 0xff, raw(a), raw(b))); }
RL_INLINE Words most(Words a, Words b) { return words(_mm512_mask_max_epu64(raw(a), 0xff, raw(a), raw(b))); }
RL_INLINE void exchange(Words& a, Words& b) {
  const Words low = least(a, b), high = most(a, b);
  a = low;
  b = high;
}

// The lanes of a bitonic vector in ascending order.
RL_INLINE Words clean_lanes(Words v) {
  Words s = __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
  v = words(_mm512_mask_max_epu64(raw(least(v, s)), 0xf0, raw(v), raw(s)));
  s = __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
  v = words(_mm512_mask_max_epu64(raw(least(v, s)), 0xcc, raw(v), raw(s)));
  s = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
  return words(_mm512_mask_max_epu64(raw(least(v, s)), 0xaa, raw(v), raw(s)));
}
RL_INLINE Words reverse_lanes(Words v) { return __builtin_shufflevector(v, v, 7, 6, 5, 4, 3, 2, 1, 0); }

// N vectors that are one bitonic sequence become ascending.
template <int N>
RL_INLINE void clean(Words* r) {
  if constexpr (N == 1) {
    r[0] = clean_lanes(r[0]);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < N / 2; ++i) exchange(r[i], r[i + N / 2]);
    clean<N / 2>(r);
    clean<N / 2>(r + N / 2);
  }
}
// Two ascending halves of N vectors become one.
template <int N>
RL_INLINE void merge(Words* r) {
  Words low[N / 2], high[N / 2];
#pragma GCC unroll 16
  for (int i = 0; i < N / 2; ++i) {
    low[i] = r[i];
    high[i] = reverse_lanes(r[N - 1 - i]);
    exchange(low[i], high[i]);
  }
  clean<N / 2>(low);
  clean<N / 2>(high);
#pragma GCC unroll 16
  for (int i = 0; i < N / 2; ++i) {
    r[i] = low[i];
    r[i + N / 2] = high[i];
  }
}

// Sorts n <= 8 * K words, K = 8 or 16: columns, then the rows that they become, then merges.
template <int K, class SortColumns>
RL_INLINE void sort_block(uint64_t* a, int64_t n, SortColumns sort_columns) {
  Words r[16];
#pragma GCC unroll 16
  for (int i = 0; i < K; ++i) {
    const int64_t m = n - 8 * i;
    const __mmask8 mask = m >= 8 ? 0xff : m <= 0 ? 0 : static_cast<__mmask8>((1 << m) - 1);
    r[i] = words(_mm512_mask_loadu_epi64(_mm512_set1_epi64(-1), mask, a + 8 * i));
  }
  sort_columns(r);
  transpose_8(r);
  if constexpr (K == 16) {
    // Vector i holds the first half of row i, vector i + 8 the second.
    transpose_8(r + 8);
    Words q[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      q[2 * i] = r[i];
      q[2 * i + 1] = r[i + 8];
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = q[i];
  }
  constexpr int kRow = K / 8;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) merge<2 * kRow>(r + 2 * kRow * i);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) merge<4 * kRow>(r + 4 * kRow * i);
  merge<8 * kRow>(r);
#pragma GCC unroll 16
  for (int i = 0; i < K; ++i) {
    const int64_t m = n - 8 * i;
    const __mmask8 mask = m >= 8 ? 0xff : m <= 0 ? 0 : static_cast<__mmask8>((1 << m) - 1);
    _mm512_mask_storeu_epi64(a + 8 * i, mask, raw(r[i]));
  }
}

// Words below the pivot come first; returns their number. `room` takes n words: stores never pass what was read.
inline int64_t partition(uint64_t* a, int64_t n, uint64_t pivot, uint64_t* room) {
  const __m512i p = _mm512_set1_epi64(static_cast<int64_t>(pivot));
  int64_t below = 0, above = 0, i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m512i v = _mm512_loadu_si512(a + i);
    const __mmask8 less = _mm512_cmplt_epu64_mask(v, p);
    const int count = __builtin_popcount(less);
    _mm512_storeu_si512(a + below, _mm512_maskz_compress_epi64(less, v));
    _mm512_storeu_si512(room + above, _mm512_maskz_compress_epi64(static_cast<__mmask8>(~less), v));
    below += count;
    above += 8 - count;
  }
  for (; i < n; ++i) {
    const uint64_t v = a[i];
    if (v < pivot)
      a[below++] = v;
    else
      room[above++] = v;
  }
  __builtin_memcpy(a + below, room, static_cast<size_t>(above) * 8);
  return below;
}

// A value near the middle of distinct words; never the smallest one.
inline uint64_t choose_pivot(const uint64_t* a, int64_t n) {
  uint64_t sample[15];
  const int count = n < 2048 ? 7 : 15;
  for (int i = 0; i < count; ++i) {
    const uint64_t v = a[n / count * i + (n / count) / 2];
    int j = i;
    for (; j > 0 && sample[j - 1] > v; --j) sample[j] = sample[j - 1];
    sample[j] = v;
  }
  return sample[count / 2];
}

// Sorts distinct words. False where the pivots were bad too often; the words are in some other order then. `room`: n
// words. sort_8 and sort_16 sort the columns of as many vectors.
template <class Sort8, class Sort16>
bool quick_sort(uint64_t* a, int64_t n, uint64_t* room, int depth, Sort8 sort_8, Sort16 sort_16) {
  while (n > 128) {
    if (depth-- == 0) return false;
    const int64_t below = partition(a, n, choose_pivot(a, n), room);
    if (!quick_sort(a, below, room, depth, sort_8, sort_16)) return false;
    a += below;
    n -= below;
  }
  if (n > 64)
    sort_block<16>(a, n, sort_16);
  else if (n > 1)
    sort_block<8>(a, n, sort_8);
  return true;
}

}  // namespace
}  // namespace rushlight::cpu::RL_ISA

#endif
