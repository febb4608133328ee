// What the families share around the loop planner: promotion, result allocation, out= and in-place checks.
#pragma once

#include <utility>

#include "cpu/kernels.h"
#include "rushlight/autograd.h"
#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

using cpu::BinaryOp;
using cpu::UnaryOp;

// Half precision computes in float32, everything else in its own type.
inline DType kernel_dtype(DType d) {
  if (d == DType::Complex32) return DType::Complex64;
  return d == DType::Float16 || d == DType::BFloat16 ? DType::Float32 : d;
}

// torch.result_type of the operands: tensors with dims outrank 0-d ones, those outrank numbers.
DType result_type(std::initializer_list<const Operand*> operands);

// An uninitialised tensor of this shape with the dims in the memory order that the operands agree on. beside_number: a
// number is an operand, too, so that not all operands have this shape, which asks for the order of ambiguous strides.
Tensor empty_like_operands(IntSpan shape, DType dtype, std::initializer_list<const Tensor*> operands,
                           bool beside_number = false);
// Strides as contiguous_strides() makes them, those of dims of size 1 included.
bool is_row_major(const Tensor& t);

// Strides of a dense tensor with the dims in the order that compare(a, b) gives: 1 where dim a lies outside dim b, -1
// where it lies inside, 0 where nothing decides. Empty where a size is 0.
template <class Compare>
DimVector strides_in_order(IntSpan shape, Compare compare) {
  const int64_t n = static_cast<int64_t>(shape.size());
  DimVector inner_first(n), strides(n);
  for (int64_t i = 0; i < n; ++i) inner_first[i] = n - 1 - i;
  for (int64_t i = 1; i < n; ++i) {
    int64_t at = i;
    for (int64_t j = i - 1; j >= 0; --j) {
      const int c = compare(inner_first[j], inner_first[at]);
      if (c < 0) break;
      if (c > 0) {
        std::swap(inner_first[j], inner_first[at]);
        at = j;
      }
    }
  }
  int64_t step = 1;
  for (int64_t d : inner_first) {
    strides[d] = step;
    step *= shape[d];
  }
  if (step == 0) return {};
  return strides;
}
template <class Compare>
Tensor empty_in_order(IntSpan shape, DType dtype, Compare compare) {
  const DimVector strides = strides_in_order(shape, compare);
  return strides.empty() ? empty(shape, dtype) : empty_strided(shape, strides, dtype);
}

// Checks an out= tensor before anything is written: dtype, device, grad; resizes it to `shape`, with the dims in the
// order of the inputs. differentiable: whether the operation has a derivative, which out= would leave out.
void prepare_out(const char* operation, const Tensor& out, IntSpan shape, DType result,
                 std::initializer_list<const Tensor*> inputs, bool differentiable = true);
// Resizes like torch's out=: with a warning if the tensor had elements of another shape.
void resize_output(const Tensor& out, IntSpan shape);
// Stores a result of its own memory in an out= tensor of any shape, after the same checks. Resizes without a warning,
// as torch's factories do.
void store_output(const char* operation, const Tensor& out, const Tensor& result);
// The end of every out= form without a kernel of its own: checks `result` against `out` (dtype, gradients), resizes
// `out` with torch's warning and stores the result in it.
void finish_out(const char* operation, const Tensor& out, const Tensor& result);
// The same for several: all are checked before the first is written.
void finish_outs(const char* operation, std::span<const Tensor> outs, std::span<const Tensor> results);
// In-place results keep shape and category.
void check_inplace_result(const char* operation, const Tensor& self, IntSpan shape, DType result);
// Raises where `out` and an input share only part of their memory.
void check_no_partial_overlap(const Tensor& out, const Tensor& input);
// Raises where a result cannot be stored in `out`: another category of dtype.
void check_cast(DType result, const Tensor& out);
[[noreturn, gnu::cold]] void fail_not_cpu(const char* operation, const Tensor& t);
inline void check_cpu(const char* operation, const Tensor& t) {
  if (!t.device().is_cpu()) [[unlikely]]
    fail_not_cpu(operation, t);
}

// How a call wants its result.
struct Target {
  enum class Kind { Fresh, InPlace, Out };
  Kind kind = Kind::Fresh;
  const Tensor* tensor = nullptr;
};

Tensor unary(UnaryOp op, const Tensor& self, Target target = {});
Tensor binary(BinaryOp op, const Operand& a, const Operand& b, Target target = {}, const Scalar& alpha = Scalar(1));

// Runs an operation out of place, stores its result in `self` and gives self the history of the result: the in-place
// form of operations that have no kernel writing into their operand.
template <class F>
void inplace_by_copy(const char* operation, const Tensor& self, F&& f);

const char* function_name(UnaryOp op);
const char* function_name(BinaryOp op);

void store_inplace(const char* operation, const Tensor& self, const Tensor& result);
template <class F>
void inplace_by_copy(const char* operation, const Tensor& self, F&& f) {
  autograd::check_inplace(self);
  // The operation may save its input, which is about to change.
  const bool own = autograd::needs(self);
  Tensor result = f(own ? clone(self) : self);
  if (!own && autograd::needs(result)) result = f(clone(self));
  store_inplace(operation, self, result);
}

// ---- derivatives (elementwise_grad.cpp)
struct UnaryRule {
  bool input, result;                                                          // what is saved
  Tensor (*derivative)(const Tensor& grad, const Tensor& x, const Tensor& y);  // null: not differentiable
};
struct BinaryGrad {
  const Tensor& grad;
  Operand a, b;
  const Tensor& result;
  const Scalar& alpha;
  bool wants_a, wants_b;
  Tensor grad_a, grad_b;
};
struct BinaryRule {
  // What is saved, and for which gradient: bit 0 for that of a, bit 1 for that of b.
  uint8_t a, b, result;
  void (*derivative)(BinaryGrad& g);
};
const UnaryRule& rule(UnaryOp op);
const BinaryRule& rule(BinaryOp op);

}  // namespace rushlight

#pragma GCC visibility pop
