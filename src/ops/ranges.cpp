// Evenly spaced numbers: arange, range, linspace, logspace.
#include <algorithm>
#include <cmath>
#include <complex>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "ops/elementwise.h"
#include "rushlight/creation.h"

namespace rushlight {

namespace {

constexpr int kChunk = 1024;

// Integers that int64 cannot hold become its least value, as on x86, without undefined behaviour.
template <class T>
T cut(double value) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(value >= -0x1p63 && value < 0x1p63 ? static_cast<int64_t>(value) : INT64_MIN);
  else
    return static_cast<T>(value);
}

// Calls f(begin, end) for pieces of [0, n).
template <class F>
void for_pieces(int64_t n, F f) {
  cpu::BlockingRegion region(n > cpu::kSerialElements);
  parallel_for(0, n, 1 << 16, f);
}

// out[i] = f(i) for begin <= i < end. The index is the sum of a double and a small int, which vectorises everywhere.
template <class T, class F>
void generate(T* out, int64_t begin, int64_t end, const F& f) {
  for (int64_t i = begin; i < end; i += kChunk) {
    const double first = static_cast<double>(i);
    const int count = static_cast<int>(std::min<int64_t>(kChunk, end - i));
    for (int j = 0; j < count; ++j) out[i + j] = cut<T>(f(first + j));
  }
}

// A tensor of any real dtype with the elements f(0) ... f(half - 1), g(half) ... g(n - 1): doubles of a double.
template <class F, class G>
Tensor generated(int64_t n, DType dtype, int64_t half, const F& f, const G& g) {
  const Tensor t = empty(DimVector{n}, dtype);
  const auto fill = [&](auto zero, const Tensor& to) {
    auto* const out = to.data_ptr<decltype(zero)>();
    for_pieces(n, [&](int64_t begin, int64_t end) {
      generate(out, begin, std::min(end, half), f);
      generate(out, std::max(begin, half), end, g);
    });
  };
  switch (dtype) {
    case DType::UInt8: fill(uint8_t{}, t); break;
    case DType::Int8: fill(int8_t{}, t); break;
    case DType::Int16: fill(int16_t{}, t); break;
    case DType::Int32: fill(int32_t{}, t); break;
    case DType::Int64: fill(int64_t{}, t); break;
    case DType::Float32: fill(float{}, t); break;
    case DType::Float64: fill(double{}, t); break;
    default: {  // half precision
      const Tensor wide = empty(DimVector{n}, DType::Float64);
      fill(double{}, wide);
      cpu::copy_elements(t, wide);
    }
  }
  return t;
}

// a + i * s in wrapping arithmetic.
template <class T>
void count_up(const Tensor& t, uint64_t a, uint64_t s) {
  T* const out = reinterpret_cast<T*>(t.data());
  for_pieces(t.numel(), [=](int64_t begin, int64_t end) {
    uint64_t value = a + static_cast<uint64_t>(begin) * s;
    for (int64_t i = begin; i < end; ++i, value += s) out[i] = static_cast<T>(value);
  });
}

[[noreturn, gnu::cold]] void fail_dtype(const char* kernel, DType dtype) {
  fail<NotImplementedError>("\"", kernel, "\" not implemented for '", dtype, "'");
}
// bool, complex and the dtypes without kernels
bool has_arithmetic(DType dtype) {
  return dtype != DType::Bool && !is_complex(dtype) && static_cast<int>(dtype) < kNumComputeDTypes;
}

[[noreturn, gnu::cold]] void fail_complex() { fail("value cannot be converted to type double without overflow"); }

int64_t checked_count(double count) {
  if (!(count >= 0 && count < 9.2e18)) fail("invalid size, possible overflow?");
  return static_cast<int64_t>(count);
}

void check_range(double start, double end, double step) {
  if (!(step > 0 || step < 0)) fail("step must be nonzero");
  if (!std::isfinite(start) || !std::isfinite(end)) fail("unsupported range: ", start, " -> ", end);
  if ((step > 0 && end < start) || (step < 0 && end > start))
    fail("upper bound and lower bound inconsistent with step sign");
}

// start + i * step: for integers in wrapping arithmetic, else in double, rounded once.
Tensor progression(int64_t n, DType d, const Scalar& start, const Scalar& step) {
  if (!is_integral(d, false)) {
    const auto at = [a = start.to_double(), s = step.to_double()](double i) { return a + i * s; };
    return generated(n, d, n, at, at);
  }
  const Tensor t = empty(DimVector{n}, d);
  const auto a = static_cast<uint64_t>(start.to_int()), s = static_cast<uint64_t>(step.to_int());
  switch (d) {
    case DType::UInt8: count_up<uint8_t>(t, a, s); break;
    case DType::Int8: count_up<int8_t>(t, a, s); break;
    case DType::Int16: count_up<int16_t>(t, a, s); break;
    case DType::Int32: count_up<int32_t>(t, a, s); break;
    default: count_up<int64_t>(t, a, s);
  }
  return t;
}

}  // namespace

Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step, OptDType dtype) {
  const bool integral = start.is_integral(true) && end.is_integral(true) && step.is_integral(true);
  const DType d = dtype.value_or(integral ? DType::Int64 : default_dtype());
  if (!has_arithmetic(d)) fail_dtype("arange_cpu", d);
  if (start.is_complex() || end.is_complex() || step.is_complex()) fail_complex();
  check_range(start.to_double(), end.to_double(), step.to_double());
  for (const Scalar* number : {&start, &end, &step})
    if (is_integral(d, false) && number->is_integral(true)) number->check_fits(DType::Int64);
  int64_t n;
  if (integral || d == DType::Int64) {
    // In integers, so that no size is lost to rounding.
    for (const Scalar* number : {&start, &end, &step})
      if (std::abs(number->to_double()) >= 0x1p63 && !number->is_integral(true))
        fail("invalid size, possible overflow?");
    const __int128 from = start.is_wide() ? static_cast<__int128>(start.to_double()) : start.to_int();
    const __int128 to = end.is_wide() ? static_cast<__int128>(end.to_double()) : end.to_int();
    const __int128 by = step.is_wide() ? static_cast<__int128>(step.to_double()) : step.to_int();
    if (by == 0) fail<ValueError>("step must be nonzero");
    n = checked_count(static_cast<double>((to - from + by - (by > 0 ? 1 : -1)) / by));
  } else {
    n = checked_count(std::ceil((end.to_double() - start.to_double()) / step.to_double()));
  }
  return progression(n, d, start, step);
}

Tensor range(const Scalar& start, const Scalar& end, const Scalar& step, OptDType dtype) {
  const DType d = dtype.value_or(default_dtype());
  if (!has_arithmetic(d)) fail_dtype("range_cpu", d);
  if (start.is_complex() || end.is_complex() || step.is_complex()) fail_complex();
  const double a = start.to_double(), b = end.to_double(), s = step.to_double();
  check_range(a, b, s);
  if (is_integral(d, false)) {
    // The numbers are cut to integers first.
    const int64_t by = step.to_int();
    if (by == 0) fail<ValueError>("step must be nonzero");
    const __int128 distance = static_cast<__int128>(end.to_int()) - start.to_int();
    return progression(checked_count(std::max(0.0, static_cast<double>(distance / by + 1))), d, start, step);
  }
  // Half precision counts in float.
  const bool half = d == DType::Float16 || d == DType::BFloat16;
  const double steps = half ? (static_cast<float>(b) - static_cast<float>(a)) / static_cast<float>(s) : (b - a) / s;
  return progression(checked_count(std::floor(steps) + 1), d, start, step);
}

// ---- linspace and logspace: from both ends towards the middle, so that the last value is exactly `end`

namespace {

// Rounds the exact result of one operation as arithmetic in the dtype does.
double round_to(DType d, double value) {
  switch (d) {
    case DType::Float16: return static_cast<float>(float16(static_cast<float>(value)));
    case DType::BFloat16: return static_cast<float>(bfloat16(static_cast<float>(value)));
    case DType::Float32: return static_cast<float>(value);
    default: return value;
  }
}

struct Ramp {
  int64_t steps;
  double start, end, step;
};

// The exponent or value at i, counted from the start and from the end; half precision rounds after each operation, as
// its arithmetic does. Calls use(first, second).
template <class F>
Tensor with_halves(const Ramp& r, DType d, F use) {
  const double last = static_cast<double>(r.steps - 1);
  if (d == DType::Float16 || d == DType::BFloat16)
    return use([=](double i) { return round_to(d, r.start + round_to(d, r.step * i)); },
               [=](double i) { return round_to(d, r.end - round_to(d, r.step * (last - i))); });
  return use([=](double i) { return r.start + r.step * i; }, [=](double i) { return r.end - r.step * (last - i); });
}

// The ends are rounded (for integers: cut) to the dtype, the step is rounded to that of the floating-point dtypes.
Ramp make_ramp(const Scalar& start, const Scalar& end, int64_t steps, DType d) {
  Ramp r{steps, 0, 0, 0};
  if (steps == 0) return r;
  start.check_fits(d);
  end.check_fits(d);
  if (d == DType::UInt8) {  // the one unsigned type: small negative integers wrap
    r.start = static_cast<uint8_t>(start.to_int());
    r.end = static_cast<uint8_t>(end.to_int());
  } else if (is_integral(d, false)) {
    r.start = static_cast<double>(start.to_int());
    r.end = static_cast<double>(end.to_int());
  } else {
    r.start = round_to(d, start.to_double());
    r.end = round_to(d, end.to_double());
  }
  if (steps > 1) r.step = round_to(d, round_to(d, r.end - r.start) / static_cast<double>(steps - 1));
  return r;
}

void check_spaced(const char* function, const char* kernel, const Scalar& start, const Scalar& end, int64_t steps,
                  OptDType dtype, DType d) {
  if (steps < 0) fail("number of steps must be non-negative");
  if ((start.is_complex() || end.is_complex()) && dtype && !is_complex(d))
    fail("torch.", function, "(): inferred dtype ", cpp_type_name(to_complex(default_dtype())),
         " can't be safely cast to passed dtype ", d);
  if (!is_complex(d) && !has_arithmetic(d)) fail_dtype(kernel, d);
  if (d == DType::Complex32) fail_dtype(kernel, d);
}

DType spaced_dtype(const Scalar& start, const Scalar& end, OptDType dtype) {
  return dtype.value_or(start.is_complex() || end.is_complex() ? to_complex(default_dtype()) : default_dtype());
}

Tensor complex_ramp(const Scalar& start, const Scalar& end, int64_t steps) {
  const Tensor t = empty(DimVector{steps}, DType::Complex128);
  const std::complex<double> a = start.to_complex(), b = end.to_complex();
  const std::complex<double> step = steps > 1 ? (b - a) / static_cast<double>(steps - 1) : 0;
  complex128* const out = t.data_ptr<complex128>();
  for (int64_t i = 0; i < steps; ++i)
    out[i] = i < steps / 2 ? a + step * static_cast<double>(i) : b - step * static_cast<double>(steps - 1 - i);
  if (steps == 1) out[0] = a;
  return t;
}

}  // namespace

Tensor linspace(const Scalar& start, const Scalar& end, int64_t steps, OptDType dtype) {
  const DType d = spaced_dtype(start, end, dtype);
  check_spaced("linspace", "linspace_cpu", start, end, steps, dtype, d);
  if (is_complex(d)) return to(complex_ramp(start, end, steps), d);
  if (steps == 1) return full(DimVector{1}, start, d);
  return with_halves(make_ramp(start, end, steps, d), d,
                     [=](auto first, auto second) { return generated(steps, d, steps / 2, first, second); });
}

Tensor logspace(const Scalar& start, const Scalar& end, int64_t steps, double base, OptDType dtype) {
  const DType d = spaced_dtype(start, end, dtype);
  check_spaced("logspace", "logspace_cpu", start, end, steps, dtype, d);
  if (is_complex(d)) {
    const Tensor t = complex_ramp(start, end, steps);
    complex128* const out = t.data_ptr<complex128>();
    for (int64_t i = 0; i < steps; ++i) out[i] = std::pow(std::complex<double>(base), out[i]);
    return to(t, d);
  }
  if (steps == 1) return full(DimVector{1}, std::pow(base, start.to_double()), d);
  const Ramp ramp = make_ramp(start, end, steps, d);
  const double b = round_to(d, base);
  // A power multiplies the rounding errors of its exponent: those of the dtype belong to the result.
  return with_halves(ramp, d, [=](auto first, auto second) {
    return generated(
        steps, d, steps / 2, [=](double i) { return std::pow(b, round_to(d, first(i))); },
        [=](double i) { return std::pow(b, round_to(d, second(i))); });
  });
}

}  // namespace rushlight
