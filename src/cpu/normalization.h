// Normalized rows, their moments and gradients; float and double, dense memory.
#pragma once

#include "cpu/kernels.h"

namespace rushlight::cpu {

// `rows` runs of n elements. Absent arrays are null. Moments have one element per row.
struct NormRows {
  const void* x;
  void* y;             // layer_norm, affine
  const void* weight;  // layer_norm: n elements each
  const void* bias;
  void *mean, *rstd;  // written by layer_norm and moments
  int64_t rows, n;
  double eps;
};

// y = (x - mean) * scale + shift, one of each per row
struct AffineRows {
  const void *x, *mean, *scale, *shift;
  void* y;
  int64_t rows, n;
};

// What gradients need: per row the sums of grad and of grad * (x - mean); then
// out = a * grad + b * (x - mean) + c
struct NormGradRows {
  const void *grad, *x, *mean;
  void *sums, *products;  // written by dots
  const void *a, *b, *c;  // read by combine
  void* out;
  int64_t rows, n;
};

// Gradients of layer_norm. The sums for weight and bias (n elements each, null: not wanted) are added to.
struct LayerNormGrad {
  const void *grad, *x, *mean, *rstd, *weight;
  void *input, *weight_grad, *bias_grad;
  int64_t rows, n;
};

struct NormKernels {
  void (*layer_norm)(const NormRows&) = nullptr;
  void (*moments)(const NormRows&) = nullptr;
  void (*affine)(const AffineRows&) = nullptr;
  void (*dots)(const NormGradRows&) = nullptr;
  void (*combine)(const NormGradRows&) = nullptr;
  void (*layer_norm_grad)(const LayerNormGrad&) = nullptr;
};

struct NormTable {
  NormKernels of_float, of_double;
};

#define RL_DECLARE_FILL(isa)           \
  namespace isa {                      \
  void fill_normalization(NormTable&); \
  }
RL_EVERY_ISA(RL_DECLARE_FILL)
#undef RL_DECLARE_FILL

// The same over all rows, on several threads. dtype: Float32 or Float64.
// memory: the dtype of x and y, where these are of half precision.
void run_layer_norm(DType dtype, const NormRows& r, DType memory);
void run_moments(DType dtype, const NormRows& r);
void run_affine(DType dtype, const AffineRows& r);
void run_norm_dots(DType dtype, const NormGradRows& r);
void run_norm_combine(DType dtype, const NormGradRows& r);
// Overwrites weight_grad and bias_grad.
void run_layer_norm_grad(DType dtype, const LayerNormGrad& r);

}  // namespace rushlight::cpu
