// Layer, group and batch normalization.
#pragma once

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

// Every slice over the last normalized_shape.size() dims gets mean 0 and variance 1: (x - mean) * rstd, then * weight
// + bias (of shape normalized_shape, or undefined). Returns the result, mean and rstd = 1 / sqrt(variance + eps); the
// moments have no gradient. Floating point; half precision may have float32 parameters, then the moments are float32.
std::tuple<Tensor, Tensor, Tensor> native_layer_norm(const Tensor& input, IntSpan normalized_shape,
                                                     const Tensor& weight, const Tensor& bias, double eps);
Tensor layer_norm(const Tensor& input, IntSpan normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

// The same over groups of channels: input [n, c, *], contiguous, with hxw elements per channel; weight and bias [c];
// moments [n, group].
std::tuple<Tensor, Tensor, Tensor> native_group_norm(const Tensor& input, const Tensor& weight, const Tensor& bias,
                                                     int64_t n, int64_t c, int64_t hxw, int64_t group, double eps);
Tensor group_norm(const Tensor& input, int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

// The same per channel of input [n, c, *] over all else. training: moments of the batch, which also go into the running
// ones (r = (1 - momentum) * r + momentum * new, variances with n - 1) where these are given; else the running moments
// are used and the returned ones are empty.
std::tuple<Tensor, Tensor, Tensor> native_batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias,
                                                     const Tensor& running_mean, const Tensor& running_var,
                                                     bool training, double momentum, double eps);
Tensor batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, bool training, double momentum, double eps);

}  // namespace rushlight

#pragma GCC visibility pop
