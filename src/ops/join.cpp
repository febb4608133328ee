// Joining tensors: cat and stack.
#include <algorithm>
#include <cstring>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "layout/memory_format.h"
#include "ops/index.h"

namespace rushlight {

using autograd::Grads;

namespace {

constexpr int64_t kParallelBytes = 1 << 18;

// cat ignores vectors without elements.
bool is_skipped(const Tensor& t) { return t.dim() == 1 && t.sizes()[0] == 0; }

template <class T>
void copy_columns(char* dst, int64_t dst_step, const char* src, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i)
    std::memcpy(dst + i * dst_step, src + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
}

// Rows of `bytes`, dense in src, dst_step apart in dst.
void copy_rows(char* dst, int64_t dst_step, const char* src, int64_t bytes, int64_t rows) {
  if (rows == 1 || bytes == dst_step) {
    std::memcpy(dst, src, static_cast<size_t>(bytes * rows));
    return;
  }
  switch (bytes) {
    case 1: return copy_columns<uint8_t>(dst, dst_step, src, rows);
    case 2: return copy_columns<uint16_t>(dst, dst_step, src, rows);
    case 4: return copy_columns<uint32_t>(dst, dst_step, src, rows);
    case 8: return copy_columns<uint64_t>(dst, dst_step, src, rows);
    case 16: return copy_columns<char[16]>(dst, dst_step, src, rows);
    default:
      for (int64_t i = 0; i < rows; ++i) std::memcpy(dst + i * dst_step, src + i * bytes, static_cast<size_t>(bytes));
  }
}

struct Plan {
  int64_t dim = 0;
  DType dtype = DType::Undefined;
  const Tensor* like = nullptr;  // the first tensor that counts
  int64_t size = 0;              // of the result along dim
  bool dense = true;             // all that count are row-major and of dtype
  bool same_dtype = true;
};

Plan plan_cat(std::span<const Tensor> tensors, int64_t dim, const Tensor* out = nullptr) {
  if (tensors.empty()) fail<ValueError>("torch.cat(): expected a non-empty list of Tensors");
  Plan p;
  const DType first = tensors[0].dtype();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    check_cpu("cat", t);
    if (t.dim() == 0) fail("zero-dimensional tensor (at position ", i, ") cannot be concatenated");
    if (t.dtype() != first) p.same_dtype = false;
    if (!p.like && !is_skipped(t)) p.like = &t;
  }
  p.dtype = first;
  if (!p.same_dtype)
    for (const Tensor& t : tensors) p.dtype = promote_types(p.dtype, t.dtype());
  if (out && !can_cast(p.dtype, out->dtype()))
    fail<TypeError>("torch.cat(): input types can't be cast to the desired output type ", out->dtype());
  if (!p.like) {
    p.like = &tensors[0];
    p.dim = 0;  // torch does not look at dim here
    return p;
  }
  p.dim = wrap_dim(dim, p.like->dim());
  const IntSpan sizes = p.like->sizes();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    if (is_skipped(t)) continue;
    if (t.dim() != p.like->dim())
      fail("Tensors must have same number of dimensions: got ", p.like->dim(), " and ", t.dim());
    for (int64_t d = 0; d < t.dim(); ++d)
      if (d != p.dim && t.sizes()[d] != sizes[d])
        fail("Sizes of tensors must match except in dimension ", p.dim, ". Expected size ", sizes[d], " but got size ",
             t.sizes()[d], " for tensor number ", i, " in the list.");
    if (__builtin_add_overflow(p.size, t.sizes()[p.dim], &p.size)) fail("cat: the result is too large");
    p.dense = p.dense && t.is_contiguous() && t.dtype() == p.dtype;
  }
  return p;
}

void run_cat(const Tensor& out, std::span<const Tensor> tensors, const Plan& p) {
  if (out.numel() == 0) return;
  if (p.dense && out.is_contiguous() && out.dtype() == p.dtype) {
    int64_t outer = 1;
    for (int64_t d = 0; d < p.dim; ++d) outer *= out.sizes()[d];
    char* const base = out.data();
    const int64_t row = out.nbytes() / outer;
    auto copy = [&](int64_t begin, int64_t end) {
      char* at = base + begin * row;
      for (const Tensor& t : tensors) {
        const int64_t bytes = t.nbytes() / outer;
        if (bytes) copy_rows(at, row, t.data() + begin * bytes, bytes, end - begin);
        at += bytes;
      }
    };
    if (out.nbytes() <= kParallelBytes) {
      copy(0, outer);
    } else if (outer > 1) {
      cpu::BlockingRegion region(true);
      parallel_for(0, outer, std::max<int64_t>(kParallelBytes / row, 1), copy);
    } else {
      cpu::BlockingRegion region(true);
      char* at = base;
      for (const Tensor& t : tensors) {
        const int64_t bytes = t.nbytes();
        parallel_for(0, bytes, kParallelBytes, [&](int64_t begin, int64_t end) {
          std::memcpy(at + begin, t.data() + begin, static_cast<size_t>(end - begin));
        });
        at += bytes;
      }
    }
    return;
  }
  int64_t start = 0;
  for (const Tensor& t : tensors) {
    if (is_skipped(t) || t.numel() == 0) {
      if (!is_skipped(t)) start += t.sizes()[p.dim];
      continue;
    }
    const Tensor piece = Tensor::adopt(TensorImpl::create(out.storage(), out.dtype(), t.sizes(), out.strides(),
                                                          out.storage_offset() + start * out.strides()[p.dim]));
    cpu::copy_elements(piece, t);
    start += t.sizes()[p.dim];
  }
}

DimVector channels_last_strides(IntSpan sizes) {
  return layout::format_strides(sizes, sizes.size() == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d);
}

bool all_channels_last(std::span<const Tensor> tensors, const Plan& p) {
  if (p.like->dim() != 4 && p.like->dim() != 5) return false;
  for (const Tensor& t : tensors)
    if (!layout::is_channels_last_like(t.sizes(), t.strides())) return false;
  return true;
}

Tensor joined(std::span<const Tensor> tensors, const Plan& p) {
  DimVector sizes(p.like->sizes());
  sizes[p.dim] = p.size;
  Tensor out = all_channels_last(tensors, p) ? empty_strided(sizes, channels_last_strides(sizes), p.dtype)
                                             : empty(sizes, p.dtype);
  run_cat(out, tensors, p);
  return out;
}

void check_out_grad(const char* operation, const Tensor& out, std::span<const Tensor> tensors) {
  if (GradMode::enabled() && (out.requires_grad() || autograd::needs(tensors)))
    fail(operation,
         "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
         "requires grad.");
}

void joined_out(const char* operation, const Tensor& out, std::span<const Tensor> tensors, const Plan& p,
                IntSpan sizes) {
  check_cpu(operation, out);
  check_out_grad(operation, out, tensors);
  for (const Tensor& t : tensors) {
    check_no_overlap(out, t);
    cpu::check_conversion(t.dtype(), out.dtype());
  }
  if (out.storage()->read_only() || equal(out.sizes(), sizes)) layout::check_writable(out);
  if (equal(out.sizes(), sizes)) return;
  resize_output(out, sizes);
  if (all_channels_last(tensors, p))
    out.impl()->set_geometry(sizes, channels_last_strides(sizes), out.storage_offset());
}

// The dim, wrapped.
int64_t check_stack(std::span<const Tensor> tensors, int64_t dim) {
  if (tensors.empty()) fail("stack expects a non-empty TensorList");
  dim = wrap_dim(dim, tensors[0].dim() + 1);
  for (size_t i = 1; i < tensors.size(); ++i)
    if (!equal(tensors[i].sizes(), tensors[0].sizes()))
      fail("stack expects each tensor to be equal size, but got ", tensors[0].sizes(), " at entry 0 and ",
           tensors[i].sizes(), " at entry ", i);
  if (tensors[0].dim() + 1 > kMaxDims) fail("stack: tensors have at most ", kMaxDims, " dimensions");
  return dim;
}

// Tensors as cat takes them, with a dim of size 1.
TensorList unsqueezed(std::span<const Tensor> tensors, int64_t dim) {
  NoGradGuard no_grad;
  TensorList list;
  list.reserve(tensors.size());
  for (const Tensor& t : tensors) list.push_back(unsqueeze(t, dim));
  return list;
}

}  // namespace

Tensor cat(std::span<const Tensor> tensors, int64_t dim) {
  const Plan p = plan_cat(tensors, dim);
  Tensor out = joined(tensors, p);
  if (autograd::needs(tensors)) {
    std::vector<int64_t> sizes;
    for (const Tensor& t : tensors) sizes.push_back(is_skipped(t) ? -1 : t.sizes()[p.dim]);
    autograd::record_many("CatBackward0", {&out, 1}, tensors, [sizes = std::move(sizes), dim = p.dim](Grads& g) {
      int64_t start = 0;
      for (size_t i = 0; i < sizes.size(); ++i) {
        const int64_t n = std::max<int64_t>(sizes[i], 0);
        if (g.needs(i)) g[i] = sizes[i] < 0 ? zeros(DimVector{0}, g.grad().dtype()) : narrow(g.grad(), dim, start, n);
        start += n;
      }
    });
  }
  return out;
}

const Tensor& cat_out(const Tensor& out, std::span<const Tensor> tensors, int64_t dim) {
  const Plan p = plan_cat(tensors, dim, &out);
  DimVector sizes(p.like->sizes());
  sizes[p.dim] = p.size;
  joined_out("cat", out, tensors, p, sizes);
  run_cat(out, tensors, p);
  out.bump_version("cat");
  return out;
}

Tensor stack(std::span<const Tensor> tensors, int64_t dim) {
  dim = check_stack(tensors, dim);
  const Tensor& first = tensors[0];
  const int64_t count = static_cast<int64_t>(tensors.size());
  Tensor out;
  if (dim < first.dim() && first.numel() != 0) {
    // One dim of the joined tensor is split in two, so that its order of dims is kept.
    const Plan p = plan_cat(tensors, dim);
    const Tensor whole = joined(tensors, p);
    DimVector sizes(first.sizes());
    sizes.insert(dim, count);
    // Splitting one dim is always a view.
    const DimVector strides = *layout::view_strides(whole.sizes(), whole.strides(), sizes);
    out = Tensor::adopt(TensorImpl::create(whole.storage(), whole.dtype(), sizes, strides, 0));
  } else {
    const TensorList list = unsqueezed(tensors, dim);
    out = joined(list, plan_cat(list, dim));
  }
  if (autograd::needs(tensors))
    autograd::record_many("StackBackward0", {&out, 1}, tensors, [dim](Grads& g) {
      for (size_t i = 0; i < g.inputs(); ++i)
        if (g.needs(i)) g[i] = select(g.grad(), dim, static_cast<int64_t>(i));
    });
  return out;
}

const Tensor& stack_out(const Tensor& out, std::span<const Tensor> tensors, int64_t dim) {
  dim = check_stack(tensors, dim);
  const TensorList list = unsqueezed(tensors, dim);
  const Plan p = plan_cat(list, dim, &out);
  DimVector sizes(p.like->sizes());
  sizes[p.dim] = p.size;
  check_out_grad("stack", out, tensors);
  joined_out("stack", out, list, p, sizes);
  run_cat(out, list, p);
  out.bump_version("stack");
  return out;
}

}  // namespace rushlight
