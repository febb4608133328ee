// Discrete distributions: trials, integers, permutations, counts and categories. The steps are those of torch.
#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <utility>

#include "random.h"
#include "random_common.h"

namespace rushlight::cpu {

using namespace draw;

// ---------------------------------------------------------------------------------------------------- trials

void geometric(void* out, DType dtype, int64_t n, double p, Generator& gen) {
  check(0 < p && p < 1, "geometric_ expects p to be in (0, 1), but got p=", p);
  dispatch_real(dtype, "geometric_cpu", [&](auto t) {
    const double log_fail = std::log1p(-p);
    map_unit<decltype(t)>(out, n, gen, [=](double u) { return std::ceil(std::log(u) / log_fail); });
  });
}

void bernoulli(void* out, DType dtype, int64_t n, double p, Generator& gen) {
  check(0 <= p && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", p);
  dispatch_real_bool(dtype, "bernoulli_scalar_cpu_",
                     [&](auto t) { map_unit<decltype(t)>(out, n, gen, [=](double u) { return u < p ? 1.0 : 0.0; }); });
}

// float64 probabilities are compared with double uniforms, all others in float with float ones.
void bernoulli(void* out, DType dtype, int64_t n, const void* p, DType p_dtype, Generator& gen) {
  dispatch_real_bool(dtype, "bernoulli_tensor_cpu_self_", [&](auto t) {
    dispatch_float(p_dtype, "bernoulli_tensor_cpu_p_", [&](auto tp) {
      using T = decltype(t);
      using P = decltype(tp);
      using Real = std::conditional_t<std::is_same_v<P, double>, double, float>;
      const P* prob = static_cast<const P*>(p);
      bool valid = true;
      for (int64_t i = 0; i < n; ++i) {
        const Real v = static_cast<Real>(prob[i]);
        valid &= v >= 0 && v <= 1;
      }
      check(valid, "Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
      std::lock_guard lock(gen.impl().mutex);
      T* data = static_cast<T*>(out);
      Real u[kChunk];
      for (int64_t i = 0; i < n; i += kChunk) {
        const int64_t count = std::min<int64_t>(kChunk, n - i);
        fill_unit(gen.impl(), u, count);
        for (int64_t j = 0; j < count; ++j) data[i + j] = convert<T>(u[j] < static_cast<Real>(prob[i + j]) ? 1.0 : 0.0);
      }
    });
  });
}

// ---------------------------------------------------------------------------------------------------- integers

namespace {

// The remainder of each word by 1 <= d < 2^28. The quotient by way of double is off by at most one.
RUSHLIGHT_CLONES void remainders(const uint32_t* __restrict words, int32_t* __restrict out, int64_t n, uint32_t d) {
  const double inverse = 1.0 / d;
  const auto divisor = static_cast<int32_t>(d);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t quotient = static_cast<uint32_t>(static_cast<int32_t>(to_double(words[i]) * inverse));
    int32_t r = static_cast<int32_t>(words[i] - quotient * d);
    r += r < 0 ? divisor : 0;
    r -= r >= divisor ? divisor : 0;
    out[i] = r;
  }
}

template <class T, class F>
void map_words64(T* out, int64_t n, GeneratorImpl& gen, F f) {
  for (int64_t i = 0; i < n; ++i) out[i] = convert_int<T>(static_cast<int64_t>(f(gen.random64())));
}

// v % d for all words, plus base.
template <class T>
void modulo_fill(T* out, int64_t n, uint32_t d, int64_t base, GeneratorImpl& gen) {
  uint32_t words[kChunk];
  int32_t values[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min<int64_t>(kChunk, n - i);
    gen.fill(words, count);
    if (d == 1)
      std::fill_n(values, count, 0);
    else
      remainders(words, values, count, d);
    for (int64_t j = 0; j < count; ++j) out[i + j] = convert_int<T>(values[j] + base);
  }
}

// value rounded to T; the lowest integer where the result is 2^63, as on x86.
template <class T>
int64_t rounded(int64_t value) {
  double d;
  if constexpr (is_reduced<T>)
    d = static_cast<float>(T(static_cast<float>(value)));
  else
    d = static_cast<double>(static_cast<T>(value));
  return convert<int64_t>(d);
}

template <class T>
int64_t spacing(int64_t value) {
  uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  const int log2 = magnitude == 0 ? 0 : 63 - std::countl_zero(magnitude);
  const int shift = log2 - digits<T> + 1;
  return shift < 0 ? 0 : int64_t{1} << std::min(shift, 62);
}

template <class T>
double lowest_value() {
  if constexpr (std::is_same_v<T, float16>) return -65504.0;
  if constexpr (std::is_same_v<T, bfloat16>) return -3.3895313892515355e38;
  if constexpr (!is_reduced<T>) return static_cast<double>(std::numeric_limits<T>::lowest());
}
template <class T>
double highest_value() {
  if constexpr (is_reduced<T>)
    return -lowest_value<T>();
  else
    return static_cast<double>(std::numeric_limits<T>::max());
}

template <class T>
void check_bounds(const char* what, int64_t value, DType dtype) {
  bool inside;
  if constexpr (std::is_integral_v<T>)
    inside = value >= static_cast<int64_t>(std::numeric_limits<T>::lowest()) &&
             value <= static_cast<int64_t>(std::numeric_limits<T>::max());
  else
    inside = static_cast<double>(value) >= lowest_value<T>() && static_cast<double>(value) <= highest_value<T>();
  check(inside, what, " is out of bounds for ", cpp_type_name(dtype));
}

}  // namespace

RandomRange random_range(DType dtype, int64_t from, std::optional<int64_t> to) {
  RandomRange result{};
  dispatch_real_bool(dtype, "random_", [&](auto t) {
    using T = decltype(t);
    constexpr int64_t max64 = std::numeric_limits<int64_t>::max();
    constexpr int64_t min64 = std::numeric_limits<int64_t>::min();
    if (!to && from == min64) {
      check(std::is_same_v<T, int64_t> || (is_real_float<T> && !std::is_same_v<T, float16>),
            "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16");
      result = {min64, 0};
      return;
    }
    if (to) check(from < *to, "random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", *to);
    int64_t low = from, last;  // both ends belong to the range
    if constexpr (is_real_float<T>) {
      // Past the highest value below 2^63 there is none to move to: the test against the other end fails.
      const int64_t above = from == max64 ? min64 : rounded<T>(from + 1);
      if (above < from) {
        const bool past = above == min64 && from > 0;
        if (past) check_bounds<T>("from", from, dtype);
        low = past ? max64 : above + spacing<T>(from + 1);
      }
      if (to) {
        int64_t end = *to;
        const int64_t below = rounded<T>(end - 1);
        if (below >= end) end = below - spacing<T>(end - 1);
        check(low < end,
              "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from=", low,
              " >= to=", end);
        last = end - 1;
      } else {
        last = int64_t{1} << digits<T>;
        check(low < last,
              "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but got "
              "from=",
              low, " > to_inc=", last);
      }
    } else {
      last = to ? *to - 1 : static_cast<int64_t>(std::numeric_limits<T>::max());
    }
    check_bounds<T>("from", low, dtype);
    check_bounds<T>("to - 1", last, dtype);
    result = {low, static_cast<uint64_t>(last) - static_cast<uint64_t>(low) + 1};
  });
  return result;
}

// A range below 2^28 takes the remainder of one word, a larger one that of two.
void random_from_to(void* out, DType dtype, int64_t n, RandomRange range, Generator& gen) {
  dispatch_real_bool(dtype, "random_from_to_kernel_cpu", [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    T* data = static_cast<T*>(out);
    const uint64_t d = range.range, base = static_cast<uint64_t>(range.base);
    if (d == 0)
      map_words64(data, n, gen.impl(), [](uint64_t v) { return v; });
    else if (d < (uint64_t{1} << 28))
      modulo_fill(data, n, static_cast<uint32_t>(d), range.base, gen.impl());
    else
      map_words64(data, n, gen.impl(), [=](uint64_t v) { return v % d + base; });
  });
}

void random(void* out, DType dtype, int64_t n, Generator& gen) {
  dispatch_real_bool(dtype, "random_kernel_cpu", [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    T* data = static_cast<T*>(out);
    if constexpr (std::is_same_v<T, int64_t>) {
      map_words64(data, n, gen.impl(), [](uint64_t v) { return v & (~uint64_t{0} >> 1); });
    } else if constexpr (std::is_same_v<T, double>) {
      map_words64(data, n, gen.impl(), [](uint64_t v) { return v % ((uint64_t{1} << 53) + 1); });
    } else if constexpr (std::is_integral_v<T>) {
      for (int64_t i = 0; i < n; ++i) data[i] = static_cast<T>(gen.impl().random() & std::numeric_limits<T>::max());
    } else {
      modulo_fill(data, n, (1u << digits<T>)+1, 0, gen.impl());
    }
  });
}

// Fisher-Yates from the front; the remainder of one word would be biased for very long ones, which are built by
// inserting i at a place among the first i + 1.
void randperm(void* out, DType dtype, int64_t n, Generator& gen) {
  dispatch_real(dtype, "randperm", [&](auto t) {
    using T = decltype(t);
    std::lock_guard lock(gen.impl().mutex);
    GeneratorImpl& g = gen.impl();
    T* data = static_cast<T*>(out);
    if (n < std::numeric_limits<uint32_t>::max() / 20) {
      for (int64_t i = 0; i < n; ++i) data[i] = convert_int<T>(i);
      for (int64_t i = 0; i < n - 1; ++i) std::swap(data[i], data[i + g.random() % static_cast<uint32_t>(n - i)]);
    } else {
      for (int64_t i = 0; i < n; ++i) {
        const auto place = static_cast<int64_t>(g.random64() % static_cast<uint64_t>(i + 1));
        data[i] = data[place];
        data[place] = convert_int<T>(i);
      }
    }
  });
}

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
void multinomial_race(int64_t* out, const T* weights, int64_t categories, int64_t samples,
                      std::pair<Real, int64_t>* race, GeneratorImpl& gen) {
  for (int64_t j = 0; j < categories; ++j) {
    const T wait = convert<T>(-std::log1p(-unit(gen)));
    race[j] = {static_cast<Real>(T(static_cast<Real>(weights[j]) / static_cast<Real>(wait))), j};
  }
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

void multinomial(int64_t* out, const void* weights, DType dtype, int64_t rows, int64_t categories, int64_t samples,
                 bool replacement, Generator& gen) {
  check(samples > 0, "cannot sample n_sample <= 0 samples");
  check(replacement || samples <= categories,
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  check(categories <= (int64_t{1} << 24), "number of categories cannot exceed 2^24");
  dispatch_float(dtype, "multinomial", [&](auto t) {
    using T = decltype(t);
    using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const T* w = static_cast<const T*>(weights);
    for (int64_t r = 0; r < rows; ++r) {
      Real sum = 0;
      for (int64_t j = 0; j < categories; ++j) {
        const Real value = static_cast<Real>(w[r * categories + j]);
        check(value >= 0 && value < std::numeric_limits<Real>::infinity(),
              "probability tensor contains either `inf`, `nan` or element < 0");
        sum += value;
      }
      check(sum > 0, "invalid multinomial distribution (sum of probabilities <= 0)");
    }
    std::lock_guard lock(gen.impl().mutex);
    if (replacement && samples > 1) {
      const auto sums = std::make_unique_for_overwrite<Real[]>(static_cast<size_t>(categories));
      for (int64_t r = 0; r < rows; ++r)
        multinomial_inverse(out + r * samples, w + r * categories, categories, samples, sums.get(), gen.impl());
    } else {
      const auto race = std::make_unique<std::pair<Real, int64_t>[]>(static_cast<size_t>(categories));
      for (int64_t r = 0; r < rows; ++r)
        multinomial_race(out + r * samples, w + r * categories, categories, samples, race.get(), gen.impl());
    }
  });
}

}  // namespace rushlight::cpu
