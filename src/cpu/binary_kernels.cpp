// Elementwise functions of two operands, compiled once per instruction set.
#include <type_traits>

#include "cpu/boolean.h"
#include "cpu/complex_arithmetic.h"
#include "cpu/divide_integers.h"
#include "cpu/loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T>;

// Integers wrap: arithmetic on the unsigned type of at least the same width.
template <class T>
using Wrap = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

struct AddF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    if constexpr (kIsComplex<T>)
      return {a.re + b.re, a.im + b.im};
    else if constexpr (std::is_same_v<T, Boolean>)
      return a | b;
    else if constexpr (kIsFloat<T>)
      return a + b;
    else
      return static_cast<T>(static_cast<Wrap<T>>(a) + static_cast<Wrap<T>>(b));
  }
};
struct SubF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    if constexpr (kIsComplex<T>)
      return {a.re - b.re, a.im - b.im};
    else if constexpr (kIsFloat<T>)
      return a - b;
    else
      return static_cast<T>(static_cast<Wrap<T>>(a) - static_cast<Wrap<T>>(b));
  }
};
struct MulF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    if constexpr (kIsComplex<T>)
      return product(a, b);
    else if constexpr (std::is_same_v<T, Boolean>)
      return a & b;
    else if constexpr (kIsFloat<T>)
      return a * b;
    else
      return static_cast<T>(static_cast<Wrap<T>>(a) * static_cast<Wrap<T>>(b));
  }
};
struct DivF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    return a / b;
  }
};
// Integer division by zero was refused before; -2^63 / -1 wraps.
template <class T>
RL_INLINE T quotient(T a, T b) {
  if (b == T(0)) return T(0);
  if constexpr (std::is_signed_v<T>)
    if (b == T(-1)) return static_cast<T>(Wrap<T>(0) - static_cast<Wrap<T>>(a));
  return static_cast<T>(a / b);
}
template <class T>
RL_INLINE T rest(T a, T b) {
  if (b == T(0)) return T(0);
  if constexpr (std::is_signed_v<T>)
    if (b == T(-1)) return T(0);
  return static_cast<T>(a % b);
}
RL_INLINE float trunc_of(float a) { return __builtin_truncf(a); }
RL_INLINE double trunc_of(double a) { return __builtin_trunc(a); }
RL_INLINE float copysign_of(float a, float b) { return __builtin_copysignf(a, b); }
RL_INLINE double copysign_of(double a, double b) { return __builtin_copysign(a, b); }

struct DivTruncF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    if constexpr (kIsFloat<T>)
      return trunc_of(a / b);
    else
      return quotient(a, b);
  }
};
struct FloorDivideF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    const T q = quotient(a, b);
    if constexpr (std::is_signed_v<T>)
      if (rest(a, b) != 0 && ((a < 0) != (b < 0))) return static_cast<T>(q - 1);
    return q;
  }
};
struct RemainderF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    const T r = rest(a, b);
    if constexpr (std::is_signed_v<T>)
      if (r != 0 && ((r < 0) != (b < 0))) return static_cast<T>(r + b);
    return r;
  }
};
struct FmodF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    return rest(a, b);
  }
};
struct IntPowF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    if constexpr (std::is_signed_v<T>)
      if (b < 0) {
        if (a == 1) return 1;
        if (a == -1) return (b & 1) ? T(-1) : T(1);
        return 0;
      }
    Wrap<T> result = 1, base = static_cast<Wrap<T>>(a);
    for (auto e = static_cast<std::make_unsigned_t<T>>(b); e; e = static_cast<decltype(e)>(e >> 1)) {
      if (e & 1) result *= base;
      base *= base;
    }
    return static_cast<T>(result);
  }
};
struct MaximumF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    if constexpr (kIsFloat<T>)
      return a != a ? a : (a > b ? a : b);  // a NaN b wins the comparison by losing it
    else
      return a > b ? a : b;
  }
};
struct MinimumF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    if constexpr (kIsFloat<T>)
      return a != a ? a : (a < b ? a : b);
    else
      return a < b ? a : b;
  }
};
struct FmaxF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    if constexpr (kIsFloat<T>)
      return b != b ? a : (a > b ? a : b);
    else
      return a > b ? a : b;
  }
};
struct FminF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    if constexpr (kIsFloat<T>)
      return b != b ? a : (a < b ? a : b);
    else
      return a < b ? a : b;
  }
};

#define RL_COMPARE(Name, op)               \
  struct Name##F {                         \
    template <class T>                     \
    RL_INLINE static bool call(T a, T b) { \
      return a op b;                       \
    }                                      \
  };
RL_COMPARE(Lt, <)
RL_COMPARE(Le, <=)
RL_COMPARE(Gt, >)
RL_COMPARE(Ge, >=)
#undef RL_COMPARE
struct EqF {
  template <class T>
  RL_INLINE static bool call(T a, T b) {
    if constexpr (kIsComplex<T>)
      return (a.re == b.re) & (a.im == b.im);
    else
      return a == b;
  }
};
struct NeF {
  template <class T>
  RL_INLINE static bool call(T a, T b) {
    return !EqF::call(a, b);
  }
};
template <class T>
RL_INLINE bool truth(T a) {
  if constexpr (kIsComplex<T>)
    return (a.re != 0) | (a.im != 0);
  else
    return a != T(0);
}
struct LogicalAndF {
  template <class T>
  RL_INLINE static bool call(T a, T b) {
    return truth(a) & truth(b);
  }
};
struct LogicalOrF {
  template <class T>
  RL_INLINE static bool call(T a, T b) {
    return truth(a) | truth(b);
  }
};
struct LogicalXorF {
  template <class T>
  RL_INLINE static bool call(T a, T b) {
    return truth(a) != truth(b);
  }
};
#define RL_BITWISE(Name, op)            \
  struct Name##F {                      \
    template <class T>                  \
    RL_INLINE static T call(T a, T b) { \
      return static_cast<T>(a op b);    \
    }                                   \
  };
RL_BITWISE(BitwiseAnd, &)
RL_BITWISE(BitwiseOr, |)
RL_BITWISE(BitwiseXor, ^)
#undef RL_BITWISE
struct LeftShiftF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    constexpr int bits = 8 * sizeof(T);
    if (static_cast<std::make_unsigned_t<T>>(b) >= bits) return 0;
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) << b);
  }
};
struct RightShiftF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    constexpr int bits = 8 * sizeof(T);
    const bool big = static_cast<std::make_unsigned_t<T>>(b) >= bits;
    return static_cast<T>(a >> (big ? bits - 1 : b)) & (big && std::is_unsigned_v<T> ? T(0) : T(~T(0)));
  }
};

struct CopysignF {
  template <class T>
  RL_INLINE static T call(T a, T b) {
    return copysign_of(a, b);
  }
};
// 0 for x < 0 and NaN, `values` for 0, 1 for x > 0.
struct HeavisideF {
  template <class T>
  RL_INLINE static T call(T x, T values) {
    return x == T(0) ? values : T(x > T(0));
  }
};
// Of magnitudes; that of the lowest integer wraps in the end.
struct GcdF {
  template <class T>
  RL_INLINE static auto magnitude(T x) {
    using U = std::make_unsigned_t<T>;
    return x < T(0) ? static_cast<U>(U(0) - static_cast<U>(x)) : static_cast<U>(x);
  }
  template <class T>
  RL_INLINE static T call(T x, T y) {
    auto a = magnitude(x), b = magnitude(y);
    while (b != 0) {
      const auto rest = static_cast<decltype(a)>(a % b);
      a = b;
      b = rest;
    }
    return static_cast<T>(a);
  }
};
struct LcmF {
  template <class T>
  RL_INLINE static T call(T x, T y) {
    const T gcd = GcdF::call(x, y);
    if (gcd == T(0)) return T(0);
    // The magnitude before a small type wraps.
    using Wide = std::conditional_t<(sizeof(T) < 4), int32_t, T>;
    const auto product = static_cast<Wide>(static_cast<Wrap<T>>(quotient(x, gcd)) * static_cast<Wrap<T>>(y));
    return static_cast<T>(GcdF::magnitude(product));
  }
};
// The neighbour of a in the direction of b; Bits holds a float of one sign bit above its magnitude.
template <class Bits, class IsNaN>
RL_INLINE Bits next_after(Bits a, Bits b, IsNaN is_nan) {
  constexpr Bits sign = static_cast<Bits>(Bits(1) << (8 * sizeof(Bits) - 1));
  const Bits ma = a & static_cast<Bits>(~sign), mb = b & static_cast<Bits>(~sign);
  // As integers in the order of the numbers.
  using Signed = std::make_signed_t<Bits>;
  const Signed oa = static_cast<Signed>(a & sign ? Bits(0) - ma : ma),
               ob = static_cast<Signed>(b & sign ? Bits(0) - mb : mb);
  Bits next =
      ma == 0 ? static_cast<Bits>((b & sign) | 1) : static_cast<Bits>((oa < ob) == ((a & sign) == 0) ? a + 1 : a - 1);
  next = oa == ob ? b : next;
  return is_nan(ma) ? a : is_nan(mb) ? b : next;
}
struct NextafterF {
  RL_INLINE static float call(float a, float b) {
    const uint32_t r = next_after(__builtin_bit_cast(uint32_t, a), __builtin_bit_cast(uint32_t, b),
                                  [](uint32_t m) __attribute__((always_inline)) { return m > 0x7f800000u; });
    return __builtin_bit_cast(float, r);
  }
  RL_INLINE static double call(double a, double b) {
    const uint64_t r =
        next_after(__builtin_bit_cast(uint64_t, a), __builtin_bit_cast(uint64_t, b),
                   [](uint64_t m) __attribute__((always_inline)) { return m > (uint64_t{0x7ff} << 52); });
    return __builtin_bit_cast(double, r);
  }
};
// Loops on halves themselves, for functions that more than one rounding, or the half's own digits, are part of.
template <class H, class F>
RL_INLINE void half_loop(char* const* data, const int64_t* strides, int64_t n, F f) {
  binary_loop<H, H>(data, strides, n, [=](H a, H b) __attribute__((always_inline)) {
    return H(f(static_cast<float>(a), static_cast<float>(b)));
  });
}
template <class H>
void div_trunc_half(char* const* data, const int64_t* strides, int64_t n, const void*) {
  half_loop<H>(data, strides, n,
               [](float a, float b) __attribute__((always_inline)) { return trunc_of(static_cast<float>(H(a / b))); });
}
template <class H>
void add_scaled_half(char* const* data, const int64_t* strides, int64_t n, const void* params) {
  const float scale = static_cast<float>(*static_cast<const H*>(params));
  half_loop<H>(data, strides, n,
               [=](float a, float b) __attribute__((always_inline)) { return a + static_cast<float>(H(scale * b)); });
}
// Their bits come as integers; Infinity: those of infinity.
template <uint16_t Infinity>
void next_half(char* const* data, const int64_t* strides, int64_t n, const void*) {
  binary_loop<uint16_t, uint16_t>(data, strides, n, [](uint16_t a, uint16_t b) __attribute__((always_inline)) {
    return next_after(a, b, [](uint16_t m) __attribute__((always_inline)) { return m > Infinity; });
  });
}

template <class F, class Out, class In>
void simple(char* const* data, const int64_t* strides, int64_t n, const void*) {
  binary_loop<Out, In>(data, strides, n,
                       [](In a, In b) __attribute__((always_inline)) -> Out { return F::call(a, b); });
}

template <class F, class In>
using Result = std::conditional_t<std::is_same_v<decltype(F::call(In(), In())), bool>, bool, In>;

template <class F, class... T>
void fill(ElementwiseTable& t, BinaryOp op, DType first) {
  Loop* row = t.binary[static_cast<int>(op)] + static_cast<int>(first);
  ((*row++ = simple<F, Result<F, T>, T>), ...);
}
template <class F>
void fill_integers(ElementwiseTable& t, BinaryOp op) {
  fill<F, uint8_t, int8_t, int16_t, int32_t, int64_t>(t, op, DType::UInt8);
}
template <class F>
void fill_floats(ElementwiseTable& t, BinaryOp op) {
  fill<F, float, double>(t, op, DType::Float32);
}
template <class F>
void fill_complex(ElementwiseTable& t, BinaryOp op) {
  fill<F, Complex<float>, Complex<double>>(t, op, DType::Complex64);
}
template <class F>
void fill_bool(ElementwiseTable& t, BinaryOp op) {
  fill<F, Boolean>(t, op, DType::Bool);
}

// Integers of 32 and 64 bits by vectors where the processor has them.
template <class F, bool Floor, bool Rest>
void fill_divisions(ElementwiseTable& t, BinaryOp op) {
  fill_integers<F>(t, op);
#if RL_AVX512
  Loop* const row = t.binary[static_cast<int>(op)];
  row[static_cast<int>(DType::Int32)] = [](char* const* data, const int64_t* strides, int64_t n, const void*) {
    divide_integers<F, Floor, Rest, int32_t>(data, strides, n, simple<F, int32_t, int32_t>);
  };
  row[static_cast<int>(DType::Int64)] = [](char* const* data, const int64_t* strides, int64_t n, const void*) {
    divide_integers<F, Floor, Rest, int64_t>(data, strides, n, simple<F, int64_t, int64_t>);
  };
#endif
}

template <class T>
void add_scaled(char* const* data, const int64_t* strides, int64_t n, const void* params) {
  const T scale = *static_cast<const T*>(params);
  binary_loop<T, T>(data, strides, n,
                    [=](T a, T b) __attribute__((always_inline)) -> T { return AddF::call(a, MulF::call(scale, b)); });
}

}  // namespace

void fill_binary(ElementwiseTable& t) {
  fill_bool<AddF>(t, BinaryOp::Add);
  fill_integers<AddF>(t, BinaryOp::Add);
  fill_floats<AddF>(t, BinaryOp::Add);
  fill_complex<AddF>(t, BinaryOp::Add);
  fill_integers<SubF>(t, BinaryOp::Sub);
  fill_floats<SubF>(t, BinaryOp::Sub);
  fill_complex<SubF>(t, BinaryOp::Sub);
  fill_bool<MulF>(t, BinaryOp::Mul);
  fill_integers<MulF>(t, BinaryOp::Mul);
  fill_floats<MulF>(t, BinaryOp::Mul);
  fill_complex<MulF>(t, BinaryOp::Mul);
  fill_floats<DivF>(t, BinaryOp::Div);
  t.binary[static_cast<int>(BinaryOp::Div)][static_cast<int>(DType::Complex64)] = quotient_loop<float>;
  t.binary[static_cast<int>(BinaryOp::Div)][static_cast<int>(DType::Complex128)] = quotient_loop<double>;
  fill_divisions<DivTruncF, false, false>(t, BinaryOp::DivTrunc);
  fill_floats<DivTruncF>(t, BinaryOp::DivTrunc);
  fill_divisions<FloorDivideF, true, false>(t, BinaryOp::FloorDivide);
  fill_divisions<RemainderF, true, true>(t, BinaryOp::Remainder);
  fill_divisions<FmodF, false, true>(t, BinaryOp::Fmod);
  fill_integers<IntPowF>(t, BinaryOp::Pow);
#define RL_ORDERED(Name)                     \
  fill_bool<Name##F>(t, BinaryOp::Name);     \
  fill_integers<Name##F>(t, BinaryOp::Name); \
  fill_floats<Name##F>(t, BinaryOp::Name);
  RL_ORDERED(Maximum)
  RL_ORDERED(Minimum)
  RL_ORDERED(Fmax)
  RL_ORDERED(Fmin)
  RL_ORDERED(Lt)
  RL_ORDERED(Le)
  RL_ORDERED(Gt)
  RL_ORDERED(Ge)
#define RL_ANY(Name) \
  RL_ORDERED(Name)   \
  fill_complex<Name##F>(t, BinaryOp::Name);
  RL_ANY(Eq)
  RL_ANY(Ne)
  RL_ANY(LogicalAnd)
  RL_ANY(LogicalOr)
  RL_ANY(LogicalXor)
#define RL_BITS(Name)                    \
  fill_bool<Name##F>(t, BinaryOp::Name); \
  fill_integers<Name##F>(t, BinaryOp::Name);
  RL_BITS(BitwiseAnd)
  RL_BITS(BitwiseOr)
  RL_BITS(BitwiseXor)
  fill_integers<LeftShiftF>(t, BinaryOp::LeftShift);
  fill_integers<RightShiftF>(t, BinaryOp::RightShift);
  fill_floats<CopysignF>(t, BinaryOp::Copysign);
  fill_bool<HeavisideF>(t, BinaryOp::Heaviside);
  fill_integers<HeavisideF>(t, BinaryOp::Heaviside);
  fill_floats<HeavisideF>(t, BinaryOp::Heaviside);
  fill_integers<GcdF>(t, BinaryOp::Gcd);
  fill_integers<LcmF>(t, BinaryOp::Lcm);
  fill_floats<NextafterF>(t, BinaryOp::Nextafter);
  Loop* const next = t.binary[static_cast<int>(BinaryOp::Nextafter)];
  next[static_cast<int>(DType::Float16)] = next_half<0x7c00>;
  next[static_cast<int>(DType::BFloat16)] = next_half<0x7f80>;
  Loop* const div_trunc = t.binary[static_cast<int>(BinaryOp::DivTrunc)];
  div_trunc[static_cast<int>(DType::Float16)] = div_trunc_half<float16>;
  div_trunc[static_cast<int>(DType::BFloat16)] = div_trunc_half<bfloat16>;
  t.add_scaled[static_cast<int>(DType::Float16)] = add_scaled_half<float16>;
  t.add_scaled[static_cast<int>(DType::BFloat16)] = add_scaled_half<bfloat16>;
#undef RL_ORDERED
#undef RL_ANY
#undef RL_BITS
  t.add_scaled[static_cast<int>(DType::UInt8)] = add_scaled<uint8_t>;
  t.add_scaled[static_cast<int>(DType::Int8)] = add_scaled<int8_t>;
  t.add_scaled[static_cast<int>(DType::Int16)] = add_scaled<int16_t>;
  t.add_scaled[static_cast<int>(DType::Int32)] = add_scaled<int32_t>;
  t.add_scaled[static_cast<int>(DType::Int64)] = add_scaled<int64_t>;
  t.add_scaled[static_cast<int>(DType::Float32)] = add_scaled<float>;
  t.add_scaled[static_cast<int>(DType::Float64)] = add_scaled<double>;
  t.add_scaled[static_cast<int>(DType::Complex64)] = add_scaled<Complex<float>>;
  t.add_scaled[static_cast<int>(DType::Complex128)] = add_scaled<Complex<double>>;
}

}  // namespace rushlight::cpu::RL_ISA
