// Quotients and remainders of integers through float64, whose divisions are vector instructions.
#pragma once

#include <type_traits>

#include "cpu/loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

#if RL_AVX512

// Numbers below 2^52 divide to within less than their distance from the next integer, so that rounding down is exact.
template <class F, bool Floor, bool Rest, class T>
void divide_integers(char* const* data, const int64_t* strides, int64_t n, Loop other) {
  constexpr int64_t kItem = sizeof(T);
  if (strides[0] != kItem || (strides[1] != kItem && strides[1]) || (strides[2] != kItem && strides[2]))
    return other(data, strides, n, nullptr);
  T* const out = reinterpret_cast<T*>(data[0]);
  const T* const a = reinterpret_cast<const T*>(data[1]);
  const T* const b = reinterpret_cast<const T*>(data[2]);
  const int64_t step_a = strides[1] / kItem, step_b = strides[2] / kItem;
  for (int64_t i = 0; i < n; i += 8) {
    const __mmask8 mask = n - i >= 8 ? 0xff : static_cast<__mmask8>((1u << (n - i)) - 1);
    const T *const p = a + i * step_a, *const q = b + i * step_b;
    __m512d x, y;
    bool fits;
    const __m512i ones = _mm512_set1_epi64(1), zeros = _mm512_setzero_si512();
    if constexpr (kItem == 8) {
      const __m512i u = step_a ? _mm512_maskz_loadu_epi64(mask, p) : _mm512_set1_epi64(*p);
      const __m512i v = step_b ? _mm512_mask_loadu_epi64(ones, mask, q) : _mm512_set1_epi64(*q);
      const __m512i half = _mm512_set1_epi64(int64_t{1} << 52), range = _mm512_set1_epi64(int64_t{1} << 53);
      fits = (_mm512_cmplt_epu64_mask(_mm512_add_epi64(u, half), range) &
              _mm512_cmplt_epu64_mask(_mm512_add_epi64(v, half), range) & _mm512_cmpneq_epi64_mask(v, zeros)) == 0xff;
      x = _mm512_maskz_cvtepi64_pd(0xff, u);
      y = _mm512_maskz_cvtepi64_pd(0xff, v);
    } else {
      const __m256i u = step_a ? _mm256_maskz_loadu_epi32(mask, p) : _mm256_set1_epi32(*p);
      const __m256i v = step_b ? _mm256_mask_loadu_epi32(_mm256_set1_epi32(1), mask, q) : _mm256_set1_epi32(*q);
      fits = _mm256_cmpneq_epi32_mask(v, _mm256_setzero_si256()) == 0xff;
      x = _mm512_maskz_cvtepi32_pd(0xff, u);
      y = _mm512_maskz_cvtepi32_pd(0xff, v);
    }
    if (!fits) [[unlikely]] {
      char* const at[3] = {reinterpret_cast<char*>(out + i), const_cast<char*>(reinterpret_cast<const char*>(p)),
                           const_cast<char*>(reinterpret_cast<const char*>(q))};
      other(at, strides, n - i < 8 ? n - i : 8, nullptr);
      continue;
    }
    constexpr int kRound = (Floor ? _MM_FROUND_TO_NEG_INF : _MM_FROUND_TO_ZERO) | _MM_FROUND_NO_EXC;
    __m512d r = _mm512_maskz_roundscale_pd(0xff, _mm512_maskz_div_pd(0xff, x, y), kRound);
    if constexpr (Rest) r = _mm512_fnmadd_pd(r, y, x);
    if constexpr (kItem == 8)
      _mm512_mask_storeu_epi64(out + i, mask, _mm512_maskz_cvttpd_epi64(0xff, r));
    else  // -2^31 / -1 gives the bits that it wraps to
      _mm256_mask_storeu_epi32(out + i, mask, _mm512_maskz_cvttpd_epi32(0xff, r));
  }
}

#endif

}  // namespace
}  // namespace rushlight::cpu::RL_ISA
