// Distances between rows.
#pragma once

#include <cstdint>

namespace rushlight::cpu {

// out[b, i, j] = p-norm of x1[b, i, :] - x2[b, j, :], all contiguous: [batch, rows1, cols], [batch, rows2, cols],
// [batch, rows1, rows2]. T: float, double.
template <class T>
void distances(const T* x1, const T* x2, T* out, int64_t batch, int64_t rows1, int64_t rows2, int64_t cols, double p);

}  // namespace rushlight::cpu
