// Loops of three operands and the other fused elementwise loops that are not in elementwise.def, compiled once per
// instruction set. The same conventions as kernels.h; null where an operation does not take a dtype.
#pragma once

#include "cpu/kernels.h"

namespace rushlight::cpu {

struct NanParams {
  double nan, posinf, neginf;
};
struct CloseParams {
  double rtol, atol;
  bool equal_nan;
};

struct TernaryTable {
  Loop addcmul[kNumComputeDTypes] = {};      // a + *params * b * c, params of the kernel's dtype
  Loop addcdiv[kNumComputeDTypes] = {};      // a + *params * b / c
  Loop lerp[kNumComputeDTypes] = {};         // a + c * (b - a)
  Loop lerp_number[kNumComputeDTypes] = {};  // a + *params * (b - a)
  Loop clamp[kNumComputeDTypes] = {};        // min(max(a, b), c); NaN if any of them is
  Loop nan_to_num[kNumComputeDTypes] = {};   // NanParams
  Loop isclose[kNumComputeDTypes] = {};      // CloseParams; gives bool
  Loop complex[3] = {};                      // a + i b of float16, float32, float64
};

const TernaryTable& ternary();

// mantissa and exponent (int32) of x = mantissa * 2^exponent with 0.5 <= |mantissa| < 1; float32 and float64.
Loop frexp_mantissa(DType dtype);
Loop frexp_exponent(DType dtype);
// a * 2^b, b int64: rounds once. float32, float64, complex64, complex128.
Loop ldexp(DType dtype);

#define RL_DECLARE_FILL(isa)          \
  namespace isa {                     \
  void fill_ternary(TernaryTable& t); \
  }
RL_EVERY_ISA(RL_DECLARE_FILL)
#undef RL_DECLARE_FILL

}  // namespace rushlight::cpu
