// The functions of src/cpu/vmath.h as C functions over arrays: f32_exp(out, in, n), f64_pow(out, a, b, n), ...
#include "vmath.h"

namespace isa = rushlight::cpu::RL_ISA;

#define RL_UNARY(name)                                                     \
  extern "C" void f32_##name(float* out, const float* in, int64_t n) {     \
    isa::map(out, in, n, [](isa::Vec<float> x) { return isa::name(x); });  \
  }                                                                        \
  extern "C" void f64_##name(double* out, const double* in, int64_t n) {   \
    isa::map(out, in, n, [](isa::Vec<double> x) { return isa::name(x); }); \
  }
#define RL_BINARY(name)                                                                              \
  extern "C" void f32_##name(float* out, const float* a, const float* b, int64_t n) {                \
    isa::map2(out, a, b, n, [](isa::Vec<float> x, isa::Vec<float> y) { return isa::name(x, y); });   \
  }                                                                                                  \
  extern "C" void f64_##name(double* out, const double* a, const double* b, int64_t n) {             \
    isa::map2(out, a, b, n, [](isa::Vec<double> x, isa::Vec<double> y) { return isa::name(x, y); }); \
  }

RL_UNARY(exp)
RL_UNARY(expm1)
RL_UNARY(sigmoid)
RL_UNARY(tanh)
RL_UNARY(log)
RL_UNARY(log2)
RL_UNARY(log10)
RL_UNARY(log1p)
RL_UNARY(sin)
RL_UNARY(cos)
RL_UNARY(exp2)
RL_UNARY(tan)
RL_UNARY(sinh)
RL_UNARY(cosh)
RL_UNARY(asin)
RL_UNARY(acos)
RL_UNARY(atan)
RL_BINARY(pow)
RL_BINARY(atan2)
RL_UNARY(erf)
RL_UNARY(erfc)
RL_UNARY(rsqrt)
RL_UNARY(asinh)
RL_UNARY(acosh)
RL_UNARY(atanh)
RL_BINARY(hypot)
