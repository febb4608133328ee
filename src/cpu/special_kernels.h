// Vectorised special functions (special_kernels.cpp), compiled once per instruction set.
#pragma once

#include "cpu/kernels.h"

namespace rushlight::cpu {

#define RL_DECLARE_FILL(isa)            \
  namespace isa {                       \
  void fill_special(ElementwiseTable&); \
  }
RL_EVERY_ISA(RL_DECLARE_FILL)
#undef RL_DECLARE_FILL

}  // namespace rushlight::cpu
