// Quicksort with 512-bit vectors: partitions by compressing stores between two buffers, and networks for what is left.
#pragma once

#include "cpu/sort_transpose.h"

#if RL_AVX512

namespace rushlight::cpu::RL_ISA {
namespace {

// W: uint32_t, uint64_t, float or double; the latter without NaN. (The forms of instructions without a mask make GCC
// warn of their undefined operand.)
template <class W>
struct WordVec {
  typedef W V __attribute__((vector_size(64)));
  static constexpr int kLanes = 64 / sizeof(W);
  static constexpr bool kFloat = __is_same(W, float) || __is_same(W, double);
  using M = std::conditional_t<sizeof(W) == 8, __mmask8, __mmask16>;
  static constexpr M kAll = static_cast<M>(-1);

  static RL_INLINE __m512i raw(V v) { return reinterpret_cast<__m512i>(v); }
  static RL_INLINE V of(__m512i v) { return reinterpret_cast<V>(v); }
  // The first n lanes.
  static RL_INLINE M first(int64_t n) {
    return n >= kLanes ? kAll : n <= 0 ? M(0) : static_cast<M>((uint32_t{1} << n) - 1);
  }
  static RL_INLINE W largest() {
    if constexpr (kFloat)
      return static_cast<W>(__builtin_inf());
    else
      return static_cast<W>(-1);
  }
  static RL_INLINE V all(W x) { return x - V{}; }
  static RL_INLINE V load(const W* p, M mask) {
    if constexpr (sizeof(W) == 8)
      return of(_mm512_mask_loadu_epi64(raw(all(largest())), mask, p));
    else
      return of(_mm512_mask_loadu_epi32(raw(all(largest())), mask, p));
  }
  static RL_INLINE void store(W* p, M mask, V v) {
    if constexpr (sizeof(W) == 8)
      _mm512_mask_storeu_epi64(p, mask, raw(v));
    else
      _mm512_mask_storeu_epi32(p, mask, raw(v));
  }
  static RL_INLINE V least(V a, V b) {
    if constexpr (__is_same(W, double))
      return _mm512_mask_min_pd(a, kAll, a, b);
    else if constexpr (__is_same(W, float))
      return _mm512_mask_min_ps(a, kAll, a, b);
    else if constexpr (sizeof(W) == 8)
      return of(_mm512_mask_min_epu64(raw(a), kAll, raw(a), raw(b)));
    else
      return of(_mm512_mask_min_epu32(raw(a), kAll, raw(a), raw(b)));
  }
  // `low` where the mask is not set.
  static RL_INLINE V most(V low, M mask, V a, V b) {
    if constexpr (__is_same(W, double))
      return _mm512_mask_max_pd(low, mask, a, b);
    else if constexpr (__is_same(W, float))
      return _mm512_mask_max_ps(low, mask, a, b);
    else if constexpr (sizeof(W) == 8)
      return of(_mm512_mask_max_epu64(raw(low), mask, raw(a), raw(b)));
    else
      return of(_mm512_mask_max_epu32(raw(low), mask, raw(a), raw(b)));
  }
  template <bool OrEqual>
  static RL_INLINE M below(V v, V pivot) {
    if constexpr (__is_same(W, double))
      return _mm512_cmp_pd_mask(v, pivot, OrEqual ? _CMP_LE_OQ : _CMP_LT_OQ);
    else if constexpr (__is_same(W, float))
      return _mm512_cmp_ps_mask(v, pivot, OrEqual ? _CMP_LE_OQ : _CMP_LT_OQ);
    else if constexpr (sizeof(W) == 8)
      return OrEqual ? _mm512_cmple_epu64_mask(raw(v), raw(pivot)) : _mm512_cmplt_epu64_mask(raw(v), raw(pivot));
    else
      return OrEqual ? _mm512_cmple_epu32_mask(raw(v), raw(pivot)) : _mm512_cmplt_epu32_mask(raw(v), raw(pivot));
  }
  static RL_INLINE void compress(W* p, M mask, V v) {
    if constexpr (sizeof(W) == 8)
      _mm512_storeu_si512(p, _mm512_maskz_compress_epi64(mask, raw(v)));
    else
      _mm512_storeu_si512(p, _mm512_maskz_compress_epi32(mask, raw(v)));
  }
  static RL_INLINE void exchange(V& a, V& b) {
    const V low = least(a, b);
    b = most(a, kAll, a, b);
    a = low;
  }

  // The lanes of a bitonic vector in ascending order.
  static RL_INLINE V clean_lanes(V v) {
    V s;
    if constexpr (kLanes == 8) {
      s = __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
      v = most(least(v, s), 0xf0, v, s);
      s = __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
      v = most(least(v, s), 0xcc, v, s);
      s = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
      v = most(least(v, s), 0xaa, v, s);
    } else {
      s = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
      v = most(least(v, s), 0xff00, v, s);
      s = __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
      v = most(least(v, s), 0xf0f0, v, s);
      s = __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
      v = most(least(v, s), 0xcccc, v, s);
      s = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
      v = most(least(v, s), 0xaaaa, v, s);
    }
    return v;
  }
  static RL_INLINE V reverse(V v) {
    if constexpr (kLanes == 8)
      return __builtin_shufflevector(v, v, 7, 6, 5, 4, 3, 2, 1, 0);
    else
      return __builtin_shufflevector(v, v, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  }

  // N vectors that are one bitonic sequence become ascending.
  template <int N>
  static RL_INLINE void clean(V* r) {
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
  static RL_INLINE void merge(V* r) {
    V low[N / 2], high[N / 2];
#pragma GCC unroll 16
    for (int i = 0; i < N / 2; ++i) {
      low[i] = r[i];
      high[i] = reverse(r[N - 1 - i]);
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
};

// r[i][j] becomes r[j][i].
template <class V>
RL_INLINE void transpose_16(V* r) {
  V t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
    for (int j = i; j < i + 2; ++j) {
      r[j] = __builtin_shufflevector(t[j], t[j + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
      r[j + 2] = __builtin_shufflevector(t[j], t[j + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    }
#pragma GCC unroll 2
  for (int i = 0; i < 16; i += 8)
#pragma GCC unroll 4
    for (int j = i; j < i + 4; ++j) {
      t[j] = __builtin_shufflevector(r[j], r[j + 4], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
      t[j + 4] = __builtin_shufflevector(r[j], r[j + 4], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    }
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
    r[j] = __builtin_shufflevector(t[j], t[j + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    r[j + 8] = __builtin_shufflevector(t[j], t[j + 8], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
}

// Sorts n words, at most K vectors (8 or 16; 16 for words of 32 bits): columns, then the rows that they become, then
// merges. The result goes to `to`, which may be the same memory.
template <int K, class W, class SortColumns>
RL_INLINE void sort_block(W* to, const W* a, int64_t n, SortColumns sort_columns) {
  using X = WordVec<W>;
  using V = typename X::V;
  constexpr int kLanes = X::kLanes;
  V r[16];
#pragma GCC unroll 16
  for (int i = 0; i < K; ++i) r[i] = X::load(a + kLanes * i, X::first(n - kLanes * i));
  sort_columns(r);
  if constexpr (kLanes == 16) {
    transpose_16(r);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) X::template merge<2>(r + i);
  } else {
    transpose_8(r);
    if constexpr (K == 16) {
      // Vector i holds the first half of row i, vector i + 8 the second.
      transpose_8(r + 8);
      V q[16];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        q[2 * i] = r[i];
        q[2 * i + 1] = r[i + 8];
      }
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) r[i] = q[i];
    }
  }
  constexpr int kRow = K / 8;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) X::template merge<2 * kRow>(r + 2 * kRow * i);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) X::template merge<4 * kRow>(r + 4 * kRow * i);
  X::template merge<8 * kRow>(r);
#pragma GCC unroll 16
  for (int i = 0; i < K; ++i) X::store(to + kLanes * i, X::first(n - kLanes * i), r[i]);
}

// Words below the pivot go to `low`, the others to `high`; returns the number of the first. One of the two may be `a`,
// the other takes n words: stores never pass what was read.
template <bool OrEqual, class W>
RL_INLINE int64_t partition(const W* a, int64_t n, W pivot, W* low, W* high) {
  using X = WordVec<W>;
  using V = typename X::V;
  const V p = X::all(pivot);
  int64_t below = 0, i = 0;
#pragma GCC unroll 4
  for (; i + X::kLanes <= n; i += X::kLanes) {
    V v;
    __builtin_memcpy(&v, a + i, sizeof v);
    const auto mask = X::template below<OrEqual>(v, p);
    X::compress(low + below, mask, v);
    X::compress(high + (i - below), static_cast<typename X::M>(~mask), v);
    below += __builtin_popcount(mask);
  }
  for (; i < n; ++i) {
    const W v = a[i];
    if (OrEqual ? v <= pivot : v < pivot)
      low[below++] = v;
    else
      high[i - below] = v;
  }
  return below;
}

// A value near the middle of the words.
template <class W>
RL_INLINE W choose_pivot(const W* a, int64_t n) {
  W sample[15];
  const int count = n < 2048 ? 7 : 15;
  for (int i = 0; i < count; ++i) {
    const W v = a[n / count * i + (n / count) / 2];
    int j = i;
    for (; j > 0 && sample[j - 1] > v; --j) sample[j] = sample[j - 1];
    sample[j] = v;
  }
  return sample[count / 2];
}

// For words whose pivots were bad too often.
template <class W>
void heap_sort(W* a, int64_t n) {
  const auto sink = [a](int64_t i, int64_t end, W v) {
    for (int64_t child; (child = 2 * i + 1) < end; i = child) {
      if (child + 1 < end && a[child] < a[child + 1]) ++child;
      if (!(v < a[child])) break;
      a[i] = a[child];
    }
    a[i] = v;
  };
  for (int64_t i = n / 2; i-- > 0;) sink(i, n, a[i]);
  for (int64_t end = n; end-- > 1;) {
    const W v = a[end];
    a[end] = a[0];
    sink(0, end, v);
  }
}

// Sorts the n words of a. The result goes to a, or to b where Across; the other one is room for n words. Columns(K)
// sorts the columns of K vectors.
template <bool Across, class W, class Sort8, class Sort16>
void quick_sort(W* a, W* b, int64_t n, int depth, Sort8 sort_8, Sort16 sort_16) {
  constexpr int64_t kBlock = sizeof(W) == 8 ? 128 : 256;
  W* const to = Across ? b : a;
  if (n <= kBlock) {
    if (sizeof(W) == 8 && n <= 64)
      sort_block<8>(to, a, n, sort_8);
    else
      sort_block<16>(to, a, n, sort_16);
    return;
  }
  if (depth == 0) {
    heap_sort(a, n);
    if (Across) __builtin_memcpy(b, a, static_cast<size_t>(n) * sizeof(W));
    return;
  }
  const W pivot = choose_pivot(a, n);
  W* const other = Across ? a : b;
  const int64_t below = partition<false>(a, n, pivot, to, other);
  if (below > 0) {
    quick_sort<false>(to, other + (n - below), below, depth - 1, sort_8, sort_16);
    quick_sort<true>(other, to + below, n - below, depth - 1, sort_8, sort_16);
    return;
  }
  // The pivot is the smallest word: all those equal to it go to their place. The words are in `other` now.
  const int64_t equal = partition<true>(other, n, pivot, to, other);
  if (equal < n) quick_sort<true>(other, to + equal, n - equal, depth - 1, sort_8, sort_16);
}

}  // namespace
}  // namespace rushlight::cpu::RL_ISA

#endif
