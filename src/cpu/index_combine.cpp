// Accumulation under indices: sums, products, maxima and minima.
#include <cmath>

#include "cpu/boolean.h"
#include "cpu/index_loops.h"
#include "cpu/kernels.h"

namespace rushlight::cpu {

namespace {

template <class T>
struct Factor {
  using Type = T;
};
template <>
struct Factor<float16> {
  using Type = float;
};
template <>
struct Factor<bfloat16> {
  using Type = float;
};

struct Plus {
  static constexpr BinaryOp kBinary = BinaryOp::Add;
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_same_v<T, Boolean>)
      return a || b;
    else if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
    else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
      return T(static_cast<float>(a) + static_cast<float>(b));
    else
      return a + b;
  }
};

// By the elementwise kernel, for the same digits.
template <class T>
T product(T a, T b) {
  constexpr DType dtype = sizeof(T) == 8 ? DType::Complex64 : DType::Complex128;
  static const Loop loop = elementwise().binary[static_cast<int>(BinaryOp::Mul)][static_cast<int>(dtype)];
  char* const data[3] = {reinterpret_cast<char*>(&a), reinterpret_cast<char*>(&a), reinterpret_cast<char*>(&b)};
  constexpr int64_t strides[3] = {sizeof(T), sizeof(T), sizeof(T)};
  loop(data, strides, 1, nullptr);
  return a;
}

struct Times {
  static constexpr BinaryOp kBinary = BinaryOp::Mul;
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_same_v<T, Boolean>)
      return a && b;
    else if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
      return T(static_cast<float>(a) * static_cast<float>(b));
    else if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>)
      return product(a, b);
    else
      return a * b;
  }
};

// Larger or smaller of two; NaN wins. Not for complex numbers.
template <bool kLargest>
struct Extreme {
  static constexpr BinaryOp kBinary = kLargest ? BinaryOp::Maximum : BinaryOp::Minimum;
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_same_v<T, Boolean>)
      return kLargest ? a || b : a && b;
    else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
      return T(apply(static_cast<float>(a), static_cast<float>(b)));
    else if constexpr (std::is_floating_point_v<T>)
      return (kLargest ? b > a : b < a) || b != b ? b : a;
    else
      return (kLargest ? b > a : b < a) ? b : a;
  }
};

template <class T>
T plus_scaled(T a, T b, typename Factor<T>::Type alpha) {
  if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
    return T(static_cast<float>(a) + alpha * static_cast<float>(b));
  else
    return Plus::apply(a, Times::apply(b, alpha));
}

template <class Op, class T>
void combine_run(char* const* data, const int64_t* s, int64_t n, const IndexParams& p) {
  const int64_t stride = p.stride;
  char *const dst = data[0], *const src = data[1], *const index = data[2];
  if (p.alpha) {
    const auto alpha = *static_cast<const typename Factor<T>::Type*>(p.alpha);
    for (int64_t i = 0; i < n; ++i) {
      T& to = at<T>(dst, i * s[0] + at<int64_t>(index, i * s[2]) * stride);
      to = plus_scaled(to, at<T>(src, i * s[1]), alpha);
    }
  } else if (s[0] == 0 && s[1] == sizeof(T) && s[2] == 8) {
    const T* const x = reinterpret_cast<const T*>(src);
    const int64_t* const ix = reinterpret_cast<const int64_t*>(index);
    if (stride == sizeof(T))
      for_indices(ix, x, n, [=](int64_t k, T value) {
        T& to = reinterpret_cast<T*>(dst)[k];
        to = Op::apply(to, value);
      });
    else
      for_indices(ix, x, n, [=](int64_t k, T value) {
        T& to = at<T>(dst, k * stride);
        to = Op::apply(to, value);
      });
  } else {
    for (int64_t i = 0; i < n; ++i) {
      T& to = at<T>(dst, i * s[0] + at<int64_t>(index, i * s[2]) * stride);
      to = Op::apply(to, at<T>(src, i * s[1]));
    }
  }
}

template <class Op>
constexpr Loop kCombine[kNumComputeDTypes] = {
    checked<combine_run<Op, Boolean>>, checked<combine_run<Op, uint8_t>>,   checked<combine_run<Op, int8_t>>,
    checked<combine_run<Op, int16_t>>, checked<combine_run<Op, int32_t>>,   checked<combine_run<Op, int64_t>>,
    checked<combine_run<Op, float16>>, checked<combine_run<Op, bfloat16>>,  checked<combine_run<Op, float>>,
    checked<combine_run<Op, double>>,  checked<combine_run<Op, complex64>>, checked<combine_run<Op, complex128>>};
template <bool kLargest>
constexpr Loop kCombine<Extreme<kLargest>>[kNumComputeDTypes] = {checked<combine_run<Extreme<kLargest>, Boolean>>,
                                                                 checked<combine_run<Extreme<kLargest>, uint8_t>>,
                                                                 checked<combine_run<Extreme<kLargest>, int8_t>>,
                                                                 checked<combine_run<Extreme<kLargest>, int16_t>>,
                                                                 checked<combine_run<Extreme<kLargest>, int32_t>>,
                                                                 checked<combine_run<Extreme<kLargest>, int64_t>>,
                                                                 checked<combine_run<Extreme<kLargest>, float16>>,
                                                                 checked<combine_run<Extreme<kLargest>, bfloat16>>,
                                                                 checked<combine_run<Extreme<kLargest>, float>>,
                                                                 checked<combine_run<Extreme<kLargest>, double>>,
                                                                 nullptr,
                                                                 nullptr};

// alpha: only for sums
template <class Op, class T>
void combine_rows(char* dst, const char* src, const int64_t* index, int64_t n, int64_t stride, int64_t count,
                  const void* alpha) {
  if constexpr (!std::is_same_v<T, float16> && !std::is_same_v<T, bfloat16>) {
    // Long rows are worth a call of the loop made for this processor.
    const int d = static_cast<int>(DTypeOf<T>::value);
    const Loop loop = alpha ? elementwise().add_scaled[d] : elementwise().binary[static_cast<int>(Op::kBinary)][d];
    if (count >= 16 && loop) {
      constexpr int64_t strides[3] = {sizeof(T), sizeof(T), sizeof(T)};
      for (int64_t i = 0; i < n; ++i) {
        char* const to = dst + index[i] * stride;
        char* const data[3] = {to, to, const_cast<char*>(src) + i * count * static_cast<int64_t>(sizeof(T))};
        loop(data, strides, count, alpha);
      }
      return;
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    T* const to = reinterpret_cast<T*>(dst + index[i] * stride);
    const T* const x = reinterpret_cast<const T*>(src) + i * count;
    if (alpha) {
      const auto factor = *static_cast<const typename Factor<T>::Type*>(alpha);
#pragma GCC ivdep
      for (int64_t k = 0; k < count; ++k) to[k] = plus_scaled(to[k], x[k], factor);
    } else {
#pragma GCC ivdep
      for (int64_t k = 0; k < count; ++k) to[k] = Op::apply(to[k], x[k]);
    }
  }
}

using CombineRows = void (*)(char*, const char*, const int64_t*, int64_t, int64_t, int64_t, const void*);
template <class Op>
constexpr CombineRows kCombineRows[kNumComputeDTypes] = {
    combine_rows<Op, Boolean>, combine_rows<Op, uint8_t>, combine_rows<Op, int8_t>,    combine_rows<Op, int16_t>,
    combine_rows<Op, int32_t>, combine_rows<Op, int64_t>, combine_rows<Op, float16>,   combine_rows<Op, bfloat16>,
    combine_rows<Op, float>,   combine_rows<Op, double>,  combine_rows<Op, complex64>, combine_rows<Op, complex128>};
template <bool kLargest>
constexpr CombineRows kCombineRows<Extreme<kLargest>>[kNumComputeDTypes] = {combine_rows<Extreme<kLargest>, Boolean>,
                                                                            combine_rows<Extreme<kLargest>, uint8_t>,
                                                                            combine_rows<Extreme<kLargest>, int8_t>,
                                                                            combine_rows<Extreme<kLargest>, int16_t>,
                                                                            combine_rows<Extreme<kLargest>, int32_t>,
                                                                            combine_rows<Extreme<kLargest>, int64_t>,
                                                                            combine_rows<Extreme<kLargest>, float16>,
                                                                            combine_rows<Extreme<kLargest>, bfloat16>,
                                                                            combine_rows<Extreme<kLargest>, float>,
                                                                            combine_rows<Extreme<kLargest>, double>,
                                                                            nullptr,
                                                                            nullptr};

}  // namespace

Loop add_loop(DType d) {
  return static_cast<int>(d) < kNumComputeDTypes ? kCombine<Plus>[static_cast<int>(d)] : nullptr;
}
Loop multiply_loop(DType d) {
  return static_cast<int>(d) < kNumComputeDTypes ? kCombine<Times>[static_cast<int>(d)] : nullptr;
}
Loop maximum_loop(DType d) {
  return static_cast<int>(d) < kNumComputeDTypes ? kCombine<Extreme<true>>[static_cast<int>(d)] : nullptr;
}
Loop minimum_loop(DType d) {
  return static_cast<int>(d) < kNumComputeDTypes ? kCombine<Extreme<false>>[static_cast<int>(d)] : nullptr;
}

void combine_blocks(BinaryOp op, DType dtype, char* dst, const char* src, const int64_t* index, int64_t outer,
                    int64_t n, int64_t stride, int64_t dst_outer, int64_t count, const void* alpha) {
  if (count == 0 || n == 0) return;
  const int64_t bytes = count * item_size(dtype);
  const int d = static_cast<int>(dtype);
  const bool add = op == BinaryOp::Add, multiply = op == BinaryOp::Mul, largest = op == BinaryOp::Maximum;
  const CombineRows rows = (add        ? kCombineRows<Plus>
                            : multiply ? kCombineRows<Times>
                            : largest  ? kCombineRows<Extreme<true>>
                                       : kCombineRows<Extreme<false>>)[d];
  const Loop loop = add        ? add_loop(dtype)
                    : multiply ? multiply_loop(dtype)
                    : largest  ? maximum_loop(dtype)
                               : minimum_loop(dtype);
  const int64_t grain = std::max<int64_t>(kParallelBytes / 2 / bytes / n, 1);
  split(0, outer, grain, outer * n * bytes, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      if (count == 1) {
        // One element per index: the loop over indices is the inner one.
        char* const data[3] = {dst + o * dst_outer, const_cast<char*>(src) + o * n * bytes,
                               reinterpret_cast<char*>(const_cast<int64_t*>(index))};
        const int64_t strides[3] = {0, bytes, 8};
        IndexParams p;
        p.stride = stride;
        p.alpha = alpha;
        loop(data, strides, n, &p);
      } else {
        rows(dst + o * dst_outer, src + o * n * bytes, index, n, stride, count, alpha);
      }
    }
  });
}

}  // namespace rushlight::cpu
