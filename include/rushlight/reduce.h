// Reductions, scans, statistics and differences beyond those of ops.h. dims: all where absent or empty.
#pragma once

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

// ---- reductions (reduce_count.cpp, reduce_extremes.cpp, reduce_logsumexp.cpp)
// Without the NaN.
Tensor nansum(const Tensor& self, OptSpan dims = {}, bool keepdim = false, OptDType dtype = {});
Tensor nanmean(const Tensor& self, OptSpan dims = {}, bool keepdim = false, OptDType dtype = {});
// int64
Tensor count_nonzero(const Tensor& self, OptSpan dims = {});
// The smallest and the largest.
std::tuple<Tensor, Tensor> aminmax(const Tensor& self, OptInt dim = {}, bool keepdim = false);
// log(sum(exp(self))) without overflow.
Tensor logsumexp(const Tensor& self, IntSpan dims, bool keepdim = false);
const Tensor& nansum_out(const Tensor& out, const Tensor& self, OptSpan dims = {}, bool keepdim = false,
                         OptDType dtype = {});
std::tuple<Tensor, Tensor> aminmax_out(const Tensor& low, const Tensor& high, const Tensor& self, OptInt dim = {},
                                       bool keepdim = false);
const Tensor& logsumexp_out(const Tensor& out, const Tensor& self, IntSpan dims, bool keepdim = false);
const Tensor& norm_out(const Tensor& out, const Tensor& self, double p = 2, OptSpan dims = {}, bool keepdim = false,
                       OptDType dtype = {});
const Tensor& softmax_out(const Tensor& out, const Tensor& self, int64_t dim, OptDType dtype = {});
const Tensor& log_softmax_out(const Tensor& out, const Tensor& self, int64_t dim, OptDType dtype = {});

// ---- scans (scan.cpp)
Tensor logcumsumexp(const Tensor& self, int64_t dim);
const Tensor& logcumsumexp_out(const Tensor& out, const Tensor& self, int64_t dim);

// ---- differences (differences.cpp)
// The n-th difference along dim of prepend, self and append, joined.
Tensor diff(const Tensor& self, int64_t n = 1, int64_t dim = -1, const Tensor& prepend = {}, const Tensor& append = {});
// Integrals by the trapezoidal rule; x: coordinates, one-dimensional or broadcast against y.
Tensor trapezoid(const Tensor& y, const Tensor& x, int64_t dim = -1);
Tensor trapezoid(const Tensor& y, const Scalar& dx = 1, int64_t dim = -1);
Tensor cumulative_trapezoid(const Tensor& y, const Tensor& x, int64_t dim = -1);
Tensor cumulative_trapezoid(const Tensor& y, const Scalar& dx = 1, int64_t dim = -1);
// Derivatives along dims (all where absent) from samples: second-order central differences, first- or second-order
// (edge_order) ones at both ends. spacing: distances, one for all dims or one per dim; or coordinates, one
// one-dimensional tensor per dim.
TensorList gradient(const Tensor& self, const Scalar& spacing = 1, OptSpan dims = {}, int64_t edge_order = 1);
TensorList gradient(const Tensor& self, std::span<const Scalar> spacing, OptSpan dims = {}, int64_t edge_order = 1);
TensorList gradient(const Tensor& self, std::span<const Tensor> coordinates, OptSpan dims = {}, int64_t edge_order = 1);

// ---- statistics (statistics.cpp)
// Covariances of the rows of self (variables) over its columns (observations). fweights: integer repetitions,
// aweights: floating point weights of the observations.
Tensor cov(const Tensor& self, int64_t correction = 1, const Tensor& fweights = {}, const Tensor& aweights = {});
Tensor corrcoef(const Tensor& self);
// p-norm of self - other.
Tensor dist(const Tensor& self, const Tensor& other, const Scalar& p = 2);
// Slices along dim whose p-norm exceeds maxnorm are scaled down to it.
Tensor renorm(const Tensor& self, const Scalar& p, int64_t dim, const Scalar& maxnorm);

// ---- histograms (histogram.cpp)
// Counts in equal bins over [min, max], or over the range of the elements where both are equal.
Tensor histc(const Tensor& self, int64_t bins = 100, const Scalar& min = 0, const Scalar& max = 0);
// How often each value 0, 1, ... occurs in a one-dimensional tensor; with weights: their sums, float32 or float64.
Tensor bincount(const Tensor& self, const Tensor& weights = {}, int64_t minlength = 0);
// Sums of weight (1 where absent) per bin of the D columns of self [..., D]. Last edges belong to their bins. range:
// 2 D numbers, absent: from the data. density: divided by the total and by the volumes of the bins.
struct Histogram {
  Tensor hist;
  TensorList bin_edges;
};
Histogram histogramdd(const Tensor& self, IntSpan bins, std::optional<std::span<const double>> range = {},
                      const Tensor& weight = {}, bool density = false);
Histogram histogramdd(const Tensor& self, std::span<const Tensor> bin_edges, const Tensor& weight = {},
                      bool density = false);
// The same for all elements of self as one column.
Histogram histogram(const Tensor& self, int64_t bins = 100, std::optional<std::span<const double>> range = {},
                    const Tensor& weight = {}, bool density = false);
Histogram histogram(const Tensor& self, const Tensor& bin_edges, const Tensor& weight = {}, bool density = false);

}  // namespace rushlight

#pragma GCC visibility pop
