// New tensors from sizes and values.
#include <cmath>

#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "ops/elementwise.h"
#include "rushlight/memory.h"

namespace rushlight {

Tensor empty(IntSpan sizes, OptDType dtype, Device device) {
  const DType d = dtype.value_or(default_dtype());
  if (static_cast<int64_t>(sizes.size()) > kMaxDims)
    fail("empty: tensors have at most ", kMaxDims, " dimensions, got ", sizes.size());
  const int64_t n = layout::checked_numel(sizes, item_size(d));
  auto storage = Storage::allocate(static_cast<size_t>(n * item_size(d)), device);
  return Tensor::adopt(TensorImpl::create_contiguous(std::move(storage), d, sizes, n));
}

Tensor empty_strided(IntSpan sizes, IntSpan strides, OptDType dtype, Device device) {
  const DType d = dtype.value_or(default_dtype());
  if (sizes.size() != strides.size())
    fail("dimensionality of sizes (", sizes.size(), ") must match dimensionality of strides (", strides.size(), ")");
  if (static_cast<int64_t>(sizes.size()) > kMaxDims)
    fail("empty_strided: tensors have at most ", kMaxDims, " dimensions, got ", sizes.size());
  for (int64_t s : strides)
    if (s < 0) fail("empty_strided: negative strides are not supported, got ", strides);
  const int64_t n = layout::checked_numel(sizes, item_size(d));
  const int64_t elements = n == 0 ? 0 : layout::required_elements(sizes, strides, 0);
  int64_t bytes;
  if (__builtin_mul_overflow(elements, item_size(d), &bytes))
    fail("Storage size calculation overflowed with sizes=", sizes, " and strides=", strides);
  auto storage = Storage::allocate(static_cast<size_t>(bytes), device);
  return Tensor::adopt(TensorImpl::create(std::move(storage), d, sizes, strides, 0));
}

Tensor empty_like(const Tensor& self, OptDType dtype) {
  const DType d = dtype.value_or(self.dtype());
  if (self.is_contiguous()) {
    Tensor r = empty(self.sizes(), d, self.device());
    // Strides that are never followed (of dims of size 1, of empty tensors) are kept, too.
    if (!equal(r.strides(), self.strides())) r.impl()->set_geometry(self.sizes(), self.strides(), 0);
    return r;
  }
  return empty_strided(self.sizes(), layout::dense_strides_like(self.sizes(), self.strides()), d, self.device());
}

Tensor zeros(IntSpan sizes, OptDType dtype, Device device) { return zero_(empty(sizes, dtype, device)); }
Tensor ones(IntSpan sizes, OptDType dtype, Device device) { return fill_(empty(sizes, dtype, device), 1); }

Tensor full(IntSpan sizes, const Scalar& value, OptDType dtype, Device device) {
  return fill_(empty(sizes, dtype.value_or(value.dtype()), device), value);
}

Tensor zeros_like(const Tensor& self, OptDType dtype) { return zero_(empty_like(self, dtype)); }
Tensor ones_like(const Tensor& self, OptDType dtype) { return fill_(empty_like(self, dtype), 1); }
Tensor full_like(const Tensor& self, const Scalar& value, OptDType dtype) {
  return fill_(empty_like(self, dtype), value);
}
Tensor scalar_tensor(const Scalar& value, OptDType dtype) { return full({}, value, dtype.value_or(default_dtype())); }

namespace {

template <class T, class F>
void generate(const Tensor& t, F f) {
  T* out = t.data_ptr<T>();
  for (int64_t i = 0; i < t.numel(); ++i) out[i] = static_cast<T>(f(i));
}

// Fills a contiguous tensor of any real dtype with f(i), a double or an int64.
template <class F>
Tensor generated(int64_t n, DType dtype, F f) {
  const Tensor t = empty(DimVector{n}, dtype);
  switch (dtype) {
    case DType::UInt8: generate<uint8_t>(t, f); break;
    case DType::Int8: generate<int8_t>(t, f); break;
    case DType::Int16: generate<int16_t>(t, f); break;
    case DType::Int32: generate<int32_t>(t, f); break;
    case DType::Int64: generate<int64_t>(t, f); break;
    case DType::Float32: generate<float>(t, f); break;
    case DType::Float64: generate<double>(t, f); break;
    default: {
      const Tensor wide = empty(DimVector{n}, is_integral(dtype, true) ? DType::Int64 : DType::Float64);
      if (wide.dtype() == DType::Int64)
        generate<int64_t>(wide, f);
      else
        generate<double>(wide, f);
      cpu::copy_elements(t, wide);
    }
  }
  return t;
}

}  // namespace

Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step, OptDType dtype) {
  const bool integral = start.is_integral(true) && end.is_integral(true) && step.is_integral(true);
  const DType d = dtype.value_or(integral ? DType::Int64 : default_dtype());
  if (start.is_complex() || end.is_complex() || step.is_complex() || is_complex(d))
    fail<NotImplementedError>("\"arange_cpu\" not implemented for '", is_complex(d) ? d : DType::Complex64, "'");
  if (d == DType::Bool) fail<NotImplementedError>("\"arange_cpu\" not implemented for 'Bool'");
  const double a = start.to_double(), b = end.to_double(), s = step.to_double();
  if (s == 0) fail("step must be nonzero");
  if (!std::isfinite(a) || !std::isfinite(b)) fail("unsupported range: ", a, " -> ", b);
  if ((s > 0 && b < a) || (s < 0 && b > a)) fail("upper bound and lower bound inconsistent with step sign");
  double count;
  if (integral || d == DType::Int64) {
    // In integers, so that no size is lost to rounding.
    for (const Scalar* number : {&start, &end, &step}) number->check_fits(DType::Int64);
    const __int128 distance = static_cast<__int128>(end.to_int()) - start.to_int();
    const int64_t st = step.to_int();
    if (st == 0) fail("step must be nonzero");
    count = static_cast<double>((distance + st - (st > 0 ? 1 : -1)) / st);
  } else {
    count = std::ceil((b - a) / s);
  }
  if (!(count >= 0 && count < 9.2e18)) fail("invalid size, possible overflow?");
  const int64_t n = static_cast<int64_t>(count);
  if (is_integral(d, false)) {
    const uint64_t ia = static_cast<uint64_t>(start.to_int()), is = static_cast<uint64_t>(step.to_int());
    return generated(n, d, [=](int64_t i) { return static_cast<int64_t>(ia + static_cast<uint64_t>(i) * is); });
  }
  if (d == DType::Float32) {
    // torch accumulates in double for float32.
    return generated(n, d, [=](int64_t i) { return a + static_cast<double>(i) * s; });
  }
  return generated(n, d, [=](int64_t i) { return a + static_cast<double>(i) * s; });
}

Tensor linspace(const Scalar& start, const Scalar& end, int64_t steps, OptDType dtype) {
  if (steps < 0) fail("number of steps must be non-negative");
  const bool complex = start.is_complex() || end.is_complex();
  const DType d = dtype.value_or(complex ? to_complex(default_dtype()) : default_dtype());
  if (is_complex(d)) {
    const Tensor t = empty(DimVector{steps}, DType::Complex128);
    const std::complex<double> a = start.to_complex(), b = end.to_complex();
    const std::complex<double> step = steps > 1 ? (b - a) / static_cast<double>(steps - 1) : 0;
    for (int64_t i = 0; i < steps; ++i)
      t.data_ptr<complex128>()[i] =
          i < steps / 2 ? a + step * static_cast<double>(i) : b - step * static_cast<double>(steps - 1 - i);
    return to(t, d);
  }
  if (complex) fail("linspace(): inferred dtype ComplexFloat can't be safely cast to passed dtype ", d);
  // From both ends towards the middle, so that the last value is exactly `end`.
  if (d == DType::Float32) {
    const float a = static_cast<float>(start.to_double()), b = static_cast<float>(end.to_double());
    const float step = steps > 1 ? (b - a) / static_cast<float>(steps - 1) : 0;
    if (steps == 1) return full(DimVector{1}, start, d);
    return generated(steps, d, [=](int64_t i) {
      return i < steps / 2 ? a + step * static_cast<float>(i) : b - step * static_cast<float>(steps - 1 - i);
    });
  }
  const double a = start.to_double(), b = end.to_double();
  const double step = steps > 1 ? (b - a) / static_cast<double>(steps - 1) : 0;
  if (steps == 1) return full(DimVector{1}, start, d);
  if (is_integral(d, false)) {
    // The ends are cut to integers first, the steps between them are not.
    const double from = static_cast<double>(start.to_int()), to = static_cast<double>(end.to_int());
    const double part = steps > 1 ? (to - from) / static_cast<double>(steps - 1) : 0;
    return generated(steps, d, [=](int64_t i) {
      return static_cast<int64_t>(i < steps / 2 ? from + part * static_cast<double>(i)
                                                : to - part * static_cast<double>(steps - 1 - i));
    });
  }
  return generated(steps, d, [=](int64_t i) {
    return i < steps / 2 ? a + step * static_cast<double>(i) : b - step * static_cast<double>(steps - 1 - i);
  });
}

Tensor eye(int64_t n, OptInt m, OptDType dtype) {
  if (n < 0) fail("n must be greater or equal to 0, got ", n);
  if (m && *m < 0) fail("m must be greater or equal to 0, got ", *m);
  const Tensor t = zeros(DimVector{n, m.value_or(n)}, dtype);
  NoGradGuard no_grad;
  fill_(diagonal(t), 1);
  return t;
}

Tensor from_data(const void* data, IntSpan sizes, DType dtype) {
  const Tensor t = empty(sizes, dtype);
  if (t.numel()) std::memcpy(t.data(), data, static_cast<size_t>(t.nbytes()));
  return t;
}

Tensor from_blob(void* data, IntSpan sizes, IntSpan strides, DType dtype, Storage::Deleter deleter, void* context,
                 bool read_only) {
  if (sizes.size() != strides.size()) fail("from_blob: got ", sizes.size(), " sizes and ", strides.size(), " strides");
  if (static_cast<int64_t>(sizes.size()) > kMaxDims)
    fail("from_blob: tensors have at most ", kMaxDims, " dimensions, got ", sizes.size());
  layout::checked_numel(sizes, item_size(dtype));
  for (int64_t s : strides)
    if (s < 0) fail<ValueError>("from_blob: negative strides are not supported, got ", strides);
  int64_t bytes = 0;
  if (layout::checked_numel(sizes) > 0)
    if (__builtin_mul_overflow(layout::required_elements(sizes, strides, 0), item_size(dtype), &bytes))
      fail("from_blob: size overflows with sizes=", sizes, " and strides=", strides);
  if (!deleter) deleter = [](void*, void*, size_t) {};
  auto storage = Storage::wrap(data, static_cast<size_t>(bytes), {}, deleter, context, read_only);
  return Tensor::adopt(TensorImpl::create(std::move(storage), dtype, sizes, strides, 0));
}

}  // namespace rushlight
