// What the indexing families share: checks of indices and of memory that must not meet.
#pragma once

#include "cpu/index.h"
#include "layout/layout.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"

namespace rushlight {

inline bool is_index_dtype(DType d) { return d == DType::Int64 || d == DType::Int32; }

// The C++ name that some of torch's messages use.
inline const char* c_type_name(DType d) {
  constexpr const char* names[] = {"bool",  "unsigned char", "signed char",         "short int",
                                   "int",   "long int",      "c10::Half",           "c10::BFloat16",
                                   "float", "double",        "c10::complex<float>", "c10::complex<double>"};
  return static_cast<int>(d) < kNumComputeDTypes ? names[static_cast<int>(d)] : name(d);
}

// int64, dense in row-major order; not recorded.
inline Tensor dense_index(const Tensor& index) {
  if (index.dtype() == DType::Int64 && index.is_contiguous()) [[likely]]
    return index;
  NoGradGuard no_grad;
  return contiguous(to(index, DType::Int64));
}

// Raises where the two may share memory, even in full. Like torch's, it cannot tell for tensors with gaps.
inline void check_no_overlap(const Tensor& written, const Tensor& read) {
  if (written.storage() == read.storage() &&
      (written.is_same(read) || (written.is_non_overlapping_and_dense() && read.is_non_overlapping_and_dense())) &&
      (written.is_same(read) || layout::overlap(written, read) != layout::Overlap::None)) [[unlikely]]
    fail(
        "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
        "location. Please clone() the tensor before performing the operation.");
}

// prepare_out for operations whose result has the dtype of its input and must not meet any input.
inline void prepare_index_out(const char* operation, const Tensor& out, IntSpan shape, DType dtype,
                              std::initializer_list<const Tensor*> inputs) {
  for (const Tensor* t : inputs) check_no_overlap(out, *t);
  prepare_out(operation, out, shape, dtype, inputs);
}

// A tensor that may be written although some of its elements are one (torch warns); read-only memory never.
inline void check_writable_or_warn(const char* operation, const Tensor& self, const char* example) {
  if (self.storage()->read_only()) layout::check_writable(self);
  if (self.is_contiguous()) return;
  for (int64_t i = 0; i < self.dim(); ++i)
    if (self.strides()[i] == 0 && self.sizes()[i] > 1) {
      Message m;
      m << "Use of " << operation
        << " on expanded tensors is deprecated. Please clone() the tensor before performing this operation. This also "
           "applies to advanced indexing e.g. "
        << example;
      warn(m.text);
      return;
    }
}

// A copy that is not recorded, row-major.
inline Tensor plain_copy(const Tensor& self) {
  NoGradGuard no_grad;
  return clone(self, true);
}

// The same with the dims in the memory order of self.
inline Tensor plain_copy_like(const Tensor& self) {
  NoGradGuard no_grad;
  return clone(self);
}

// One operand of a loop, with a geometry of its own.
inline cpu::LoopArg loop_arg(const Tensor& t, IntSpan sizes, IntSpan strides, int64_t offset_elements = 0) {
  cpu::LoopArg arg;
  arg.data = t.data() + offset_elements * t.item_size();
  arg.dtype = arg.kernel_dtype = t.dtype();
  arg.sizes = sizes;
  arg.strides = strides;
  return arg;
}

// A 0-d tensor counts as one element along dim 0.
inline int64_t size_along(const Tensor& t, int64_t dim) { return t.dim() == 0 ? 1 : t.sizes()[dim]; }
inline int64_t stride_along(const Tensor& t, int64_t dim) { return t.dim() == 0 ? 1 : t.strides()[dim]; }

[[noreturn, gnu::cold]] inline void fail_index(int64_t bad, int64_t dim, int64_t size) {
  fail("index ", bad, " is out of bounds for dimension ", dim, " with size ", size);
}

// Strides with the one along dim set to 0: indices step there.
inline DimVector strides_without(const Tensor& t, int64_t dim) {
  DimVector strides(t.strides());
  if (!strides.empty()) strides[dim] = 0;
  return strides;
}

// The rows of a dense tensor around one dim.
struct Rows {
  int64_t outer = 1, inner = 1;
  Rows(IntSpan sizes, int64_t dim) {
    for (int64_t d = 0; d < static_cast<int64_t>(sizes.size()); ++d) {
      if (d < dim) outer *= sizes[d];
      if (d > dim) inner *= sizes[d];
    }
  }
};

// What index_add and index_reduce ask of their arguments; dim is not negative. Returns the index as int64, dense; its
// values are not checked.
Tensor check_index_slices(const char* operation, const Tensor& self, int64_t dim, const Tensor& index,
                          const Tensor& source);

// The kernels behind masked_select and index with one full mask: dense or not, any device of the CPU kind.
Tensor select_by_mask(const Tensor& self, const Tensor& mask, const Tensor* out = nullptr);
// self = where(mask, value, self), not recorded; value is a number of self's dtype in memory.
void fill_by_mask(const Tensor& self, const Tensor& mask, void* value);

}  // namespace rushlight
