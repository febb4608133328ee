// Transcendental functions of two operands, compiled once per instruction set.
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
RL_VECTOR_BINARY(Pow, pow)
RL_VECTOR_BINARY(Atan2, atan2)
RL_VECTOR_BINARY(Hypot, hypot)
RL_VECTOR_BINARY(Logaddexp, logaddexp)
RL_VECTOR_BINARY(Logaddexp2, logaddexp2)
RL_VECTOR_BINARY(Xlogy, xlogy)
RL_VECTOR_BINARY(Xlog1py, xlog1py)

}  // namespace

void fill_power(ElementwiseTable& t) {
  fill_Pow(t);
  fill_Atan2(t);
  fill_Hypot(t);
  fill_Logaddexp(t);
  fill_Logaddexp2(t);
  fill_Xlogy(t);
  fill_Xlog1py(t);
}

}  // namespace rushlight::cpu::RL_ISA
