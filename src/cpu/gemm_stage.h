// Blocks of an operand copied, or converted to the type that products are computed in, and results on their way back.
// Included by gemm_kernels.cpp only, once per instruction set.
#pragma once

#include <cstdint>

#include "cpu/gemm_tile.h"
#include "rushlight/dtype.h"

namespace rushlight::cpu::RL_ISA {
namespace {

template <class S, class D, class Convert>
RL_INLINE void stage_rows(int64_t rows, int64_t cols, const S* s, int64_t rs, int64_t cs, D* d, int64_t ld,
                          Convert convert) {
  if (cs == 1) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) d[i * ld + j] = convert(s[i * rs + j]);
  } else {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) d[i * ld + j] = convert(s[i * rs + j * cs]);
  }
}
template <class S>
void copy_rows(int64_t rows, int64_t cols, const void* s, int64_t rs, int64_t cs, void* d, int64_t ld) {
  stage_rows(rows, cols, static_cast<const S*>(s), rs, cs, static_cast<S*>(d), ld, [](S x) { return x; });
}
struct Pair64 {
  double re, im;
};

void stage(DType dtype, int64_t rows, int64_t cols, const void* s, int64_t rs, int64_t cs, void* d, int64_t ld) {
  switch (dtype) {
    case DType::Float16:
      return stage_rows(rows, cols, static_cast<const uint16_t*>(s), rs, cs, static_cast<float*>(d), ld,
                        [](uint16_t x) { return float16::to_float(x); });
    case DType::BFloat16:
      return stage_rows(rows, cols, static_cast<const uint16_t*>(s), rs, cs, static_cast<float*>(d), ld,
                        [](uint16_t x) { return bfloat16::to_float(x); });
    case DType::UInt8:
    case DType::Int8:  // modulo 256 the sign does not matter
      return stage_rows(rows, cols, static_cast<const uint8_t*>(s), rs, cs, static_cast<uint16_t*>(d), ld,
                        [](uint8_t x) { return static_cast<uint16_t>(x); });
    case DType::Bool:  // bytes become 0 and 1
      return stage_rows(rows, cols, static_cast<const uint8_t*>(s), rs, cs, static_cast<uint8_t*>(d), ld,
                        [](uint8_t x) { return static_cast<uint8_t>(x != 0); });
    case DType::Int16: return copy_rows<uint16_t>(rows, cols, s, rs, cs, d, ld);
    case DType::Int32:
    case DType::Float32: return copy_rows<uint32_t>(rows, cols, s, rs, cs, d, ld);
    case DType::Complex128: return copy_rows<Pair64>(rows, cols, s, rs, cs, d, ld);
    default: return copy_rows<uint64_t>(rows, cols, s, rs, cs, d, ld);
  }
}

// C = alpha * block + beta * C with both computed in T; `read` and `write` convert the elements of C.
template <class T, class C, class Read, class Write>
RL_INLINE void unstage_rows(int64_t rows, int64_t cols, const void* alpha_at, const void* block, int64_t ld,
                            const void* beta_at, void* target, int64_t rs, int64_t cs, Read read, Write write) {
  const T alpha = *static_cast<const T*>(alpha_at), beta = *static_cast<const T*>(beta_at);
  const T* from = static_cast<const T*>(block);
  C* to = static_cast<C*>(target);
  for (int64_t i = 0; i < rows; ++i, from += ld, to += rs) {
    if (beta == T(0)) {
      if (cs == 1)
        for (int64_t j = 0; j < cols; ++j) to[j] = write(multiply(alpha, from[j]));
      else
        for (int64_t j = 0; j < cols; ++j) to[j * cs] = write(multiply(alpha, from[j]));
    } else if (cs == 1) {
      for (int64_t j = 0; j < cols; ++j)
        to[j] = write(static_cast<T>(multiply(alpha, from[j]) + multiply(beta, read(to[j]))));
    } else {
      for (int64_t j = 0; j < cols; ++j)
        to[j * cs] = write(static_cast<T>(multiply(alpha, from[j]) + multiply(beta, read(to[j * cs]))));
    }
  }
}
template <class T>
void unstage_same(int64_t rows, int64_t cols, const void* alpha, const void* block, int64_t ld, const void* beta,
                  void* c, int64_t rs, int64_t cs) {
  auto same = [](T x) { return x; };
  unstage_rows<T, T>(rows, cols, alpha, block, ld, beta, c, rs, cs, same, same);
}

// Complex numbers as pairs, so that neither library calls nor checks for NaN slow the loop.
template <class R>
void unstage_complex(int64_t rows, int64_t cols, const void* alpha_at, const void* block, int64_t ld,
                     const void* beta_at, void* target, int64_t rs, int64_t cs) {
  const R *alpha = static_cast<const R*>(alpha_at), *beta = static_cast<const R*>(beta_at);
  const bool keep = beta[0] != 0 || beta[1] != 0;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) {
      const R* x = static_cast<const R*>(block) + 2 * (i * ld + j);
      R* c = static_cast<R*>(target) + 2 * (i * rs + j * cs);
      R re = alpha[0] * x[0] - alpha[1] * x[1], im = alpha[0] * x[1] + alpha[1] * x[0];
      if (keep) {
        re += beta[0] * c[0] - beta[1] * c[1];
        im += beta[0] * c[1] + beta[1] * c[0];
      }
      c[0] = re;
      c[1] = im;
    }
}

void unstage(DType dtype, int64_t rows, int64_t cols, const void* alpha, const void* block, int64_t ld,
             const void* beta, void* c, int64_t rs, int64_t cs) {
  switch (dtype) {
    case DType::Float16:
      return unstage_rows<float, uint16_t>(
          rows, cols, alpha, block, ld, beta, c, rs, cs, [](uint16_t x) { return float16::to_float(x); },
          [](float x) { return float16::from_float(x); });
    case DType::BFloat16:
      return unstage_rows<float, uint16_t>(
          rows, cols, alpha, block, ld, beta, c, rs, cs, [](uint16_t x) { return bfloat16::to_float(x); },
          [](float x) { return bfloat16::from_float(x); });
    case DType::UInt8:
    case DType::Int8:
      return unstage_rows<uint16_t, uint8_t>(
          rows, cols, alpha, block, ld, beta, c, rs, cs, [](uint8_t x) { return static_cast<uint16_t>(x); },
          [](uint16_t x) { return static_cast<uint8_t>(x); });
    case DType::Bool:
      return unstage_rows<uint8_t, uint8_t>(
          rows, cols, alpha, block, ld, beta, c, rs, cs, [](uint8_t x) { return static_cast<uint8_t>(x != 0); },
          [](uint8_t x) { return static_cast<uint8_t>(x != 0); });
    case DType::Int16: return unstage_same<uint16_t>(rows, cols, alpha, block, ld, beta, c, rs, cs);
    case DType::Int32: return unstage_same<uint32_t>(rows, cols, alpha, block, ld, beta, c, rs, cs);
    case DType::Float32: return unstage_same<float>(rows, cols, alpha, block, ld, beta, c, rs, cs);
    case DType::Float64: return unstage_same<double>(rows, cols, alpha, block, ld, beta, c, rs, cs);
    case DType::Complex64: return unstage_complex<float>(rows, cols, alpha, block, ld, beta, c, rs, cs);
    case DType::Complex128: return unstage_complex<double>(rows, cols, alpha, block, ld, beta, c, rs, cs);
    default: return unstage_same<uint64_t>(rows, cols, alpha, block, ld, beta, c, rs, cs);
  }
}

}  // namespace
}  // namespace rushlight::cpu::RL_ISA
