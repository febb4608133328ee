// A vector register of numbers, on GCC/Clang vector extensions, compiled once per instruction set.
//
// The build gives RL_ISA (v2, v3, v4, neon, generic) beside the -march flags of that set. Everything lives in a
// namespace of that name, so that the linker never merges code of two instruction sets; for the same reason nothing
// here may call an inline function of the standard library.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#ifndef RL_ISA
#define RL_ISA generic
#endif

#ifndef RL_VECTOR_BYTES
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512BW__)
#define RL_VECTOR_BYTES 64
#elif defined(__AVX__)
#define RL_VECTOR_BYTES 32
#else
#define RL_VECTOR_BYTES 16
#endif
#endif

// 1 where a*b+c with one rounding is an instruction.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__aarch64__)
#define RL_HAS_FMA 1
#else
#define RL_HAS_FMA 0
#endif

#if RL_VECTOR_BYTES == 64
#define RL_AVX512 1
#else
#define RL_AVX512 0
#endif

#define RL_INLINE __attribute__((always_inline)) inline

#if defined(__has_builtin)
#if __has_builtin(__builtin_elementwise_floor) && __has_builtin(__builtin_elementwise_trunc)
#define RL_ELEMENTWISE 1
#endif
#endif
#ifndef RL_ELEMENTWISE
#define RL_ELEMENTWISE 0
#endif

namespace rushlight::cpu::RL_ISA {

template <int Bytes>
struct IntOfSize;
template <>
struct IntOfSize<4> {
  using type = int32_t;
  using unsigned_type = uint32_t;
  using float_type = float;
};
template <>
struct IntOfSize<8> {
  using type = int64_t;
  using unsigned_type = uint64_t;
  using float_type = double;
};
template <class T>
using IntOf = typename IntOfSize<sizeof(T)>::type;
template <class T>
using UIntOf = typename IntOfSize<sizeof(T)>::unsigned_type;
template <class T>
using FloatOf = typename IntOfSize<sizeof(T)>::float_type;

template <class T>
struct NativeVec {
  typedef T type __attribute__((vector_size(RL_VECTOR_BYTES)));
};

// Integer lanes are added and multiplied as unsigned ones, so that they wrap.
template <class T, bool Float = (T(0.5) != T(0))>
struct WrappingType {
  using type = T;
};
template <class T>
struct WrappingType<T, false> {
  using type = UIntOf<T>;
};

// What a comparison gives: all bits of a lane set or none. Masks of types of one width are the same type.
template <int Bytes>
struct MaskOfSize {
  using Native = typename NativeVec<typename IntOfSize<Bytes>::type>::type;
  Native v;

  friend RL_INLINE MaskOfSize operator&(MaskOfSize a, MaskOfSize b) { return {a.v & b.v}; }
  friend RL_INLINE MaskOfSize operator|(MaskOfSize a, MaskOfSize b) { return {a.v | b.v}; }
  friend RL_INLINE MaskOfSize operator^(MaskOfSize a, MaskOfSize b) { return {a.v ^ b.v}; }
  friend RL_INLINE MaskOfSize operator~(MaskOfSize a) { return {~a.v}; }
  RL_INLINE bool operator[](int lane) const { return v[lane] != 0; }
};
template <class T>
using Mask = MaskOfSize<sizeof(T)>;

// T: float, double, int32_t, int64_t (and their unsigned twins, for shifts and comparisons). A scalar converts
// implicitly to a vector of copies of it.
template <class T>
struct Vec {
  using value_type = T;
  using Native = typename NativeVec<T>::type;
  static constexpr int size = RL_VECTOR_BYTES / static_cast<int>(sizeof(T));

  using Bits = typename NativeVec<typename WrappingType<T>::type>::type;

  Native v;

  static RL_INLINE Bits bits(Vec a) { return (Bits)a.v; }
  static RL_INLINE Vec wrapping(Bits b) { return (Native)b; }

  Vec() = default;
  RL_INLINE Vec(Native native) : v(native) {}
  // s - 0, since 0 + s would lose the sign of -0.
  RL_INLINE Vec(T s) : v(s - Native{}) {}

  static RL_INLINE Vec load(const T* p) {
    Vec r;
    __builtin_memcpy(&r.v, p, sizeof(r.v));
    return r;
  }
  RL_INLINE void store(T* p) const { __builtin_memcpy(p, &v, sizeof(v)); }
  // The first n lanes (0 <= n <= size); the others are `fill`.
  static RL_INLINE Vec load_first(const T* p, int64_t n, T fill) {
    Vec r(fill);
#if RL_AVX512
    const uint32_t mask = (1u << n) - 1;
    if constexpr (sizeof(T) == 4)
      return reinterpret_cast<Native>(
          _mm512_mask_loadu_epi32(reinterpret_cast<__m512i>(r.v), static_cast<__mmask16>(mask), p));
    else
      return reinterpret_cast<Native>(
          _mm512_mask_loadu_epi64(reinterpret_cast<__m512i>(r.v), static_cast<__mmask8>(mask), p));
#else
    T buffer[size];
    r.store(buffer);
    __builtin_memcpy(buffer, p, static_cast<size_t>(n) * sizeof(T));
    return load(buffer);
#endif
  }
  RL_INLINE void store_first(T* p, int64_t n) const {
#if RL_AVX512
    const uint32_t mask = (1u << n) - 1;
    if constexpr (sizeof(T) == 4)
      _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(mask), reinterpret_cast<__m512i>(v));
    else
      _mm512_mask_storeu_epi64(p, static_cast<__mmask8>(mask), reinterpret_cast<__m512i>(v));
#else
    T buffer[size];
    store(buffer);
    __builtin_memcpy(p, buffer, static_cast<size_t>(n) * sizeof(T));
#endif
  }
  // 0, 1, 2, ...
  static RL_INLINE Vec iota() {
    Vec r;
    for (int i = 0; i < size; ++i) r.v[i] = static_cast<T>(i);
    return r;
  }

  RL_INLINE T operator[](int lane) const { return v[lane]; }
  RL_INLINE void set(int lane, T value) { v[lane] = value; }

  friend RL_INLINE Vec operator+(Vec a, Vec b) { return wrapping(bits(a) + bits(b)); }
  friend RL_INLINE Vec operator-(Vec a, Vec b) { return wrapping(bits(a) - bits(b)); }
  friend RL_INLINE Vec operator*(Vec a, Vec b) { return wrapping(bits(a) * bits(b)); }
  friend RL_INLINE Vec operator/(Vec a, Vec b) { return a.v / b.v; }
  friend RL_INLINE Vec operator-(Vec a) { return wrapping(-bits(a)); }
  RL_INLINE Vec& operator+=(Vec b) { return *this = *this + b; }
  RL_INLINE Vec& operator-=(Vec b) { return *this = *this - b; }
  RL_INLINE Vec& operator*=(Vec b) { return *this = *this * b; }
  RL_INLINE Vec& operator/=(Vec b) { return v /= b.v, *this; }

  // Integers only.
  friend RL_INLINE Vec operator&(Vec a, Vec b) { return a.v & b.v; }
  friend RL_INLINE Vec operator|(Vec a, Vec b) { return a.v | b.v; }
  friend RL_INLINE Vec operator^(Vec a, Vec b) { return a.v ^ b.v; }
  friend RL_INLINE Vec operator~(Vec a) { return ~a.v; }
  friend RL_INLINE Vec operator<<(Vec a, int n) { return a.v << n; }
  friend RL_INLINE Vec operator>>(Vec a, int n) { return a.v >> n; }

  friend RL_INLINE Mask<T> operator==(Vec a, Vec b) { return {a.v == b.v}; }
  friend RL_INLINE Mask<T> operator!=(Vec a, Vec b) { return {a.v != b.v}; }
  friend RL_INLINE Mask<T> operator<(Vec a, Vec b) { return {a.v < b.v}; }
  friend RL_INLINE Mask<T> operator<=(Vec a, Vec b) { return {a.v <= b.v}; }
  friend RL_INLINE Mask<T> operator>(Vec a, Vec b) { return {a.v > b.v}; }
  friend RL_INLINE Mask<T> operator>=(Vec a, Vec b) { return {a.v >= b.v}; }
};

// --- masks -----------------------------------------------------------------------------------------------------------

template <class T>
RL_INLINE Vec<T> select(Mask<T> m, Vec<T> a, Vec<T> b) {
  return m.v ? a.v : b.v;
}

template <int Bytes>
RL_INLINE bool any(MaskOfSize<Bytes> m) {
#if RL_AVX512
  if constexpr (Bytes == 4)
    return _mm512_movepi32_mask(reinterpret_cast<__m512i>(m.v)) != 0;
  else
    return _mm512_movepi64_mask(reinterpret_cast<__m512i>(m.v)) != 0;
#elif RL_VECTOR_BYTES == 32
  if constexpr (Bytes == 4)
    return _mm256_movemask_ps(reinterpret_cast<__m256>(m.v)) != 0;
  else
    return _mm256_movemask_pd(reinterpret_cast<__m256d>(m.v)) != 0;
#elif defined(__SSE2__)
  if constexpr (Bytes == 4)
    return _mm_movemask_ps(reinterpret_cast<__m128>(m.v)) != 0;
  else
    return _mm_movemask_pd(reinterpret_cast<__m128d>(m.v)) != 0;
#else
  uint64_t words[RL_VECTOR_BYTES / 8], bits = 0;
  __builtin_memcpy(words, &m.v, sizeof(words));
  for (uint64_t w : words) bits |= w;
  return bits != 0;
#endif
}

template <int Bytes>
RL_INLINE bool all(MaskOfSize<Bytes> m) {
  return !any(~m);
}

// --- bits ------------------------------------------------------------------------------------------------------------

// The same bits read as another element type of any width.
template <class To, class From>
RL_INLINE Vec<To> bit_cast(Vec<From> a) {
  return reinterpret_cast<typename Vec<To>::Native>(a.v);
}
template <class T>
RL_INLINE Vec<IntOf<T>> as_int(Vec<T> a) {
  return bit_cast<IntOf<T>>(a);
}
template <class I>
RL_INLINE Vec<FloatOf<I>> as_float(Vec<I> a) {
  return bit_cast<FloatOf<I>>(a);
}

// Float <-> integer of the same width; to an integer it truncates, and what does not fit is unspecified.
template <class To, class From>
RL_INLINE Vec<To> convert(Vec<From> a) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_convertvector(a.v, typename Vec<To>::Native);
}

template <class T>
inline constexpr IntOf<T> kSignBit = static_cast<IntOf<T>>(UIntOf<T>{1} << (8 * sizeof(T) - 1));

// Floats only: the sign bit is cleared, in NaN and -0 too.
template <class T>
RL_INLINE Vec<T> abs(Vec<T> a) {
  return as_float(as_int(a) & Vec<IntOf<T>>(static_cast<IntOf<T>>(~kSignBit<T>)));
}
// The sign bit alone.
template <class T>
RL_INLINE Vec<T> sign_of(Vec<T> a) {
  return as_float(as_int(a) & Vec<IntOf<T>>(kSignBit<T>));
}
// a with its sign flipped where `sign` has its sign bit set; the other bits of `sign` must be 0.
template <class T>
RL_INLINE Vec<T> flip_sign(Vec<T> a, Vec<T> sign) {
  return as_float(as_int(a) ^ as_int(sign));
}
template <class T>
RL_INLINE Vec<T> copysign(Vec<T> magnitude, Vec<T> sign) {
  return as_float((as_int(magnitude) & Vec<IntOf<T>>(static_cast<IntOf<T>>(~kSignBit<T>))) |
                  (as_int(sign) & Vec<IntOf<T>>(kSignBit<T>)));
}

// --- arithmetic ------------------------------------------------------------------------------------------------------

// b unless a is smaller / larger: where either is NaN the result is b. GCC does not always see the instruction in a
// comparison with a constant, hence the intrinsics.
template <class T>
RL_INLINE Vec<T> min(Vec<T> a, Vec<T> b) {
#if RL_AVX512
  if constexpr (__is_same(T, float))
    return reinterpret_cast<typename Vec<T>::Native>(_mm512_mask_min_ps(a.v, 0xffff, a.v, b.v));
  if constexpr (__is_same(T, double))
    return reinterpret_cast<typename Vec<T>::Native>(_mm512_mask_min_pd(a.v, 0xff, a.v, b.v));
#elif RL_VECTOR_BYTES == 32
  if constexpr (__is_same(T, float)) return reinterpret_cast<typename Vec<T>::Native>(_mm256_min_ps(a.v, b.v));
  if constexpr (__is_same(T, double)) return reinterpret_cast<typename Vec<T>::Native>(_mm256_min_pd(a.v, b.v));
#endif
  return a.v < b.v ? a.v : b.v;
}
template <class T>
RL_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
#if RL_AVX512
  if constexpr (__is_same(T, float))
    return reinterpret_cast<typename Vec<T>::Native>(_mm512_mask_max_ps(a.v, 0xffff, a.v, b.v));
  if constexpr (__is_same(T, double))
    return reinterpret_cast<typename Vec<T>::Native>(_mm512_mask_max_pd(a.v, 0xff, a.v, b.v));
#elif RL_VECTOR_BYTES == 32
  if constexpr (__is_same(T, float)) return reinterpret_cast<typename Vec<T>::Native>(_mm256_max_ps(a.v, b.v));
  if constexpr (__is_same(T, double)) return reinterpret_cast<typename Vec<T>::Native>(_mm256_max_pd(a.v, b.v));
#endif
  return a.v > b.v ? a.v : b.v;
}

// a*b+c, fused where that is an instruction and rounded twice elsewhere.
template <class T>
RL_INLINE Vec<T> mad(Vec<T> a, Vec<T> b, Vec<T> c) {
#if RL_HAS_FMA
  Vec<T> r;
  if constexpr (sizeof(T) == 4) {
#if RL_AVX512
    r.v = _mm512_fmadd_ps(a.v, b.v, c.v);
#elif defined(__FMA__) && RL_VECTOR_BYTES == 32
    r.v = _mm256_fmadd_ps(a.v, b.v, c.v);
#else
    for (int i = 0; i < Vec<T>::size; ++i) r.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
#endif
  } else {
#if RL_AVX512
    r.v = _mm512_fmadd_pd(a.v, b.v, c.v);
#elif defined(__FMA__) && RL_VECTOR_BYTES == 32
    r.v = _mm256_fmadd_pd(a.v, b.v, c.v);
#else
    for (int i = 0; i < Vec<T>::size; ++i) r.v[i] = __builtin_fma(a.v[i], b.v[i], c.v[i]);
#endif
  }
  return r;
#else
  return a.v * b.v + c.v;
#endif
}

#define RL_LANEWISE(name, f32, f64)                                \
  template <class T>                                               \
  RL_INLINE Vec<T> name(Vec<T> a) {                                \
    Vec<T> r;                                                      \
    if constexpr (sizeof(T) == 4) {                                \
      for (int i = 0; i < Vec<T>::size; ++i) r.v[i] = f32(a.v[i]); \
    } else {                                                       \
      for (int i = 0; i < Vec<T>::size; ++i) r.v[i] = f64(a.v[i]); \
    }                                                              \
    return r;                                                      \
  }
// The loops become one instruction on every x86 and Arm set with GCC; Clang is told by a builtin where it has one.
#if RL_ELEMENTWISE
template <class T>
RL_INLINE Vec<T> floor(Vec<T> a) {
  return __builtin_elementwise_floor(a.v);
}
template <class T>
RL_INLINE Vec<T> ceil(Vec<T> a) {
  return __builtin_elementwise_ceil(a.v);
}
template <class T>
RL_INLINE Vec<T> trunc(Vec<T> a) {
  return __builtin_elementwise_trunc(a.v);
}
#else
RL_LANEWISE(floor, __builtin_floorf, __builtin_floor)
RL_LANEWISE(ceil, __builtin_ceilf, __builtin_ceil)
RL_LANEWISE(trunc, __builtin_truncf, __builtin_trunc)
#endif
// To the nearest integer, ties to even.
RL_LANEWISE(round_even, __builtin_rintf, __builtin_rint)
RL_LANEWISE(sqrt, __builtin_sqrtf, __builtin_sqrt)
#undef RL_LANEWISE

// The exact error of a*b given p = a*b rounded, for |a|, |b|, |p| well inside the range.
template <class T>
RL_INLINE Vec<T> product_error(Vec<T> a, Vec<T> b, Vec<T> p) {
#if RL_HAS_FMA
  return mad(a, b, -p);
#else
  // Dekker: halves of at most half the digits have exact products.
  const IntOf<T> keep = sizeof(T) == 4 ? static_cast<IntOf<T>>(~0xfff) : static_cast<IntOf<T>>(~0x7ffffff);
  const Vec<T> ah = as_float(as_int(a) & Vec<IntOf<T>>(keep)), al = a - ah;
  const Vec<T> bh = as_float(as_int(b) & Vec<IntOf<T>>(keep)), bl = b - bh;
  return (((ah * bh - p) + ah * bl) + al * bh) + al * bl;
#endif
}

// a*b+c as if with one rounding. Without the instruction it is emulated to nearly that, for finite values well inside
// the range: use it where the low digits matter, mad elsewhere.
template <class T>
RL_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
#if RL_HAS_FMA
  return mad(a, b, c);
#else
  const Vec<T> p = a * b, e = product_error(a, b, p);
  const Vec<T> s = p + c, t = s - p;
  return s + (((p - (s - t)) + (c - t)) + e);
#endif
}

// A value as an unevaluated sum of two, |lo| <= ulp(hi)/2.
template <class T>
struct Pair {
  Vec<T> hi, lo;
};
// a+b exactly; |a| >= |b| or a == 0.
template <class T>
RL_INLINE Pair<T> fast_two_sum(Vec<T> a, Vec<T> b) {
  const Vec<T> s = a + b;
  return {s, b - (s - a)};
}
template <class T>
RL_INLINE Pair<T> two_sum(Vec<T> a, Vec<T> b) {
  const Vec<T> s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
template <class T>
RL_INLINE Pair<T> two_product(Vec<T> a, Vec<T> b) {
  const Vec<T> p = a * b;
  return {p, product_error(a, b, p)};
}

// table[index mod N] per lane; N a power of two.
template <int N, class T>
RL_INLINE Vec<T> lookup(const T* table, Vec<IntOf<T>> index) {
#if RL_AVX512
  if constexpr (sizeof(T) == 8 && N == 8) {
    return reinterpret_cast<typename Vec<T>::Native>(
        _mm512_permutexvar_pd(reinterpret_cast<__m512i>(index.v), _mm512_loadu_pd(table)));
  } else if constexpr (sizeof(T) == 8 && N == 16) {
    return reinterpret_cast<typename Vec<T>::Native>(
        _mm512_permutex2var_pd(_mm512_loadu_pd(table), reinterpret_cast<__m512i>(index.v), _mm512_loadu_pd(table + 8)));
  } else if constexpr (sizeof(T) == 4 && N == 16) {
    return reinterpret_cast<typename Vec<T>::Native>(
        _mm512_permutexvar_ps(reinterpret_cast<__m512i>(index.v), _mm512_loadu_ps(table)));
  } else if constexpr (sizeof(T) == 4 && N == 32) {
    return reinterpret_cast<typename Vec<T>::Native>(_mm512_permutex2var_ps(
        _mm512_loadu_ps(table), reinterpret_cast<__m512i>(index.v), _mm512_loadu_ps(table + 16)));
  }
#endif
  Vec<T> r;
  for (int i = 0; i < Vec<T>::size; ++i) r.v[i] = table[index.v[i] & (N - 1)];
  return r;
}

// --- float <-> double ------------------------------------------------------------------------------------------------

#if RL_VECTOR_BYTES == 64
#define RL_LOW_HALF 0, 1, 2, 3, 4, 5, 6, 7
#define RL_HIGH_HALF 8, 9, 10, 11, 12, 13, 14, 15
#elif RL_VECTOR_BYTES == 32
#define RL_LOW_HALF 0, 1, 2, 3
#define RL_HIGH_HALF 4, 5, 6, 7
#else
#define RL_LOW_HALF 0, 1
#define RL_HIGH_HALF 2, 3
#endif

typedef float FloatHalf __attribute__((vector_size(RL_VECTOR_BYTES / 2)));
typedef int32_t IntHalf __attribute__((vector_size(RL_VECTOR_BYTES / 2)));

// The intrinsics where GCC cuts a conversion in two.
RL_INLINE Vec<double> widen(FloatHalf a) {
#if RL_AVX512
  return reinterpret_cast<Vec<double>::Native>(_mm512_mask_cvtps_pd(_mm512_setzero_pd(), 0xff, a));
#elif RL_VECTOR_BYTES == 32
  return reinterpret_cast<Vec<double>::Native>(_mm256_cvtps_pd(a));
#else
  return __builtin_convertvector(a, Vec<double>::Native);
#endif
}
RL_INLINE Vec<int64_t> widen(IntHalf a) {
#if RL_AVX512
  return reinterpret_cast<Vec<int64_t>::Native>(
      _mm512_mask_cvtepi32_epi64(_mm512_setzero_si512(), 0xff, reinterpret_cast<__m256i>(a)));
#elif RL_VECTOR_BYTES == 32 && defined(__AVX2__)
  return reinterpret_cast<Vec<int64_t>::Native>(_mm256_cvtepi32_epi64(reinterpret_cast<__m128i>(a)));
#else
  return __builtin_convertvector(a, Vec<int64_t>::Native);
#endif
}
RL_INLINE FloatHalf narrow_half(Vec<double> a) {
#if RL_AVX512
  return reinterpret_cast<FloatHalf>(_mm512_mask_cvtpd_ps(_mm256_setzero_ps(), 0xff, a.v));
#elif RL_VECTOR_BYTES == 32
  return reinterpret_cast<FloatHalf>(_mm256_cvtpd_ps(a.v));
#else
  return __builtin_convertvector(a.v, FloatHalf);
#endif
}
RL_INLINE IntHalf narrow_half(Vec<int64_t> a) { return __builtin_convertvector(a.v, IntHalf); }

// The lanes of the lower or upper half in twice the width: float -> double, int32_t -> int64_t.
template <class To, class From>
RL_INLINE Vec<To> widen_low(Vec<From> a) {
  return widen(__builtin_shufflevector(a.v, a.v, RL_LOW_HALF));
}
template <class To, class From>
RL_INLINE Vec<To> widen_high(Vec<From> a) {
  return widen(__builtin_shufflevector(a.v, a.v, RL_HIGH_HALF));
}
// Doubles rounded to floats, or the low halves of 8-byte integers.
template <class To, class From>
RL_INLINE Vec<To> narrow(Vec<From> low, Vec<From> high) {
#if RL_AVX512
  if constexpr (__is_same(To, float))
    return reinterpret_cast<typename Vec<To>::Native>(
        _mm512_insertf32x8(_mm512_castps256_ps512(narrow_half(low)), narrow_half(high), 1));
  else
#endif
    return __builtin_shufflevector(narrow_half(low), narrow_half(high), RL_LOW_HALF, RL_HIGH_HALF);
}
#undef RL_LOW_HALF
#undef RL_HIGH_HALF

// --- drivers ---------------------------------------------------------------------------------------------------------

// out[i] = f(in[i]) over contiguous arrays; out == in is allowed, other overlap is not. The tail goes through the same
// vector code in a padded buffer, so the bits of a value do not depend on its position.
// One call of f in the code, so that the compiler inlines it and keeps its constants in registers.
template <class T, class F>
RL_INLINE void map(T* out, const T* in, int64_t n, F f) {
  constexpr int64_t step = Vec<T>::size;
  for (int64_t i = 0; i < n; i += step) {
    const int64_t rest = n - i;
    const bool full = rest >= step;
    const Vec<T> y = f(full ? Vec<T>::load(in + i) : Vec<T>::load_first(in + i, rest, T(1)));
    if (full)
      y.store(out + i);
    else
      y.store_first(out + i, rest);
  }
}

template <class T, class F>
RL_INLINE void map2(T* out, const T* a, const T* b, int64_t n, F f) {
  constexpr int64_t step = Vec<T>::size;
  for (int64_t i = 0; i < n; i += step) {
    const int64_t rest = n - i;
    const bool full = rest >= step;
    const Vec<T> x = full ? Vec<T>::load(a + i) : Vec<T>::load_first(a + i, rest, T(1));
    const Vec<T> y = f(x, full ? Vec<T>::load(b + i) : Vec<T>::load_first(b + i, rest, T(1)));
    if (full)
      y.store(out + i);
    else
      y.store_first(out + i, rest);
  }
}

}  // namespace rushlight::cpu::RL_ISA
