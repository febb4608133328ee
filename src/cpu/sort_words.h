// Sorting networks on vectors and the ways to sort the words of one row, for the sort kernels of one instruction set.
#pragma once

#include "cpu/sort.h"
#include "cpu/sort_quick.h"

namespace rushlight::cpu::RL_ISA {
namespace {

using Word = uint64_t;  // key above position

// ---- networks on vectors: every lane for itself

#if RL_AVX512
typedef int64_t Lanes __attribute__((vector_size(8 * kSortLanes)));

RL_INLINE void exchange(Lanes& a, Lanes& b) {
  // (The forms without a mask make the compiler warn of their undefined operand.)
  const __m512i x = reinterpret_cast<__m512i>(a), y = reinterpret_cast<__m512i>(b);
  a = reinterpret_cast<Lanes>(_mm512_mask_min_epi64(x, 0xff, x, y));
  b = reinterpret_cast<Lanes>(_mm512_mask_max_epi64(x, 0xff, x, y));
}
#else
// Vectors of the native size: the compiler takes larger ones apart into numbers.
struct alignas(64) Lanes {
  static constexpr int kParts = 8 * kSortLanes / RL_VECTOR_BYTES;
  typename NativeVec<int64_t>::type part[kParts];
};

RL_INLINE void exchange(Lanes& a, Lanes& b) {
  for (int i = 0; i < Lanes::kParts; ++i) {
    const auto x = a.part[i], y = b.part[i];
    const auto less = x < y;
    a.part[i] = less ? x : y;
    b.part[i] = less ? y : x;
  }
}
#endif

// Batcher's odd-even merge sort of N.
struct Network {
  int count = 0;
  uint8_t a[64] = {}, b[64] = {};
};
constexpr Network make_network(int n) {
  Network net;
  for (int p = 1; p < n; p *= 2)
    for (int k = p; k >= 1; k /= 2)
      for (int j = k % p; j + k < n; j += 2 * k)
        for (int i = 0; i < k && i + j + k < n; ++i)
          if ((i + j) / (2 * p) == (i + j + k) / (2 * p)) {
            net.a[net.count] = static_cast<uint8_t>(i + j);
            net.b[net.count++] = static_cast<uint8_t>(i + j + k);
          }
  return net;
}
template <int N>
constexpr Network kNetwork = make_network(N);
static_assert(kNetwork<16>.count == 63 && kNetwork<8>.count == 19);

// X::exchange() orders two vectors, lane by lane.
template <int N, class X, int I = 0, class V>
RL_INLINE void run_network(V* r) {
  if constexpr (I < kNetwork<N>.count) {
    X::exchange(r[kNetwork<N>.a[I]], r[kNetwork<N>.b[I]]);
    run_network<N, X, I + 1>(r);
  }
}
struct OfLanes {
  static RL_INLINE void exchange(Lanes& a, Lanes& b) { rushlight::cpu::RL_ISA::exchange(a, b); }
};

// ---- words of one row

RL_INLINE void insertion_sort(Word* a, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    const Word v = a[i];
    int64_t j = i;
    for (; j > 0 && a[j - 1] > v; --j) a[j] = a[j - 1];
    a[j] = v;
  }
}

// Runs of 16, then merges without branches. The result lies in the returned one of a, b.
Word* merge_sort(Word* a, Word* b, int64_t n) {
  constexpr int64_t kRun = 16;
  for (int64_t i = 0; i < n; i += kRun) insertion_sort(a + i, n - i < kRun ? n - i : kRun);
  for (int64_t run = kRun; run < n; run *= 2) {
    for (int64_t i = 0; i < n; i += 2 * run) {
      const int64_t middle = i + run < n ? i + run : n, end = i + 2 * run < n ? i + 2 * run : n;
      int64_t p = i, q = middle, o = i;
      while (p < middle && q < end) {
        const Word x = a[p], y = a[q];
        const bool second = y < x;
        b[o++] = second ? y : x;
        q += second;
        p += !second;
      }
      while (p < middle) b[o++] = a[p++];
      while (q < end) b[o++] = a[q++];
    }
    Word* t = a;
    a = b;
    b = t;
  }
  return a;
}

template <int Passes, int Width, class W>
W* radix_sort(W* a, W* b, int64_t n, int shift) {
  constexpr int64_t kBins = int64_t{1} << Width;
  uint32_t count[Passes][kBins];
  __builtin_memset(count, 0, sizeof(count));
  for (int64_t i = 0; i < n; ++i)
    for (int p = 0; p < Passes; ++p) ++count[p][a[i] >> (shift + p * Width) & (kBins - 1)];
  for (int p = 0; p < Passes; ++p) {
    const int at = shift + p * Width;
    uint32_t* const c = count[p];
    if (c[a[0] >> at & (kBins - 1)] == static_cast<uint64_t>(n)) continue;
    uint32_t before = 0;
    for (int64_t d = 0; d < kBins; ++d) {
      const uint32_t here = c[d];
      c[d] = before;
      before += here;
    }
    for (int64_t i = 0; i < n; ++i) {
      const W v = a[i];
      b[c[v >> at & (kBins - 1)]++] = v;
    }
    W* t = a;
    a = b;
    b = t;
  }
  return a;
}

RL_INLINE int width_of(uint64_t x) { return x ? 64 - __builtin_clzll(x) : 0; }

#if RL_AVX512
// The result lies in a; b is room.
template <class W>
void sort_quickly(W* a, W* b, int64_t n) {
  const auto sort_8 = [](auto* r) __attribute__((always_inline)) { run_network<8, WordVec<W>>(r); };
  const auto sort_16 = [](auto* r) __attribute__((always_inline)) { run_network<16, WordVec<W>>(r); };
  quick_sort<false>(a, b, n, 2 * width_of(static_cast<uint64_t>(n)), sort_8, sort_16);
}
#endif

// Sorts words whose keys have `bits` bits above bit 32. The result lies in the returned one of a, b.
Word* sort_words(Word* a, Word* b, int64_t n, int bits) {
  if (n <= 24) {
    insertion_sort(a, n);
    return a;
  }
  if (bits == 0) return a;
#if RL_AVX512
  // Where partitions are worth more than passes: measured.
  if (n < 512 || (bits > 8 && n < 2048) || (bits > 22 && (n < 16384 || n > 400000))) {
    sort_quickly(a, b, n);
    return a;
  }
#endif
  if (n <= 128) return merge_sort(a, b, n);
  if (bits <= 8) return radix_sort<1, 8>(a, b, n, 32);
  if (bits <= 11 && n >= 2048) return radix_sort<1, 11>(a, b, n, 32);
  if (bits <= 16) return radix_sort<2, 8>(a, b, n, 32);
  if (n < 4096) return bits <= 24 ? radix_sort<3, 8>(a, b, n, 32) : radix_sort<4, 8>(a, b, n, 32);
  if (bits <= 22) return radix_sort<2, 11>(a, b, n, 32);
  return radix_sort<3, 11>(a, b, n, 32);
}

// Sorts words of `bits` bits. The result lies in the returned one of a, b.
uint32_t* sort_words_32(uint32_t* a, uint32_t* b, int64_t n, int bits) {
  if (bits == 0) return a;
#if RL_AVX512
  // Where partitions are worth more than passes: measured.
  if ((bits > 8 && n < 2048) || bits > 22 || (bits > 11 && n < 65536)) {
    sort_quickly(a, b, n);
    return a;
  }
#endif
  if (bits <= 8) return radix_sort<1, 8>(a, b, n, 0);
  if (bits <= 11) return radix_sort<1, 11>(a, b, n, 0);
  if (bits <= 16) return radix_sort<2, 8>(a, b, n, 0);
  if (bits <= 22) return radix_sort<2, 11>(a, b, n, 0);
  return n < 4096 ? radix_sort<4, 8>(a, b, n, 0) : radix_sort<3, 11>(a, b, n, 0);
}

}  // namespace
}  // namespace rushlight::cpu::RL_ISA
