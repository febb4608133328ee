// Random numbers on contiguous arrays, equal to torch's CPU results for the same generator state.
//
// Order: torch fills a tensor in the order of its memory, not of its indices. The result for a dense non-contiguous
// tensor (a transpose) is the contiguous result written along its memory; for a tensor with gaps, the dimensions go
// from the largest stride (outermost) to the smallest.
// One function depends on contiguity itself: normal(). A non-contiguous tensor gets normal_serial().
//
// Every function locks the generator, checks its arguments before it draws, and draws nothing for n == 0.
// n is a number of elements >= 0. Argument checks that name tensors, and their messages, belong to the caller.
#pragma once

#include <cstdint>
#include <optional>

#include "rushlight/dtype.h"
#include "rushlight/generator.h"

namespace rushlight::cpu {

// U[from, to). Floating-point and complex types; the two parts of a complex number are two draws.
void uniform(void* out, DType dtype, int64_t n, double from, double to, Generator& gen);

// N(mean, std^2); std >= 0. For complex types std is that of the complex number: each part gets std / sqrt(2).
void normal(void* out, DType dtype, int64_t n, double mean, double std, Generator& gen);
// The values of a tensor that is not contiguous, whatever its size.
void normal_serial(void* out, DType dtype, int64_t n, double mean, double std, Generator& gen);

// exp of N(mean, std^2); std > 0. Real floating-point types.
void log_normal(void* out, DType dtype, int64_t n, double mean, double std, Generator& gen);
// Density lambda exp(-lambda x); lambda > 0.
void exponential(void* out, DType dtype, int64_t n, double lambda, Generator& gen);
void cauchy(void* out, DType dtype, int64_t n, double median, double sigma, Generator& gen);
// Number of trials up to the first success; 0 < p < 1. Integers and floats, not bool.
void geometric(void* out, DType dtype, int64_t n, double p, Generator& gen);

// 1 with probability p, else 0; 0 <= p <= 1. Bool, integers and floats. Dropout masks are bernoulli(1 - p).
void bernoulli(void* out, DType dtype, int64_t n, double p, Generator& gen);
// One probability per element. p is float64, float32, float16 or bfloat16; the first draws more words than the rest.
void bernoulli(void* out, DType dtype, int64_t n, const void* p, DType p_dtype, Generator& gen);

// Poisson with one rate >= 0 per element; out and rate have the floating-point type `dtype`.
void poisson(void* out, DType dtype, int64_t n, const void* rate, Generator& gen);

// Integers of [base, base + range); range 0 stands for 2^64. Bool, integers and floats.
struct RandomRange {
  int64_t base;
  uint64_t range;
};
// What random_(from, to) draws from; `to` empty: up to the largest value of the type (floats: 2^digits). Ends that the
// type cannot represent move inwards. Throws Error, with torch's text, for an empty range or ends outside the type.
RandomRange random_range(DType dtype, int64_t from, std::optional<int64_t> to);
void random_from_to(void* out, DType dtype, int64_t n, RandomRange range, Generator& gen);
// random_() without bounds: [0, largest value] for integers, [0, 2^digits] for floats, {0, 1} for bool.
void random(void* out, DType dtype, int64_t n, Generator& gen);

// A permutation of 0 .. n-1. Integers and floats that hold n.
void randperm(void* out, DType dtype, int64_t n, Generator& gen);

// Successes in count[i] trials of probability prob[i]. float32 and float64; NaN where an argument is NaN.
void binomial(void* out, DType dtype, int64_t n, const void* count, const void* prob, Generator& gen);

// `samples` category indices for each of `rows` rows of weights, [rows, categories] -> [rows, samples].
// Throws Error unless the weights are >= 0, finite, and have a positive sum in each row.
void check_multinomial(const void* weights, DType dtype, int64_t rows, int64_t categories);
// With replacement; weights have passed the check.
void multinomial_replace(int64_t* out, const void* weights, DType dtype, int64_t rows, int64_t categories,
                         int64_t samples, Generator& gen);
// Without replacement, samples <= categories: the largest weights / waits, where waits are Exp(1) of the same dtype.
void multinomial_race(int64_t* out, const void* weights, const void* waits, DType dtype, int64_t rows,
                      int64_t categories, int64_t samples);

}  // namespace rushlight::cpu
