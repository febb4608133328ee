// One pass over up to three operands into a fresh tensor, the first operand or an out= tensor.
#pragma once

#include "cpu/ternary_kernels.h"
#include "ops/index.h"

namespace rushlight {

struct Pass {
  const char* name;
  const char* inplace_name;  // a literal, for version counters
  cpu::Loop loop;
  const void* params;
  DType reads;   // the kernel's dtype of all inputs
  DType writes;  // and of its result
  DType result;  // dtype of a fresh result
};

// inputs[0] is the tensor that an in-place call writes. Checks, allocates, runs, counts the version.
Tensor run_pass(const Pass& pass, std::initializer_list<const Tensor*> inputs, Target target);

// An operand kept for backward; copied first where the pass into `target` is going to change it.
inline SavedTensor keep(const Tensor& t, bool wanted, Target target) {
  if (!wanted || !t.defined()) return {};
  const bool changes =
      target.kind == Target::Kind::InPlace && layout::overlap(*target.tensor, t) != layout::Overlap::None;
  return SavedTensor(changes ? clone(t) : t);
}

inline bool inplace(Target target) { return target.kind == Target::Kind::InPlace; }

}  // namespace rushlight
