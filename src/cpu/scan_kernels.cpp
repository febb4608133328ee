// Running sums and products, compiled once per instruction set.
#include "cpu/reduce_kernels.h"
#include "cpu/reduce_loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

template <class R>
struct Cx {
  R re, im;
  friend RL_INLINE Cx operator+(Cx a, Cx b) { return {a.re + b.re, a.im + b.im}; }
  friend RL_INLINE Cx operator*(Cx a, Cx b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
};

template <class T>
struct Wide {
  using type = T;
  static RL_INLINE T load(T x) { return x; }
  static RL_INLINE T store(T x) { return x; }
};
template <>
struct Wide<float> {
  using type = double;
  static RL_INLINE double load(float x) { return x; }
  static RL_INLINE float store(double x) { return static_cast<float>(x); }
};
template <class H>
struct WideHalf {
  using type = float;
  static RL_INLINE float load(H x) { return H::to_float(x.bits); }
  static RL_INLINE H store(float x) {
    H h;
    h.bits = H::from_float(x);
    return h;
  }
};
template <>
struct Wide<float16> : WideHalf<float16> {};
template <>
struct Wide<bfloat16> : WideHalf<bfloat16> {};
template <>
struct Wide<Cx<float>> {
  using type = Cx<double>;
  static RL_INLINE Cx<double> load(Cx<float> x) { return {x.re, x.im}; }
  static RL_INLINE Cx<float> store(Cx<double> x) { return {static_cast<float>(x.re), static_cast<float>(x.im)}; }
};

template <bool Product, class A>
RL_INLINE A step(A a, A b) {
  if constexpr (std::is_integral_v<A>) {
    const uint64_t p = static_cast<uint64_t>(a), q = static_cast<uint64_t>(b);
    return static_cast<A>(Product ? p * q : p + q);
  } else {
    if constexpr (Product)
      return a * b;
    else
      return a + b;
  }
}

template <bool Product, class T>
void rows(const ScanBlock& b) {
  using W = Wide<T>;
  for (int64_t r = 0; r < b.rows; ++r) {
    const T* x = reinterpret_cast<const T*>(b.in) + r * b.n;
    T* out = reinterpret_cast<T*>(b.out) + r * b.n;
    typename W::type a = W::load(x[0]);
    out[0] = x[0];
    for (int64_t i = 1; i < b.n; ++i) {
      a = step<Product>(a, W::load(x[i]));
      out[i] = W::store(a);
    }
  }
}

template <bool Product, class T>
void cols(const ScanBlock& b) {
  using W = Wide<T>;
  constexpr int64_t kStrip = 512;
  typename W::type a[kStrip];
  for (int64_t first = 0; first < b.rows; first += kStrip) {
    const int64_t m = b.rows - first < kStrip ? b.rows - first : kStrip;
    const T* x = reinterpret_cast<const T*>(b.in) + first;
    T* out = reinterpret_cast<T*>(b.out) + first;
    for (int64_t j = 0; j < m; ++j) {
      a[j] = W::load(x[j]);
      out[j] = x[j];
    }
    for (int64_t i = 1; i < b.n; ++i) {
      const T* y = x + i * b.stride;
      T* o = out + i * b.stride;
#pragma GCC ivdep
      for (int64_t j = 0; j < m; ++j) {
        a[j] = step<Product>(a[j], W::load(y[j]));
        o[j] = W::store(a[j]);
      }
    }
  }
}

template <class T>
void fill(ReduceTable& t, DType dtype) {
  t.cumsum[static_cast<int>(dtype)] = {rows<false, T>, cols<false, T>};
  t.cumprod[static_cast<int>(dtype)] = {rows<true, T>, cols<true, T>};
}

}  // namespace

void fill_scan(ReduceTable& t) {
  fill<uint8_t>(t, DType::UInt8);
  fill<int8_t>(t, DType::Int8);
  fill<int16_t>(t, DType::Int16);
  fill<int32_t>(t, DType::Int32);
  fill<int64_t>(t, DType::Int64);
  fill<float16>(t, DType::Float16);
  fill<bfloat16>(t, DType::BFloat16);
  fill<float>(t, DType::Float32);
  fill<double>(t, DType::Float64);
  fill<Cx<float>>(t, DType::Complex64);
  fill<Cx<double>>(t, DType::Complex128);
}

}  // namespace rushlight::cpu::RL_ISA
