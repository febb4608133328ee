// Copies, conversions between all dtypes and selection, compiled once per instruction set.
#include <type_traits>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#include "cpu/boolean.h"
#include "cpu/loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

struct Bytes16 {
  uint64_t low, high;
};
template <class T>
inline constexpr bool kIsHalf = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;

template <class To, class From>
RL_INLINE To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (kIsComplex<To>) {
    using R = decltype(To().re);
    if constexpr (kIsComplex<From>)
      return {convert<R>(x.re), convert<R>(x.im)};
    else
      return {convert<R>(x), convert<R>(0.0f)};
  } else if constexpr (kIsComplex<From>) {
    if constexpr (std::is_same_v<To, Boolean>)
      return bool(convert<Boolean>(x.re)) | bool(convert<Boolean>(x.im));
    else
      return convert<To>(x.re);
  } else if constexpr (kIsHalf<From>) {
    return convert<To>(From::to_float(x.bits));
  } else if constexpr (kIsHalf<To>) {
    To h;
    h.bits = To::from_float(static_cast<float>(x));
    return h;
  } else if constexpr (std::is_same_v<To, Boolean>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && sizeof(To) < 4) {
    // Through int32, so that values out of range wrap instead of being undefined.
    return static_cast<To>(static_cast<int32_t>(x));
  } else if constexpr (std::is_floating_point_v<From> && std::is_same_v<To, uint32_t>) {
    return static_cast<To>(static_cast<int64_t>(x));
  } else if constexpr (std::is_floating_point_v<From> && std::is_same_v<To, uint64_t>) {
    // Negative numbers wrap; the upper half of the range goes through the lower one.
    constexpr From kHalf = From(9223372036854775808.0);
    const bool high = x >= kHalf;
    return static_cast<To>(static_cast<int64_t>(high ? x - kHalf : x)) ^ (static_cast<To>(high) << 63);
  } else {
    return static_cast<To>(x);
  }
}

#if defined(__F16C__)
// float16 by the processor's own instructions.
RL_INLINE void widen(float* out, const float16* in, int64_t n) {
  int64_t i = 0;
#if RL_AVX512
  for (; i + 16 <= n; i += 16)
    _mm512_storeu_ps(out + i, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i))));
#endif
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
  if (i == n) return;
  uint16_t rest[8] = {};
  float wide[8];
  __builtin_memcpy(rest, in + i, static_cast<size_t>(n - i) * sizeof(uint16_t));
  _mm256_storeu_ps(wide, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(rest))));
  __builtin_memcpy(out + i, wide, static_cast<size_t>(n - i) * sizeof(float));
}
RL_INLINE void narrow(float16* out, const float* in, int64_t n) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  int64_t i = 0;
#if RL_AVX512
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm512_cvtps_ph(_mm512_loadu_ps(in + i), kNearest));
#endif
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(in + i), kNearest));
  if (i == n) return;
  float rest[8] = {};
  uint16_t half[8];
  __builtin_memcpy(rest, in + i, static_cast<size_t>(n - i) * sizeof(float));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(half), _mm256_cvtps_ph(_mm256_loadu_ps(rest), kNearest));
  __builtin_memcpy(out + i, half, static_cast<size_t>(n - i) * sizeof(uint16_t));
}
#endif

template <class T>
void fill(char* out, int64_t stride, int64_t n, T value) {
  if (stride == sizeof(T))
    for (int64_t i = 0; i < n; ++i) reinterpret_cast<T*>(out)[i] = value;
  else
    for (int64_t i = 0; i < n; ++i) at<T>(out, i * stride) = value;
}

// Bytes become numbers of 32 bits by one instruction per vector; the compiler goes through 16 bits.
#if RL_AVX512
template <class To, class From>
RL_INLINE void widen_bytes(To* out, const From* in, int64_t n) {
  auto store = [&](int64_t i, __m128i bytes, __mmask16 mask) __attribute__((always_inline)) {
    if constexpr (std::is_same_v<From, Boolean>) bytes = _mm_min_epu8(bytes, _mm_set1_epi8(1));
    const __m512i wide =
        std::is_signed_v<From> ? _mm512_maskz_cvtepi8_epi32(0xffff, bytes) : _mm512_maskz_cvtepu8_epi32(0xffff, bytes);
    if constexpr (std::is_same_v<To, float>)
      _mm512_mask_storeu_ps(out + i, mask, _mm512_maskz_cvtepi32_ps(0xffff, wide));
    else
      _mm512_mask_storeu_epi32(out + i, mask, wide);
  };
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(i, _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i)), 0xffff);
  if (i == n) return;
  const __mmask16 mask = static_cast<__mmask16>((1u << (n - i)) - 1);
  store(i, _mm_maskz_loadu_epi8(mask, in + i), mask);
}
#endif

// The conversions of bytes vectorise better than those of C++ bools.
template <class To>
RL_INLINE void bools_as_bytes(char* const* data, const int64_t* strides, int64_t n) {
  uint8_t units[kLoopBuffer];
  const int64_t steps[2] = {strides[0], 1};
  for (int64_t done = 0; done < n; done += kLoopBuffer) {
    const int64_t m = n - done < kLoopBuffer ? n - done : kLoopBuffer;
    const Boolean* const x = reinterpret_cast<const Boolean*>(data[1]) + done;
    for (int64_t i = 0; i < m; ++i) units[i] = x[i];
    char* const part[2] = {data[0] + done * strides[0], reinterpret_cast<char*>(units)};
    unary_loop<To, uint8_t>(part, steps, m,
                            [](uint8_t u) __attribute__((always_inline)) -> To { return convert<To>(u); });
  }
}

template <class To, class From>
void cast_loop(char* const* data, const int64_t* strides, int64_t n, const void*) {
  if (strides[1] == 0) return fill<To>(data[0], strides[0], n, convert<To>(at<From>(data[1], 0)));
#if RL_AVX512
  if constexpr (sizeof(From) == 1 && (std::is_same_v<To, float> || std::is_same_v<To, int32_t>))
    if (strides[0] == sizeof(To) && strides[1] == 1)
      return widen_bytes(reinterpret_cast<To*>(data[0]), reinterpret_cast<const From*>(data[1]), n);
#endif
#if defined(__F16C__)
  if (strides[0] == sizeof(To) && strides[1] == sizeof(From)) {
    if constexpr (std::is_same_v<To, float> && std::is_same_v<From, float16>)
      return widen(reinterpret_cast<To*>(data[0]), reinterpret_cast<const From*>(data[1]), n);
    if constexpr (std::is_same_v<To, float16> && std::is_same_v<From, float>)
      return narrow(reinterpret_cast<To*>(data[0]), reinterpret_cast<const From*>(data[1]), n);
  }
#endif
  if constexpr (std::is_same_v<From, Boolean> && sizeof(To) > 1)
    if (strides[1] == 1) return bools_as_bytes<To>(data, strides, n);
  unary_loop<To, From>(data, strides, n, [](From x) __attribute__((always_inline)) -> To { return convert<To>(x); });
}

template <class From>
void fill_casts_from(ElementwiseTable& t, DType from) {
  Loop* row = t.cast[static_cast<int>(from)];
  row[static_cast<int>(DType::Bool)] = cast_loop<Boolean, From>;
  row[static_cast<int>(DType::UInt8)] = cast_loop<uint8_t, From>;
  row[static_cast<int>(DType::Int8)] = cast_loop<int8_t, From>;
  row[static_cast<int>(DType::Int16)] = cast_loop<int16_t, From>;
  row[static_cast<int>(DType::Int32)] = cast_loop<int32_t, From>;
  row[static_cast<int>(DType::Int64)] = cast_loop<int64_t, From>;
  row[static_cast<int>(DType::Float16)] = cast_loop<float16, From>;
  row[static_cast<int>(DType::BFloat16)] = cast_loop<bfloat16, From>;
  row[static_cast<int>(DType::Float32)] = cast_loop<float, From>;
  row[static_cast<int>(DType::Float64)] = cast_loop<double, From>;
  row[static_cast<int>(DType::Complex64)] = cast_loop<Complex<float>, From>;
  row[static_cast<int>(DType::Complex128)] = cast_loop<Complex<double>, From>;
  row[static_cast<int>(DType::UInt16)] = cast_loop<uint16_t, From>;
  row[static_cast<int>(DType::UInt32)] = cast_loop<uint32_t, From>;
  row[static_cast<int>(DType::UInt64)] = cast_loop<uint64_t, From>;
  row[static_cast<int>(DType::Complex32)] = cast_loop<Complex<float16>, From>;
}

template <class T>
void copy_loop(char* const* data, const int64_t* strides, int64_t n, const void*) {
  if (strides[0] == sizeof(T) && strides[1] == sizeof(T)) {
    __builtin_memmove(data[0], data[1], static_cast<size_t>(n) * sizeof(T));
    return;
  }
  if (strides[0] == sizeof(T) && strides[1] == -static_cast<int64_t>(sizeof(T))) {
    T* out = reinterpret_cast<T*>(data[0]);
    const T* last = reinterpret_cast<const T*>(data[1]);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = last[-i];
    return;
  }
  if (strides[1] == 0) return fill<T>(data[0], strides[0], n, at<T>(data[1], 0));
  for (int64_t i = 0; i < n; ++i) at<T>(data[0], i * strides[0]) = at<T>(data[1], i * strides[1]);
}

// Whole cache lines are read into a tile and written from it: columns of large matrices share few cache sets.
template <class T>
void transpose(char* out, int64_t out_stride, const char* in, int64_t in_stride, int64_t rows, int64_t columns) {
  constexpr int64_t kTile = sizeof(T) == 16 ? 8 : sizeof(T) == 1 ? 32 : 16;
  T tile[kTile][kTile];
  for (int64_t c = 0; c < columns; c += kTile) {
    const int64_t width = columns - c < kTile ? columns - c : kTile;
    for (int64_t r = 0; r < rows; r += kTile) {
      const int64_t height = rows - r < kTile ? rows - r : kTile;
      const char* from = in + c * in_stride + r * static_cast<int64_t>(sizeof(T));
      char* to = out + r * out_stride + c * static_cast<int64_t>(sizeof(T));
      if (width == kTile && height == kTile) {
        for (int64_t i = 0; i < kTile; ++i) __builtin_memcpy(tile[i], from + i * in_stride, sizeof tile[i]);
        for (int64_t j = 0; j < kTile; ++j) {
          T* row = reinterpret_cast<T*>(to + j * out_stride);
          for (int64_t i = 0; i < kTile; ++i) row[i] = tile[i][j];
        }
      } else {
        for (int64_t j = 0; j < height; ++j)
          for (int64_t i = 0; i < width; ++i)
            reinterpret_cast<T*>(to + j * out_stride)[i] = reinterpret_cast<const T*>(from + i * in_stride)[j];
      }
    }
  }
}

void stream(char* to, const char* from, int64_t nbytes) {
#if defined(__AVX512F__)
  for (int64_t i = 0; i < nbytes; i += 64)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_loadu_si512(from + i));
  _mm_sfence();
#elif defined(__AVX__)
  for (int64_t i = 0; i < nbytes; i += 32)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
  _mm_sfence();
#else
  __builtin_memcpy(to, from, static_cast<size_t>(nbytes));
#endif
}

template <class T>
void where_loop(char* const* data, const int64_t* strides, int64_t n, const void*) {
  const int64_t so = strides[0], sc = strides[1], sa = strides[2], sb = strides[3];
  if (so == sizeof(T) && sc == 1 && (sa == sizeof(T) || sa == 0) && (sb == sizeof(T) || sb == 0)) {
    T* o = reinterpret_cast<T*>(data[0]);
    const uint8_t* c = reinterpret_cast<const uint8_t*>(data[1]);
    const T* a = reinterpret_cast<const T*>(data[2]);
    const T* b = reinterpret_cast<const T*>(data[3]);
    if (sa && sb) {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) {
        const T x = a[i], y = b[i];
        o[i] = c[i] ? x : y;
      }
    } else if (sa) {
      const T y = *b;
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) {
        const T x = a[i];
        o[i] = c[i] ? x : y;
      }
    } else {
      const T x = *a;
      for (int64_t i = 0; i < n; ++i) {
        const T y = sb ? b[i] : *b;
        o[i] = c[i] ? x : y;
      }
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    at<T>(data[0], i * so) = at<uint8_t>(data[1], i * sc) ? at<T>(data[2], i * sa) : at<T>(data[3], i * sb);
}

}  // namespace

void fill_copy(ElementwiseTable& t) {
  fill_casts_from<Boolean>(t, DType::Bool);
  fill_casts_from<uint8_t>(t, DType::UInt8);
  fill_casts_from<int8_t>(t, DType::Int8);
  fill_casts_from<int16_t>(t, DType::Int16);
  fill_casts_from<int32_t>(t, DType::Int32);
  fill_casts_from<int64_t>(t, DType::Int64);
  fill_casts_from<float16>(t, DType::Float16);
  fill_casts_from<bfloat16>(t, DType::BFloat16);
  fill_casts_from<float>(t, DType::Float32);
  fill_casts_from<double>(t, DType::Float64);
  fill_casts_from<Complex<float>>(t, DType::Complex64);
  fill_casts_from<Complex<double>>(t, DType::Complex128);
  fill_casts_from<uint16_t>(t, DType::UInt16);
  fill_casts_from<uint32_t>(t, DType::UInt32);
  fill_casts_from<uint64_t>(t, DType::UInt64);
  fill_casts_from<Complex<float16>>(t, DType::Complex32);
  t.copy[0] = copy_loop<uint8_t>;
  t.copy[1] = copy_loop<uint16_t>;
  t.copy[2] = copy_loop<uint32_t>;
  t.copy[3] = copy_loop<uint64_t>;
  t.copy[4] = copy_loop<Bytes16>;
  t.transpose[0] = transpose<uint8_t>;
  t.transpose[1] = transpose<uint16_t>;
  t.transpose[2] = transpose<uint32_t>;
  t.transpose[3] = transpose<uint64_t>;
  t.transpose[4] = transpose<Bytes16>;
  t.stream = stream;
  t.where[0] = where_loop<uint8_t>;
  t.where[1] = where_loop<uint16_t>;
  t.where[2] = where_loop<uint32_t>;
  t.where[3] = where_loop<uint64_t>;
  t.where[4] = where_loop<Bytes16>;
}

}  // namespace rushlight::cpu::RL_ISA
