// Counts and categories: Poisson, binomial, multinomial. The steps are those of torch.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "random.h"
#include "random_common.h"

namespace rushlight::cpu {

using namespace draw;

// ---------------------------------------------------------------------------------------------------- poisson

namespace {

// Below rate 10: the number of uniforms whose product stays above exp(-rate). From 10 on: the transformed rejection
// method PTRS, W. Hoermann, "The transformed rejection method for generating Poisson random variables", 1993.
int64_t poisson_one(double rate, GeneratorImpl& gen) {
  if (rate == 0) return 0;
  if (rate < 10) {
    const double limit = std::exp(-rate);
    double product = 1.0;
    for (int64_t count = 0;; ++count) {
      product *= unit(gen);
      if (!(product > limit)) return count;
    }
  }
  const double log_rate = std::log(rate);
  const double b = 0.931 + 2.53 * std::sqrt(rate);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double v_r = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = unit(gen) - 0.5;
    const double v = unit(gen);
    const double us = 0.5 - std::fabs(u);
    const auto k = convert<int64_t>(std::floor((2 * a / us + b) * u + rate + 0.43));
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double x = static_cast<double>(k);
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
        -rate + x * log_rate - std::lgamma(x + 1))
      return k;
  }
}

}  // namespace

void poisson(void* out, DType dtype, int64_t n, const void* rate, Generator& gen) {
  dispatch_float(dtype, "poisson_cpu", [&](auto t) {
    using T = decltype(t);
    const T* rates = static_cast<const T*>(rate);
    const auto as_double = [](T v) {
      if constexpr (is_reduced<T>) return static_cast<double>(static_cast<float>(v));
      if constexpr (!is_reduced<T>) return static_cast<double>(v);
    };
    // Larger rates have results beyond int64, and the rejection would never end.
    bool valid = true;
    for (int64_t i = 0; i < n; ++i) valid &= as_double(rates[i]) >= 0 && as_double(rates[i]) < 9e18;
    check(valid, "invalid Poisson rate, expected rate to be non-negative");
    std::lock_guard lock(gen.impl().mutex);
    T* data = static_cast<T*>(out);
    for (int64_t i = 0; i < n; ++i) data[i] = convert_int<T>(poisson_one(as_double(rates[i]), gen.impl()));
  });
}

// ---------------------------------------------------------------------------------------------------- binomial

namespace {

// What Stirling's formula for log(k!) leaves out.
double stirling_tail(double k) {
  static constexpr double small[] = {0.0810614667953272,  0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
                                     0.0166446911898211,  0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
                                     0.00925546218271273, 0.00833056343336287};
  if (k <= 9) return small[static_cast<int>(std::max(k, 0.0))];
  const double square = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

// Sums of geometric waiting times; few where count * prob is small.
double binomial_waits(double count, double prob, GeneratorImpl& gen) {
  const double log_fail = std::log1p(-prob);
  double sum = 0;
  for (double successes = 0;; ++successes) {
    sum += std::ceil(std::log(unit(gen)) / log_fail);
    if (sum > count) return successes;
  }
}

// Transformed rejection BTRS: W. Hoermann, "The generation of binomial random variates", 1993; for count * prob >= 10.
double binomial_rejection(double count, double prob, GeneratorImpl& gen) {
  const double stddev = std::sqrt(count * prob * (1 - prob));
  const double b = 1.15 + 2.53 * stddev;
  const double a = -0.0873 + 0.0248 * b + 0.01 * prob;
  const double c = count * prob + 0.5;
  const double v_r = 0.92 - 4.2 / b;
  const double r = prob / (1 - prob);
  const double alpha = (2.83 + 5.1 / b) * stddev;
  const double m = std::floor((count + 1) * prob);
  for (;;) {
    const double u = unit(gen) - 0.5;
    double v = unit(gen);
    const double us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + c);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || k > count) continue;
    v = std::log(v * alpha / (a / (us * us) + b));
    const double bound = (m + 0.5) * std::log((m + 1) / (r * (count - m + 1))) +
                         (count + 1) * std::log((count - m + 1) / (count - k + 1)) +
                         (k + 0.5) * std::log(r * (count - k + 1) / (k + 1)) + stirling_tail(m) +
                         stirling_tail(count - m) - stirling_tail(k) - stirling_tail(count - k);
    if (v <= bound) return k;
  }
}

double binomial_one(double count, double prob, GeneratorImpl& gen) {
  if (count <= 0 || prob <= 0) return 0;
  if (prob >= 1) return count;
  if (std::isnan(count) || std::isnan(prob)) return std::numeric_limits<double>::quiet_NaN();
  const double p = prob <= 0.5 ? prob : 1 - prob;
  const double k = count * p >= 10 ? binomial_rejection(count, p, gen) : binomial_waits(count, p, gen);
  return prob <= 0.5 ? k : count - k;
}

}  // namespace

void binomial(void* out, DType dtype, int64_t n, const void* count, const void* prob, Generator& gen) {
  const auto run = [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    for (int64_t i = 0; i < n; ++i)
      static_cast<T*>(out)[i] =
          static_cast<T>(binomial_one(static_cast<const T*>(count)[i], static_cast<const T*>(prob)[i], gen.impl()));
  };
  dtype == DType::Float64 ? run(double{}) : run(float{});
}

// ---------------------------------------------------------------------------------------------------- multinomial

namespace {

// With replacement: inverse of the cumulative sums, which are kept in Real and end with exactly 1.
template <class T, class Real>
void multinomial_inverse(int64_t* out, const T* weights, int64_t categories, int64_t samples, Real* sums,
                         GeneratorImpl& gen) {
  Real sum = 0;
  for (int64_t j = 0; j < categories; ++j) sums[j] = sum += static_cast<Real>(weights[j]);
  for (int64_t j = 0; j < categories; ++j) sums[j] /= sum;
  sums[categories - 1] = 1;
  for (int64_t j = 0; j < samples; ++j) out[j] = std::lower_bound(sums, sums + categories, unit(gen)) - sums;
}

// Without: the largest of weight / Exp(1), an exponential race. Rounded to T in each step, as the tensors in torch are.
template <class T, class Real>
void run_race(int64_t* out, const T* weights, const T* waits, int64_t categories, int64_t samples,
              std::pair<Real, int64_t>* race) {
  for (int64_t j = 0; j < categories; ++j)
    race[j] = {static_cast<Real>(T(static_cast<Real>(weights[j]) / static_cast<Real>(waits[j]))), j};
  const auto before = [](const auto& x, const auto& y) {
    return (std::isnan(x.first) && !std::isnan(y.first)) || x.first > y.first;
  };
  const auto end = race + categories;
  if (samples == 1) {
    out[0] = std::min_element(race, end, before)->second;  // the first of equals
    return;
  }
  // torch.topk on the CPU: which of equal values win depends on the algorithm.
  if (samples * 64 <= categories) {
    std::partial_sort(race, race + samples, end, before);
  } else {
    std::nth_element(race, race + samples - 1, end, before);
    std::sort(race, race + samples - 1, before);
  }
  for (int64_t j = 0; j < samples; ++j) out[j] = race[j].second;
}

}  // namespace

void check_multinomial(const void* weights, DType dtype, int64_t rows, int64_t categories) {
  dispatch_float(dtype, "multinomial", [&](auto t) {
    using T = decltype(t);
    using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const T* w = static_cast<const T*>(weights);
    for (int64_t r = 0; r < rows; ++r) {
      bool valid = true, positive = false;
      for (int64_t j = 0; j < categories; ++j) {
        const Real value = static_cast<Real>(w[r * categories + j]);
        valid &= value >= 0 && value < std::numeric_limits<Real>::infinity();
        positive |= value > 0;
      }
      check(valid, "probability tensor contains either `inf`, `nan` or element < 0");
      check(positive, "invalid multinomial distribution (sum of probabilities <= 0)");
    }
  });
}

void multinomial_replace(int64_t* out, const void* weights, DType dtype, int64_t rows, int64_t categories,
                         int64_t samples, Generator& gen) {
  dispatch_float(dtype, "multinomial", [&](auto t) {
    using T = decltype(t);
    using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
    std::lock_guard lock(gen.impl().mutex);
    const auto sums = std::make_unique_for_overwrite<Real[]>(static_cast<size_t>(categories));
    for (int64_t r = 0; r < rows; ++r)
      multinomial_inverse(out + r * samples, static_cast<const T*>(weights) + r * categories, categories, samples,
                          sums.get(), gen.impl());
  });
}

void multinomial_race(int64_t* out, const void* weights, const void* waits, DType dtype, int64_t rows,
                      int64_t categories, int64_t samples) {
  dispatch_float(dtype, "multinomial", [&](auto t) {
    using T = decltype(t);
    using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const auto race = std::make_unique<std::pair<Real, int64_t>[]>(static_cast<size_t>(categories));
    for (int64_t r = 0; r < rows; ++r)
      run_race(out + r * samples, static_cast<const T*>(weights) + r * categories,
               static_cast<const T*>(waits) + r * categories, categories, samples, race.get());
  });
}

}  // namespace rushlight::cpu
