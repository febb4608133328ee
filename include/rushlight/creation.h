// More ways to make tensors: permuted memory, ranges, index triangles, windows, mapped files. The basic ones are in
// ops.h.
#pragma once

#include <string>

#include "rushlight/shape.h"

#pragma GCC visibility push(default)

namespace rushlight {

// physical_layout: the dims from the outermost to the innermost in memory.
Tensor empty_permuted(IntSpan sizes, IntSpan physical_layout, OptDType dtype = {}, Device device = {});

// ---- ranges (ranges.cpp). linspace and logspace include both ends; range includes `end` where a step hits it.
// `steps` powers of `base`, their exponents evenly spaced.
Tensor logspace(const Scalar& start, const Scalar& end, int64_t steps, double base = 10, OptDType dtype = {});
Tensor range(const Scalar& start, const Scalar& end, const Scalar& step = 1, OptDType dtype = {});

// Row and column indices [2, n] of the elements of a row x col matrix on and below (tril) or above (triu) the diagonal
// `offset`. int64 or int32.
Tensor tril_indices(int64_t row, int64_t col, int64_t offset = 0, DType dtype = DType::Int64, Device device = {});
Tensor triu_indices(int64_t row, int64_t col, int64_t offset = 0, DType dtype = DType::Int64, Device device = {});
// Powers 0 .. n - 1 of the elements of x in columns, falling unless `increasing`: [k] -> [k, n]; n: k where absent.
Tensor vander(const Tensor& x, OptInt n = {}, bool increasing = false);

// ---- windows (windows.cpp): n samples of a symmetric window; `periodic`: of one of n + 1, without the last.
Tensor bartlett_window(int64_t n, bool periodic = true, OptDType dtype = {});
Tensor blackman_window(int64_t n, bool periodic = true, OptDType dtype = {});
// alpha - beta cos(2 pi i / (n - 1))
Tensor hamming_window(int64_t n, bool periodic = true, double alpha = 0.54, double beta = 0.46, OptDType dtype = {});
Tensor hann_window(int64_t n, bool periodic = true, OptDType dtype = {});
Tensor kaiser_window(int64_t n, bool periodic = true, double beta = 12, OptDType dtype = {});

// The first `size` elements of a file, mapped into memory. shared: writes reach the file, which is made or made longer
// where needed; otherwise they stay private and the file must be long enough.
Tensor from_file(const std::string& path, bool shared, int64_t size, OptDType dtype = {});
// The file that this memory is shared with; empty for all other memory.
std::string mapped_filename(const Storage& storage);

}  // namespace rushlight

#pragma GCC visibility pop
