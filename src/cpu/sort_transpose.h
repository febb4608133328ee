// Eight rows to and from a block in which the eight lanes of one element lie side by side.
#pragma once

#include "cpu/vec.h"

namespace rushlight::cpu::RL_ISA {
namespace {

// r[i][j] becomes r[j][i]; V has eight lanes.
template <class V>
RL_INLINE void transpose_8(V* r) {
  V t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      r[i + j] = __builtin_shufflevector(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      r[i + j + 2] = __builtin_shufflevector(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    t[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = t[i];
}

template <class T>
struct EightOf {
  typedef T type __attribute__((vector_size(8 * sizeof(T))));
};

// block[i * 8 + l] = the i-th element of the row at rows + l * step, i < n
template <class T>
void rows_to_lanes(char* block, const char* rows, int64_t step, int64_t n) {
  using V = typename EightOf<T>::type;
  T* const to = reinterpret_cast<T*>(block);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    V r[8];
#pragma GCC unroll 8
    for (int l = 0; l < 8; ++l)
      __builtin_memcpy(&r[l], rows + l * step + i * static_cast<int64_t>(sizeof(T)), sizeof(V));
    transpose_8(r);
#pragma GCC unroll 8
    for (int l = 0; l < 8; ++l) __builtin_memcpy(to + (i + l) * 8, &r[l], sizeof(V));
  }
  for (; i < n; ++i)
    for (int l = 0; l < 8; ++l) to[i * 8 + l] = reinterpret_cast<const T*>(rows + l * step)[i];
}
template <class T>
void lanes_to_rows(char* rows, int64_t step, const char* block, int64_t n) {
  using V = typename EightOf<T>::type;
  const T* const from = reinterpret_cast<const T*>(block);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    V r[8];
#pragma GCC unroll 8
    for (int l = 0; l < 8; ++l) __builtin_memcpy(&r[l], from + (i + l) * 8, sizeof(V));
    transpose_8(r);
#pragma GCC unroll 8
    for (int l = 0; l < 8; ++l)
      __builtin_memcpy(rows + l * step + i * static_cast<int64_t>(sizeof(T)), &r[l], sizeof(V));
  }
  for (; i < n; ++i)
    for (int l = 0; l < 8; ++l) reinterpret_cast<T*>(rows + l * step)[i] = from[i * 8 + l];
}

}  // namespace
}  // namespace rushlight::cpu::RL_ISA
