// Products over chosen dims: einsum, tensordot, chains of matrices, cross products, distances between rows.
#pragma once

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

// Einstein's sum: `equation` names the dims of each operand by letters and those of the result behind "->"; "..."
// stands for dims that broadcast, spaces do not count. Without "->" the result has the dims of "..." and then, in the
// order A-Z, a-z, the letters that occur once. A letter that occurs twice in one operand takes its diagonal; dims of
// size 1 broadcast. Operands are contracted from left to right by products of matrices (of one dtype), by products of
// elements where nothing is summed; a single operand gives a view or a sum.
Tensor einsum(std::string_view equation, std::span<const Tensor> operands);

// Sums over pairs of dims (dims_self[i], dims_other[i]); the result has the other dims of self, then those of other.
// One dtype; dims of size 1 broadcast.
Tensor tensordot(const Tensor& self, const Tensor& other, IntSpan dims_self, IntSpan dims_other);

// The product of matrices in the order that costs least.
Tensor chain_matmul(std::span<const Tensor> matrices);

// Cross products of the vectors of 3 elements along `dim`; other dims broadcast.
Tensor linalg_cross(const Tensor& self, const Tensor& other, int64_t dim = -1);
// The same; without `dim` along the first dim of size 3.
Tensor cross(const Tensor& self, const Tensor& other, OptInt dim = {});

// beta * self + alpha * outer(vec1, vec2); self broadcasts and is not read where beta is 0. The dtypes promote; bool
// combines by "and" and "or".
Tensor addr(const Tensor& self, const Tensor& vec1, const Tensor& vec2, const Scalar& beta = 1,
            const Scalar& alpha = 1);

// p-norms of the differences between all rows of x1 [*, P, M] and x2 [*, R, M]: [*, P, R]. float32, float64; p >= 0.
// mode: 0 takes products of matrices for p = 2 where P or R is above 25, 1 always, 2 never. The gradient of a distance
// of 0 is 0.
Tensor cdist(const Tensor& x1, const Tensor& x2, double p = 2, int64_t mode = 0);
// Those between the rows of self [N, M], i < j: [N * (N - 1) / 2].
Tensor pdist(const Tensor& self, double p = 2);
// p-norms of x1 - x2 + eps over the last dim; the shapes broadcast.
Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, double p = 2, double eps = 1e-6, bool keepdim = false);
// x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)) over dim; shapes broadcast, floating-point dtypes promote.
Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, int64_t dim = 1, double eps = 1e-8);

}  // namespace rushlight

#pragma GCC visibility pop
