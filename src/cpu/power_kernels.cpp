// Functions of two floats that are written on vectors, compiled once per instruction set.
#include "cpu/loops.h"
#include "cpu/vmath.h"

namespace rushlight::cpu::RL_ISA {
namespace {

#define RL_VECTOR_BINARY(Name, function)                                                                             \
  template <class T>                                                                                                 \
  void vector_##Name(char* const* data, const int64_t* strides, int64_t n, const void*) {                            \
    vector_binary_loop<T>(data, strides, n,                                                                          \
                          [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return RL_ISA::function(a, b); }); \
  }                                                                                                                  \
  void fill_##Name(ElementwiseTable& t) {                                                                            \
    Loop* row = t.binary[static_cast<int>(BinaryOp::Name)];                                                          \
    row[static_cast<int>(DType::Float32)] = vector_##Name<float>;                                                    \
    row[static_cast<int>(DType::Float64)] = vector_##Name<double>;                                                   \
  }
RL_VECTOR_BINARY(Atan2, atan2)
RL_VECTOR_BINARY(Fmod, fmod)
RL_VECTOR_BINARY(Remainder, remainder)
RL_VECTOR_BINARY(FloorDivide, floor_divide)
RL_VECTOR_BINARY(Hypot, hypot)
RL_VECTOR_BINARY(Logaddexp, logaddexp)
RL_VECTOR_BINARY(Logaddexp2, logaddexp2)
RL_VECTOR_BINARY(Xlogy, xlogy)
RL_VECTOR_BINARY(Xlog1py, xlog1py)

// params: the exponent, where it is a number and not a tensor; usual ones have shorter ways.
template <class T>
void vector_Pow(char* const* data, const int64_t* strides, int64_t n, const void* params) {
  using V = Vec<T>;
  const T e = params ? *static_cast<const T*>(params) : T(0);
  auto loop = [&](auto f) __attribute__((always_inline)) { vector_unary_loop<T>(data, strides, n, f); };
  if (e == T(3)) return loop([](V x) __attribute__((always_inline)) { return x * x * x; });
  if (e == T(0.5)) return loop([](V x) __attribute__((always_inline)) { return sqrt(x); });
  if (e == T(-0.5)) return loop([](V x) __attribute__((always_inline)) { return V(1) / sqrt(x); });
  if (e == T(-1)) return loop([](V x) __attribute__((always_inline)) { return V(1) / x; });
  vector_binary_loop<T>(data, strides, n, [](V a, V b) __attribute__((always_inline)) { return RL_ISA::pow(a, b); });
}

}  // namespace

void fill_power(ElementwiseTable& t) {
  Loop* const pow_row = t.binary[static_cast<int>(BinaryOp::Pow)];
  pow_row[static_cast<int>(DType::Float32)] = vector_Pow<float>;
  pow_row[static_cast<int>(DType::Float64)] = vector_Pow<double>;
  fill_Atan2(t);
  fill_Fmod(t);
  fill_Remainder(t);
  fill_FloorDivide(t);
  fill_Hypot(t);
  fill_Logaddexp(t);
  fill_Logaddexp2(t);
  fill_Xlogy(t);
  fill_Xlog1py(t);
}

}  // namespace rushlight::cpu::RL_ISA
