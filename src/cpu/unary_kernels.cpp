// Elementwise functions of one operand, compiled once per instruction set.
#include "cpu/loops.h"
#include "cpu/vmath.h"
#include "cpu/vmath_sqrt.h"

#include <type_traits>

namespace rushlight::cpu::RL_ISA {
namespace {

template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T>;

// ---- simple functions: one scalar expression each
struct NegF {
  template <class T>
  RL_INLINE static T call(T x) {
    if constexpr (kIsFloat<T>)
      return -x;
    else
      return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(x));
  }
};
struct AbsF {
  template <class T>
  RL_INLINE static T call(T x) {
    if constexpr (sizeof(T) == 4 && kIsFloat<T>)
      return __builtin_fabsf(x);
    else if constexpr (kIsFloat<T>)
      return __builtin_fabs(x);
    else if constexpr (std::is_unsigned_v<T>)
      return x;
    else
      return x < 0 ? NegF::call(x) : x;
  }
};
struct SignF {
  template <class T>
  RL_INLINE static T call(T x) {
    if constexpr (kIsFloat<T>)  // NaN gives 0, as in torch
      return static_cast<T>((x > 0) - (x < 0));
    else
      return static_cast<T>((x > 0) - (x < 0));
  }
};
struct PositiveF {
  template <class T>
  RL_INLINE static T call(T x) {
    return x;
  }
};
struct SquareF {
  template <class T>
  RL_INLINE static T call(T x) {
    if constexpr (kIsFloat<T>)
      return x * x;
    else
      return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(x));
  }
};
struct ReciprocalF {
  template <class T>
  RL_INLINE static T call(T x) {
    return T(1) / x;
  }
};
struct ReluF {
  template <class T>
  RL_INLINE static T call(T x) {
    return x < T(0) ? T(0) : x;  // keeps NaN
  }
};
struct Deg2radF {
  template <class T>
  RL_INLINE static T call(T x) {
    return x * T(0.017453292519943295769236907684886);
  }
};
struct Rad2degF {
  template <class T>
  RL_INLINE static T call(T x) {
    return x * T(57.295779513082320876798154814105);
  }
};

#define RL_ROUNDING(Name, builtin)        \
  struct Name##F {                        \
    template <class T>                    \
    RL_INLINE static T call(T x) {        \
      if constexpr (sizeof(T) == 4)       \
        return __builtin_##builtin##f(x); \
      else                                \
        return __builtin_##builtin(x);    \
    }                                     \
  };
RL_ROUNDING(Floor, floor)
RL_ROUNDING(Ceil, ceil)
RL_ROUNDING(Trunc, trunc)
RL_ROUNDING(Round, nearbyint)
#undef RL_ROUNDING

struct FracF {
  template <class T>
  RL_INLINE static T call(T x) {
    return x - TruncF::call(x);
  }
};
struct BitwiseNotF {
  template <class T>
  RL_INLINE static T call(T x) {
    return static_cast<T>(~x);
  }
};

// ---- tests: the result is bool
struct LogicalNotF {
  template <class T>
  RL_INLINE static bool call(T x) {
    return x == T(0);
  }
};
struct IsNanF {
  template <class T>
  RL_INLINE static bool call(T x) {
    return x != x;
  }
};
struct IsInfF {
  template <class T>
  RL_INLINE static bool call(T x) {
    if constexpr (kIsFloat<T>)
      return AbsF::call(x) == T(__builtin_inf());
    else
      return false;
  }
};
struct IsFiniteF {
  template <class T>
  RL_INLINE static bool call(T x) {
    if constexpr (kIsFloat<T>)
      return AbsF::call(x) < T(__builtin_inf());
    else
      return true;
  }
};
struct SignbitF {
  template <class T>
  RL_INLINE static bool call(T x) {
    if constexpr (sizeof(T) == 4 && kIsFloat<T>)
      return __builtin_bit_cast(int32_t, x) < 0;
    else if constexpr (kIsFloat<T>)
      return __builtin_bit_cast(int64_t, x) < 0;
    else
      return x < T(0);
  }
};

struct IsPosInfF {
  template <class T>
  RL_INLINE static bool call(T x) {
    if constexpr (kIsFloat<T>)
      return x == T(__builtin_inf());
    else
      return false;
  }
};
struct IsNegInfF {
  template <class T>
  RL_INLINE static bool call(T x) {
    if constexpr (kIsFloat<T>)
      return x == -T(__builtin_inf());
    else
      return false;
  }
};
struct IsRealF {
  template <class T>
  RL_INLINE static bool call(T) {
    return true;
  }
};
struct AngleF {
  template <class T>
  RL_INLINE static T call(T x) {
    return x != x ? x : x < T(0) ? T(3.14159265358979323846) : T(0);
  }
};

template <class F, class Out, class In>
void simple(char* const* data, const int64_t* strides, int64_t n, const void*) {
  unary_loop<Out, In>(data, strides, n, [](In x) __attribute__((always_inline)) -> Out { return F::call(x); });
}

// Half precision by its bits, where nothing is computed. Infinity: the bits of infinity.
struct NegHalfF {
  RL_INLINE static uint16_t call(uint16_t x) { return static_cast<uint16_t>(x ^ 0x8000); }
};
struct AbsHalfF {
  RL_INLINE static uint16_t call(uint16_t x) { return static_cast<uint16_t>(x & 0x7fff); }
};
template <uint16_t Infinity>
struct ReluHalfF {
  // Only numbers up to -0 and from -infinity on become 0; -0 keeps its sign, as above.
  RL_INLINE static uint16_t call(uint16_t x) { return x > 0x8000 && x <= (0x8000 | Infinity) ? uint16_t{0} : x; }
};
template <class OfHalf, class OfBfloat>
void fill_halves(ElementwiseTable& t, UnaryOp op) {
  Loop* const row = t.unary[static_cast<int>(op)];
  row[static_cast<int>(DType::Float16)] = simple<OfHalf, uint16_t, uint16_t>;
  row[static_cast<int>(DType::BFloat16)] = simple<OfBfloat, uint16_t, uint16_t>;
}

template <class F>
void fill_floats(ElementwiseTable& t, UnaryOp op) {
  Loop* row = t.unary[static_cast<int>(op)];
  row[static_cast<int>(DType::Float32)] = simple<F, float, float>;
  row[static_cast<int>(DType::Float64)] = simple<F, double, double>;
}

template <class F>
void fill_integers(ElementwiseTable& t, UnaryOp op) {
  Loop* row = t.unary[static_cast<int>(op)];
  row[static_cast<int>(DType::UInt8)] = simple<F, uint8_t, uint8_t>;
  row[static_cast<int>(DType::Int8)] = simple<F, int8_t, int8_t>;
  row[static_cast<int>(DType::Int16)] = simple<F, int16_t, int16_t>;
  row[static_cast<int>(DType::Int32)] = simple<F, int32_t, int32_t>;
  row[static_cast<int>(DType::Int64)] = simple<F, int64_t, int64_t>;
}

template <class F>
void fill_tests(ElementwiseTable& t, UnaryOp op) {
  Loop* row = t.unary[static_cast<int>(op)];
  row[static_cast<int>(DType::Bool)] = simple<F, bool, uint8_t>;
  row[static_cast<int>(DType::UInt8)] = simple<F, bool, uint8_t>;
  row[static_cast<int>(DType::Int8)] = simple<F, bool, int8_t>;
  row[static_cast<int>(DType::Int16)] = simple<F, bool, int16_t>;
  row[static_cast<int>(DType::Int32)] = simple<F, bool, int32_t>;
  row[static_cast<int>(DType::Int64)] = simple<F, bool, int64_t>;
  row[static_cast<int>(DType::Float32)] = simple<F, bool, float>;
  row[static_cast<int>(DType::Float64)] = simple<F, bool, double>;
}

// ---- functions of vmath.h
#define RL_VECTOR_UNARY(Name, function)                                                                \
  template <class T>                                                                                   \
  void vector_##Name(char* const* data, const int64_t* strides, int64_t n, const void*) {              \
    vector_unary_loop<T>(data, strides, n,                                                             \
                         [](Vec<T> x) __attribute__((always_inline)) { return RL_ISA::function(x); }); \
  }                                                                                                    \
  void fill_##Name(ElementwiseTable& t) {                                                              \
    Loop* row = t.unary[static_cast<int>(UnaryOp::Name)];                                              \
    row[static_cast<int>(DType::Float32)] = vector_##Name<float>;                                      \
    row[static_cast<int>(DType::Float64)] = vector_##Name<double>;                                     \
  }
// clang-format off
#define RL_VECTOR_FUNCTIONS(X)                                                                                       \
  X(Exp, exp) X(Exp2, exp2) X(Expm1, expm1) X(Log, log) X(Log2, log2) X(Log10, log10) X(Log1p, log1p) X(Sin, sin)    \
  X(Cos, cos) X(Tan, tan) X(Asin, asin) X(Acos, acos) X(Atan, atan) X(Sinh, sinh) X(Cosh, cosh) X(Tanh, tanh)        \
  X(Sigmoid, sigmoid) X(Erf, erf) X(Erfc, erfc) X(Rsqrt, rsqrt) X(Asinh, asinh) X(Acosh, acosh) X(Atanh, atanh)
// clang-format on
RL_VECTOR_FUNCTIONS(RL_VECTOR_UNARY)
RL_VECTOR_UNARY(Sqrt, quick_sqrt)

template <class T>
void clamp_loop(char* const* data, const int64_t* strides, int64_t n, const void* params) {
  const ClampParams& p = *static_cast<const ClampParams*>(params);
  T low, high;
  if constexpr (kIsFloat<T>) {
    low = static_cast<T>(p.low);
    high = static_cast<T>(p.high);
  } else {
    low = static_cast<T>(p.int_low);
    high = static_cast<T>(p.int_high);
  }
  // NaN stays NaN; where low > high the result is high.
  unary_loop<T, T>(data, strides, n, [=](T x) __attribute__((always_inline)) -> T {
    const T y = x < low ? low : x;
    return y > high ? high : y;
  });
}

}  // namespace

void fill_unary(ElementwiseTable& t) {
  fill_floats<NegF>(t, UnaryOp::Neg);
  fill_integers<NegF>(t, UnaryOp::Neg);
  fill_floats<AbsF>(t, UnaryOp::Abs);
  fill_integers<AbsF>(t, UnaryOp::Abs);
  for (UnaryOp op : {UnaryOp::Sign, UnaryOp::Sgn}) {
    fill_floats<SignF>(t, op);
    fill_integers<SignF>(t, op);
    t.unary[static_cast<int>(op)][static_cast<int>(DType::Bool)] = simple<PositiveF, uint8_t, uint8_t>;
  }
  for (UnaryOp op : {UnaryOp::Positive, UnaryOp::ConjPhysical}) {
    fill_floats<PositiveF>(t, op);
    fill_integers<PositiveF>(t, op);
  }
  t.unary[static_cast<int>(UnaryOp::ConjPhysical)][0] = simple<PositiveF, uint8_t, uint8_t>;
  fill_floats<SquareF>(t, UnaryOp::Square);
  fill_integers<SquareF>(t, UnaryOp::Square);
  fill_floats<ReciprocalF>(t, UnaryOp::Reciprocal);
  fill_Sqrt(t);
  fill_floats<ReluF>(t, UnaryOp::Relu);
  fill_integers<ReluF>(t, UnaryOp::Relu);
  fill_halves<NegHalfF, NegHalfF>(t, UnaryOp::Neg);
  fill_halves<AbsHalfF, AbsHalfF>(t, UnaryOp::Abs);
  fill_halves<ReluHalfF<0x7c00>, ReluHalfF<0x7f80>>(t, UnaryOp::Relu);
  fill_floats<FloorF>(t, UnaryOp::Floor);
  fill_floats<CeilF>(t, UnaryOp::Ceil);
  fill_floats<RoundF>(t, UnaryOp::Round);
  fill_floats<TruncF>(t, UnaryOp::Trunc);
  fill_floats<FracF>(t, UnaryOp::Frac);
  for (UnaryOp op : {UnaryOp::Floor, UnaryOp::Ceil, UnaryOp::Round, UnaryOp::Trunc}) fill_integers<PositiveF>(t, op);
  fill_floats<Deg2radF>(t, UnaryOp::Deg2rad);
  fill_floats<Rad2degF>(t, UnaryOp::Rad2deg);
  fill_integers<BitwiseNotF>(t, UnaryOp::BitwiseNot);
  t.unary[static_cast<int>(UnaryOp::BitwiseNot)][0] = simple<LogicalNotF, bool, uint8_t>;
  fill_tests<LogicalNotF>(t, UnaryOp::LogicalNot);
  fill_tests<IsNanF>(t, UnaryOp::IsNan);
  fill_tests<IsInfF>(t, UnaryOp::IsInf);
  fill_tests<IsFiniteF>(t, UnaryOp::IsFinite);
  fill_tests<SignbitF>(t, UnaryOp::Signbit);
  fill_tests<IsPosInfF>(t, UnaryOp::IsPosInf);
  fill_tests<IsNegInfF>(t, UnaryOp::IsNegInf);
  fill_tests<IsRealF>(t, UnaryOp::IsReal);
  fill_floats<AngleF>(t, UnaryOp::Angle);
#define RL_FILL(Name, function) fill_##Name(t);
  RL_VECTOR_FUNCTIONS(RL_FILL)
#undef RL_FILL
  t.clamp[static_cast<int>(DType::UInt8)] = clamp_loop<uint8_t>;
  t.clamp[static_cast<int>(DType::Int8)] = clamp_loop<int8_t>;
  t.clamp[static_cast<int>(DType::Int16)] = clamp_loop<int16_t>;
  t.clamp[static_cast<int>(DType::Int32)] = clamp_loop<int32_t>;
  t.clamp[static_cast<int>(DType::Int64)] = clamp_loop<int64_t>;
  t.clamp[static_cast<int>(DType::Float32)] = clamp_loop<float>;
  t.clamp[static_cast<int>(DType::Float64)] = clamp_loop<double>;
}

}  // namespace rushlight::cpu::RL_ISA
