// Random numbers. For the same seed they are those of torch on the CPU.
//
// Functions that end in _ fill their first argument in the order of its memory and return it. The gradient of every
// result with respect to every argument is zero.
#pragma once

#include "rushlight/creation.h"
#include "rushlight/generator.h"

#pragma GCC visibility push(default)

namespace rushlight {

// U[from, to)
const Tensor& uniform_(const Tensor& self, double from = 0, double to = 1, Generator generator = default_generator());
const Tensor& normal_(const Tensor& self, double mean = 0, double std = 1, Generator generator = default_generator());
// exp of N(mean, std^2)
const Tensor& log_normal_(const Tensor& self, double mean = 1, double std = 2,
                          Generator generator = default_generator());
const Tensor& exponential_(const Tensor& self, double lambda = 1, Generator generator = default_generator());
const Tensor& cauchy_(const Tensor& self, double median = 0, double sigma = 1,
                      Generator generator = default_generator());
// Trials up to the first success; 0 < p < 1
const Tensor& geometric_(const Tensor& self, double p, Generator generator = default_generator());
const Tensor& bernoulli_(const Tensor& self, double p = 0.5, Generator generator = default_generator());
// p broadcasts to self
const Tensor& bernoulli_(const Tensor& self, const Tensor& p, Generator generator = default_generator());
// Integers: of [0, largest value] (floats: 2^digits), of [from, to)
const Tensor& random_(const Tensor& self, Generator generator = default_generator());
const Tensor& random_(const Tensor& self, int64_t from, OptInt to, Generator generator = default_generator());

Tensor rand(IntSpan sizes, OptDType dtype = {}, Generator generator = default_generator());
Tensor randn(IntSpan sizes, OptDType dtype = {}, Generator generator = default_generator());
Tensor randint(int64_t low, int64_t high, IntSpan sizes, DType dtype = DType::Int64,
               Generator generator = default_generator());
Tensor randperm(int64_t n, DType dtype = DType::Int64, Generator generator = default_generator());
const Tensor& randperm_out(const Tensor& out, int64_t n, Generator generator = default_generator());

Tensor bernoulli(const Tensor& p, Generator generator = default_generator());
const Tensor& bernoulli_out(const Tensor& out, const Tensor& p, Generator generator = default_generator());
// mean and std: tensors that broadcast, or numbers; at least one tensor.
Tensor normal(const Operand& mean, const Operand& std, Generator generator = default_generator());
const Tensor& normal_out(const Tensor& out, const Operand& mean, const Operand& std,
                         Generator generator = default_generator());
Tensor poisson(const Tensor& rate, Generator generator = default_generator());
// Successes in `count` trials of probability `prob`, which broadcasts to count. float32 or float64; no derivative.
Tensor binomial(const Tensor& count, const Tensor& prob, Generator generator = default_generator());
// Indices drawn with the weights in the rows of probs: [n] -> [samples], [m, n] -> [m, samples], int64.
Tensor multinomial(const Tensor& probs, int64_t samples, bool replacement = false,
                   Generator generator = default_generator());

}  // namespace rushlight

#pragma GCC visibility pop
