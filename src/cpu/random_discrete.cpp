// Discrete distributions: trials, integers, permutations. The steps are those of torch.
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
constexpr int64_t highest_int() {
  return std::is_same_v<T, uint64_t> ? INT64_MAX : static_cast<int64_t>(std::numeric_limits<T>::max());
}

template <class T>
void check_bounds(const char* what, int64_t value, DType dtype) {
  bool inside;
  if constexpr (std::is_integral_v<T>)
    inside = value >= static_cast<int64_t>(std::numeric_limits<T>::lowest()) && value <= highest_int<T>();
  else
    inside = static_cast<double>(value) >= lowest_value<T>() && static_cast<double>(value) <= highest_value<T>();
  check(inside, what, " is out of bounds for ", cpp_type_name(dtype));
  if constexpr (is_real_float<T>) {
    constexpr int64_t exact = int64_t{1} << digits<T>;
    if (value >= -exact && value <= exact) return;
    Message m;
    m << what << " is out of bounds [-(2^" << digits<T> << "), 2^" << digits<T> << "]. Due to precision limitations "
      << cpp_type_name(dtype)
      << " can support discrete uniform distribution only within this range. This warning will become an error in "
         "version 1.7 release, please fix the code in advance";
    warn(m.text);
  }
}

// The integer dtypes without arithmetic can be filled, too.
template <class F>
void dispatch_random(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::UInt16: return f(uint16_t{});
    case DType::UInt32: return f(uint32_t{});
    case DType::UInt64: return f(uint64_t{});
    default: return dispatch_real_bool(dtype, op, f);
  }
}

}  // namespace

RandomRange random_range(DType dtype, int64_t from, std::optional<int64_t> to) {
  RandomRange result{};
  dispatch_random(dtype, "random_", [&](auto t) {
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
      last = to ? *to - 1 : highest_int<T>();
    }
    check_bounds<T>("from", low, dtype);
    check_bounds<T>("to - 1", last, dtype);
    result = {low, static_cast<uint64_t>(last) - static_cast<uint64_t>(low) + 1};
  });
  return result;
}

// A range below 2^28 takes the remainder of one word, a larger one that of two.
void random_from_to(void* out, DType dtype, int64_t n, RandomRange range, Generator& gen) {
  dispatch_random(dtype, "random_from_to_kernel_cpu", [&](auto t) {
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

}  // namespace rushlight::cpu
