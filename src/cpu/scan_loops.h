// What scans share per instruction set: the types in which they accumulate.
#pragma once

#include "cpu/reduce_loops.h"

namespace rushlight::cpu::RL_ISA {

// Half types accumulate in float, float in double.
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

}  // namespace rushlight::cpu::RL_ISA
