// What results look like and where they go: dtypes, the order of dims in memory, tensors given as out=, in-place
// results.
#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "rushlight/creation.h"
#include "rushlight/shape.h"

namespace rushlight {

namespace {

DType combine(DType higher, DType lower) {
  if (is_complex(higher)) return higher;
  if (is_floating_point(higher)) return is_complex(lower) ? to_complex(higher) : higher;
  if (higher == DType::Undefined) return lower;
  if (lower == DType::Undefined) return higher;
  if (higher == DType::Bool || is_floating_point(lower) || is_complex(lower)) return promote_types(higher, lower);
  return higher;
}

}  // namespace

DType result_type(std::initializer_list<const Operand*> operands) {
  DType dims = DType::Undefined, zero_dim = DType::Undefined, number = DType::Undefined;
  auto add = [](DType& to, DType d) { to = to == DType::Undefined ? d : promote_types(to, d); };
  for (const Operand* o : operands) {
    if (!o->is_tensor())
      add(number, o->number().dtype());
    else
      add(o->tensor().dim() ? dims : zero_dim, o->tensor().dtype());
  }
  return combine(dims, combine(zero_dim, number));
}

DType result_dtype(const Operand& a, const Operand& b) { return result_type({&a, &b}); }

namespace {

// The order in which the strides of the operands put two dims; see strides_in_order().
auto order_of(IntSpan shape, std::initializer_list<const Tensor*> operands) {
  return [shape, operands](int64_t a, int64_t b) {
    const int64_t n = static_cast<int64_t>(shape.size());
    for (const Tensor* t : operands) {
      const int64_t lead = n - t->dim();
      auto stride = [&](int64_t d) {
        return d < lead || (t->sizes()[d - lead] == 1 && shape[d] != 1) ? 0 : t->strides()[d - lead];
      };
      const int64_t sa = stride(a), sb = stride(b);
      if (sa == 0 || sb == 0) continue;
      if (sa != sb) return sa < sb ? -1 : 1;
      if (shape[a] > shape[b]) return 1;
    }
    return 0;
  };
}

}  // namespace

bool is_row_major(const Tensor& t) {
  const IntSpan sizes = t.sizes(), strides = t.strides();
  int64_t step = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (strides[i] != step) return false;
    step *= sizes[i];
  }
  return true;
}

Tensor empty_like_operands(IntSpan shape, DType dtype, std::initializer_list<const Tensor*> operands,
                           bool beside_number) {
  bool contiguous = true, channels_last = shape.size() == 4, same = true, one_shape = !beside_number, rows = true;
  const Tensor& first = **operands.begin();
  for (const Tensor* t : operands) {
    contiguous = contiguous && t->is_contiguous();
    rows = rows && t->is_contiguous() && is_row_major(*t);
    one_shape = one_shape && equal(t->sizes(), shape);
    channels_last = channels_last && is_contiguous(*t, MemoryFormat::ChannelsLast);
    same = same && equal(t->strides(), first.strides());
  }
  if (rows || (contiguous && one_shape) || shape.size() < 2) return empty(shape, dtype);
  if (one_shape && channels_last) return empty(shape, dtype, {}, MemoryFormat::ChannelsLast);
  if (one_shape && same && first.is_non_overlapping_and_dense()) return empty_strided(shape, first.strides(), dtype);
  return empty_in_order(shape, dtype, order_of(shape, operands));
}

void fail_not_cpu(const char* operation, const Tensor& t) {
  fail<NotImplementedError>("Could not run '", operation, "' on device '", t.device().str(), "'");
}

namespace {

// What can go wrong when an out= tensor is resized, and torch's warning.
void check_resize(const Tensor& out, IntSpan shape) {
  layout::check_not_read_only(out);
  if (equal(out.sizes(), shape)) return;
  autograd::check_inplace(out);
  const uint64_t elements = static_cast<uint64_t>(layout::checked_numel(shape, out.item_size()));
  const uint64_t bytes =
      (static_cast<uint64_t>(out.storage_offset()) + elements) * static_cast<uint64_t>(out.item_size());
  if (Storage& s = *out.storage(); elements && bytes > s.nbytes() && !s.resizable()) s.resize(bytes);  // raises
  if (out.numel() != 0) {
    Message m;
    m << "An output with one or more elements was resized since it had shape " << out.sizes()
      << ", which does not match the required output shape " << shape
      << ". This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they have "
         "zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with "
         "t.resize_(0).";
    warn(m.text);
  }
}

}  // namespace

void resize_output(const Tensor& out, IntSpan shape) {
  check_resize(out, shape);
  resize_(out, shape);
}

void check_cast(DType result, const Tensor& out) {
  if (!can_cast(result, out.dtype()))
    fail("result type ", result, " can't be cast to the desired output type ", out.dtype());
}

namespace {
[[noreturn]] void fail_overlap() {
  fail(
      "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
      "location. Please clone() the tensor before performing the operation.");
}

void check_out(const char* operation, const Tensor& out, DType result, std::initializer_list<const Tensor*> inputs,
               bool differentiable = true) {
  check_cast(result, out);
  cpu::check_conversion(result, out.dtype());
  if (differentiable && GradMode::enabled()) {
    bool any = out.requires_grad();
    for (const Tensor* t : inputs) any = any || t->requires_grad();
    if (any)
      fail(operation,
           "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
           "requires grad.");
  }
  if (out.impl()->inference && !InferenceMode::enabled()) autograd::check_inplace(out);
  layout::check_writable(out);
  for (const Tensor* t : inputs) check_no_partial_overlap(out, *t);
}
}  // namespace

void prepare_out(const char* operation, const Tensor& out, IntSpan shape, DType result,
                 std::initializer_list<const Tensor*> inputs, bool differentiable) {
  check_out(operation, out, result, inputs, differentiable);
  if (equal(out.sizes(), shape)) return layout::check_not_read_only(out);
  // The memory of an operand cannot take another shape.
  for (const Tensor* t : inputs) {
    if (t->is_same(out)) fail("output with shape ", out.sizes(), " doesn't match the broadcast shape ", shape);
    if (t->storage() == out.storage()) fail_overlap();
  }
  const DimVector sizes = shape;
  resize_output(out, sizes);
  bool rows = true, same = true;
  for (const Tensor* t : inputs) {
    rows = rows && t->is_contiguous() && is_row_major(*t);
    same = same && t->is_contiguous() && equal(t->sizes(), sizes);
  }
  if (rows || same) return;
  const DimVector strides = strides_in_order(sizes, order_of(sizes, inputs));
  if (!strides.empty()) out.impl()->set_geometry(sizes, strides, out.storage_offset());
}

void store_output(const char* operation, const Tensor& out, const Tensor& result) {
  check_cpu(operation, out);
  cpu::check_conversion(result.dtype(), out.dtype());
  layout::check_writable(out);
  autograd::check_inplace(out);
  if (GradMode::enabled() && out.requires_grad())
    fail(operation,
         "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
         "requires grad.");
  resize_(out, result.sizes());
  copy_(out, result);
}

void finish_out(const char* operation, const Tensor& out, const Tensor& result) {
  finish_outs(operation, {&out, 1}, {&result, 1});
}

void finish_outs(const char* operation, std::span<const Tensor> outs, std::span<const Tensor> results) {
  TensorList sources;
  for (size_t i = 0; i < outs.size(); ++i) {
    check_cpu(operation, outs[i]);
    Tensor source = results[i];
    for (const Tensor& out : outs)
      if (layout::overlap(out, source) != layout::Overlap::None) source = clone(source);
    check_out(operation, outs[i], source.dtype(), {&source}, is_differentiable(source.dtype()));
    check_resize(outs[i], source.sizes());
    sources.push_back(std::move(source));
  }
  NoGradGuard no_grad;
  for (size_t i = 0; i < outs.size(); ++i) {
    resize_(outs[i], sources[i].sizes());
    copy_(outs[i], sources[i]);
  }
}

void check_inplace_result(const char* operation, const Tensor& self, IntSpan shape, DType result) {
  (void)operation;
  check_cast(result, self);
  if (!equal(self.sizes(), shape))
    fail("output with shape ", self.sizes(), " doesn't match the broadcast shape ", shape);
  layout::check_writable(self);
}

void check_no_partial_overlap(const Tensor& out, const Tensor& input) {
  if (layout::overlap(out, input) == layout::Overlap::Partial) fail_overlap();
}

void store_inplace(const char* operation, const Tensor& self, const Tensor& result) {
  check_inplace_result(operation, self, result.sizes(), result.dtype());
  const bool record = autograd::needs(result, self) && is_differentiable(self.dtype());
  autograd::check_inplace(self, record);
  Ref<Node> node;
  if (record) {
    node = result.grad_fn();
    // A node of one output takes its place; views need its input 0 to be self.
    if (self.impl()->base)
      node = autograd::make_node("CopyBackwards", {&self, &result}, [](autograd::Grads& g) {
        if (g.needs(0)) g[0] = zeros_like(g.grad());
        if (g.needs(1)) g[1] = g.grad();
      });
    else if (!node || node->outputs != 1)
      node = autograd::make_node("CopyBackwards", {&result}, [](autograd::Grads& g) { g[0] = g.grad(); });
  }
  cpu::copy_elements(self, result);
  self.bump_version(operation);
  autograd::attach(self.impl()->base != nullptr, self, node);
}

namespace autograd {

Undo::Undo(const Tensor& self, bool wanted) {
  if (!wanted || pack_hooks().empty()) return;
  NoGradGuard no_grad;
  before_ = rushlight::clone(self);
}

SavedTensor Undo::keep_result(const Tensor& self) const {
  if (!before_.defined()) return SavedTensor::result(self);
  try {
    return SavedTensor::result(self);
  } catch (...) {
    cpu::copy_elements(self, before_);
    self.impl()->version->value.fetch_sub(1, std::memory_order_relaxed);
    throw;
  }
}

}  // namespace autograd

}  // namespace rushlight
