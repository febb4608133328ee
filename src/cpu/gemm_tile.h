// The register tile of the matrix kernels, on GCC's vector extension. Included by gemm_kernels.cpp only, once per
// instruction set; everything lives in a namespace of that set's name so that no symbol is shared between them.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#ifndef RL_ISA
#define RL_ISA generic
#endif

#define RL_INLINE [[gnu::always_inline]] inline

namespace rushlight::cpu::RL_ISA {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64, kFloatRows = 12;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32, kFloatRows = 6;
#elif defined(__aarch64__)
inline constexpr int kVectorBytes = 16, kFloatRows = 8;
#else
inline constexpr int kVectorBytes = 16, kFloatRows = 4;
#endif
inline constexpr int kTileVectors = 2;  // vectors per row of a tile

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vec = typename VectorOf<T>::type;
template <class T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

// Products of 16-bit numbers would overflow the int that they are promoted to.
template <class T>
RL_INLINE T multiply(T a, T b) {
  if constexpr (sizeof(T) == 2)
    return static_cast<T>(static_cast<uint32_t>(a) * b);
  else
    return static_cast<T>(a * b);
}

// Arithmetic of a product: how a lane accumulates and how results are scaled.
template <class Element>
struct Arithmetic {
  using T = Element;
  using V = Vec<T>;
  static constexpr int kRows = static_cast<T>(0.5) != 0 ? kFloatRows : 4;
  RL_INLINE static V madd(V sum, T a, V b) { return sum + a * b; }
  template <class X>
  RL_INLINE static X scale(T alpha, X x) {
    return static_cast<X>(alpha * x);
  }
  template <class X>
  RL_INLINE static X add(X x, X y) {
    return static_cast<X>(x + y);
  }
};
struct Logical {
  using T = uint8_t;
  using V = Vec<T>;
  static constexpr int kRows = 4;
  RL_INLINE static V madd(V sum, T a, V b) { return sum | (a & b); }
  template <class X>
  RL_INLINE static X scale(T alpha, X x) {
    return static_cast<X>(alpha & x);
  }
  template <class X>
  RL_INLINE static X add(X x, X y) {
    return static_cast<X>(x | y);
  }
};

template <class T>
RL_INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
RL_INLINE void store(T* p, Vec<T> v) {
  std::memcpy(p, &v, sizeof v);
}

// Whether part of a vector can be read without touching what lies behind it, at no more than a full read's cost.
#if defined(__AVX512BW__)
template <class T>
inline constexpr bool kPartialLoads = true;
#elif defined(__AVX2__)
template <class T>
inline constexpr bool kPartialLoads = sizeof(T) >= 4;
#else
template <class T>
inline constexpr bool kPartialLoads = false;
#endif

// The first `count` lanes (1 <= count <= lanes), zeros in the others.
template <class T>
RL_INLINE Vec<T> load_part(const T* p, int count) {
#if defined(__AVX512BW__)
  const uint64_t mask = ~uint64_t{0} >> (64 - count);
  if constexpr (sizeof(T) == 8) return (Vec<T>)_mm512_maskz_loadu_epi64(static_cast<__mmask8>(mask), p);
  if constexpr (sizeof(T) == 4) return (Vec<T>)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(mask), p);
  if constexpr (sizeof(T) == 2) return (Vec<T>)_mm512_maskz_loadu_epi16(static_cast<__mmask32>(mask), p);
  if constexpr (sizeof(T) == 1) return (Vec<T>)_mm512_maskz_loadu_epi8(static_cast<__mmask64>(mask), p);
#else
#if defined(__AVX2__)
  if constexpr (sizeof(T) >= 4) {
    const __m256i limit = sizeof(T) == 8 ? _mm256_set1_epi64x(count) : _mm256_set1_epi32(count);
    if constexpr (sizeof(T) == 8) {
      const __m256i mask = _mm256_cmpgt_epi64(limit, _mm256_setr_epi64x(0, 1, 2, 3));
      return (Vec<T>)_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), mask);
    } else {
      const __m256i mask = _mm256_cmpgt_epi32(limit, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
      return (Vec<T>)_mm256_maskload_epi32(reinterpret_cast<const int*>(p), mask);
    }
  }
#endif
  Vec<T> v{};
  T lanes[kLanes<T>] = {};
  for (int i = 0; i < count; ++i) lanes[i] = p[i];
  std::memcpy(&v, lanes, sizeof v);
  return v;
#endif
}

// Out of line, so that the vector is passed in a register: a tile's sums would live in memory otherwise.
template <class T>
[[gnu::noinline]] void store_lanes(T* p, Vec<T> v, int count) {
  T lanes[kLanes<T>];
  std::memcpy(lanes, &v, sizeof v);
  for (int i = 0; i < count; ++i) p[i] = lanes[i];
}

template <class T>
RL_INLINE void store_part(T* p, Vec<T> v, int count) {
#if defined(__AVX512BW__)
  const uint64_t mask = ~uint64_t{0} >> (64 - count);
  if constexpr (sizeof(T) == 8) _mm512_mask_storeu_epi64(p, static_cast<__mmask8>(mask), (__m512i)v);
  if constexpr (sizeof(T) == 4) _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(mask), (__m512i)v);
  if constexpr (sizeof(T) == 2) _mm512_mask_storeu_epi16(p, static_cast<__mmask32>(mask), (__m512i)v);
  if constexpr (sizeof(T) == 1) _mm512_mask_storeu_epi8(p, static_cast<__mmask64>(mask), (__m512i)v);
#else
  if (count == kLanes<T>) return store(p, v);
  store_lanes(p, v, count);
#endif
}

// v + v rotated by half, by a quarter ...: every lane ends up with the whole sum.
template <int Width, class V, int... I>
RL_INLINE V add_rotated(V v, std::integer_sequence<int, I...> lanes) {
  v = v + __builtin_shufflevector(v, v, ((I + Width) % static_cast<int>(sizeof...(I)))...);
  if constexpr (Width > 1)
    return add_rotated<Width / 2>(v, lanes);
  else
    return v;
}
template <class T>
RL_INLINE T hsum(Vec<T> v) {
  return add_rotated<kLanes<T> / 2>(v, std::make_integer_sequence<int, kLanes<T>>())[0];
}

// What a tile needs beside its sizes. `last`: lanes of the last vector that exist (1 .. lanes).
template <class T>
struct Tile {
  int64_t k;
  const T* a;
  int64_t a_rs, a_cs;
  const T* b;
  int64_t b_rs;
  int last;
  T alpha, beta;
  T* c;
  int64_t c_rs;
};

// MR x (NV vectors) of C, the whole sum over k in registers. Padded: B's rows may be read up to a full vector.
template <class Op, int MR, int NV, bool Padded>
void tile(const Tile<typename Op::T>& t) {
  using T = typename Op::T;
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  const int last = t.last;
  V acc[MR][NV] = {};
  const char* b = reinterpret_cast<const char*>(t.b);
  const int64_t b_step = t.b_rs * static_cast<int64_t>(sizeof(T));
  // Three rows per base pointer: base, base + stride, base + 2 * stride are single address modes.
  const int64_t a_row = t.a_rs * static_cast<int64_t>(sizeof(T)), a_step = t.a_cs * static_cast<int64_t>(sizeof(T));
  constexpr int kBases = (MR + 2) / 3;
  const char* base[kBases];
#pragma GCC unroll 8
  for (int i = 0; i < kBases; ++i) base[i] = reinterpret_cast<const char*>(t.a) + 3 * i * a_row;
  if (t.beta != T(0)) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) __builtin_prefetch(t.c + i * t.c_rs, 1), __builtin_prefetch(t.c + i * t.c_rs + L, 1);
  }
  for (int64_t p = 0; p < t.k; ++p) {
    V bv[NV];
#pragma GCC unroll 8
    for (int j = 0; j < NV; ++j) {
      const T* at = reinterpret_cast<const T*>(b) + j * L;
      bv[j] = Padded || j + 1 < NV ? load(at) : load_part(at, last);
    }
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const T av = *reinterpret_cast<const T*>(base[i / 3] + (i % 3) * a_row);
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) acc[i][j] = Op::madd(acc[i][j], av, bv[j]);
    }
    b += b_step;
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) base[i] += a_step;
  }
  const T alpha = t.alpha, beta = t.beta;
  T* c = t.c;
  if (alpha != T(1)) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) acc[i][j] = Op::scale(alpha, acc[i][j]);
    }
  }
  if (beta != T(0)) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) {
        const T* at = c + i * t.c_rs + j * L;
        const V old = j + 1 < NV ? load(at) : load_part(at, last);
        acc[i][j] = Op::add(acc[i][j], Op::scale(beta, old));
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j + 1 < NV; ++j) store(c + j * L, acc[i][j]);
    store_part(c + (NV - 1) * L, acc[i][NV - 1], last);
    c += t.c_rs;
  }
}

}  // namespace rushlight::cpu::RL_ISA
