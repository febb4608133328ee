// Advanced indexing: lists of index tensors and masks.
#include "ops/index.h"

#include <algorithm>

#include "core/thread_pool.h"

namespace rushlight {

using autograd::Grads;

namespace {

constexpr int64_t kStackOffsets = 256;
constexpr int64_t kParallelBytes = 1 << 18;

bool is_mask(const Tensor& t) { return t.dtype() == DType::Bool || t.dtype() == DType::UInt8; }

void warn_uint8(const Tensor& mask) {
  if (mask.dtype() == DType::UInt8)
    warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.");
}

// One index tensor, dense under the common shape, or a single number (step 0).
struct Axis {
  Tensor index;
  int64_t step;
  int64_t size;    // of the indexed dim
  int64_t stride;  // bytes
};

// self[indices] as a problem of offsets: element (b, i, a) of the result, where i runs over the broadcast indices, is
// at self + offset(i) in the dims before and after the indexed ones.
struct Indexing {
  std::vector<Axis> axes;
  DimVector index_shape;
  int64_t count = 1;                     // elements of index_shape
  int64_t first = 0;                     // the dim of the result where index_shape begins
  DimVector shape;                       // of the result
  DimVector strides;                     // of self under `shape`, in elements; 0 over index_shape
  bool identity = true;                  // dims of self stay in their order
  std::vector<DimVector> index_strides;  // of every index under index_shape, before it was made dense
  int64_t inner = 1;                     // elements after the indexed dims
  int64_t outer = 1;                     // elements before them
  int64_t span = 1;                      // product of the indexed sizes
  bool direct = false;                   // one dense index tensor without negative values: it serves as it is
};

// Masks become the columns of their nonzero().
TensorList expand_masks(const Tensor& self, std::span<const Tensor> indices) {
  TensorList result;
  for (const Tensor& t : indices) {
    if (!t.defined() || !is_mask(t)) {
      result.push_back(t);
      continue;
    }
    warn_uint8(t);
    const int64_t at = static_cast<int64_t>(result.size());
    if (at + t.dim() > self.dim())
      fail<IndexError>("too many indices for tensor of dimension ", self.dim(), " (got ", at + t.dim(), ")");
    for (int64_t d = 0; d < t.dim(); ++d)
      if (t.sizes()[d] != self.sizes()[at + d])
        fail<IndexError>("The shape of the mask ", t.sizes(), " at index ", d,
                         " does not match the shape of the indexed tensor ", self.sizes(), " at index ", at + d);
    const Tensor where = nonzero(t);
    NoGradGuard no_grad;
    for (int64_t d = 0; d < t.dim(); ++d) result.push_back(select(where, 1, d));
  }
  return result;
}

[[noreturn, gnu::cold]] void fail_shapes(const TensorList& indices) {
  Message m;
  m << "shape mismatch: indexing tensors could not be broadcast together with shapes ";
  bool first = true;
  for (const Tensor& t : indices) {
    if (!t.defined()) continue;
    if (!first) m << ", ";
    m << t.sizes();
    first = false;
  }
  throw IndexError(m.text);
}

Indexing plan_index(const Tensor& self, std::span<const Tensor> given) {
  if (given.empty()) fail<IndexError>("at least one index must be provided");
  for (const Tensor& t : given)
    if (t.defined() && !is_index_dtype(t.dtype()) && !is_mask(t))
      fail<IndexError>("tensors used as indices must be long, int, byte or bool tensors");
  if (static_cast<int64_t>(given.size()) > self.dim())
    fail<IndexError>("too many indices for tensor of dimension ", self.dim(), " (got ", given.size(), ")");
  const TensorList indices = expand_masks(self, given);
  if (static_cast<int64_t>(indices.size()) > self.dim())
    fail<IndexError>("too many indices for tensor of dimension ", self.dim(), " (got ", indices.size(), ")");

  Indexing x;
  int64_t low = -1, high = -1;
  bool any = false;
  for (int64_t d = 0; d < static_cast<int64_t>(indices.size()); ++d) {
    const Tensor& t = indices[d];
    if (!t.defined()) continue;
    check_cpu("index", t);
    if (low < 0) low = d;
    high = d;
    if (!any) {
      x.index_shape = DimVector(t.sizes());
    } else if (!equal(x.index_shape, t.sizes())) {
      const int64_t n = std::max(x.index_shape.size(), t.dim());
      DimVector shape(n);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t ia = i - (n - x.index_shape.size()), ib = i - (n - t.dim());
        const int64_t a = ia < 0 ? 1 : x.index_shape[ia], b = ib < 0 ? 1 : t.sizes()[ib];
        if (a != b && a != 1 && b != 1) fail_shapes(indices);
        shape[i] = a == 1 ? b : a;
      }
      x.index_shape = shape;
    }
    any = true;
  }
  if (!any) fail<IndexError>("at least one index must be provided");
  x.count = layout::checked_numel(x.index_shape);
  // Separated indices put their dims in front.
  auto indexed = [&](int64_t d) { return d < static_cast<int64_t>(indices.size()) && indices[d].defined(); };
  bool adjacent = true;
  for (int64_t d = low; d <= high; ++d) adjacent = adjacent && indexed(d);
  x.identity = adjacent;
  x.first = adjacent ? low : 0;
  auto add_dim = [&](int64_t d) {
    x.shape.push_back(self.sizes()[d]);
    x.strides.push_back(self.strides()[d]);
  };
  auto add_indices = [&] {
    for (int64_t s : x.index_shape) {
      x.shape.push_back(s);
      x.strides.push_back(0);
    }
  };
  for (int64_t d = 0; d < x.first; ++d) {
    add_dim(d);
    x.outer *= self.sizes()[d];
  }
  add_indices();
  for (int64_t d = x.first; d < self.dim(); ++d)
    if (!indexed(d)) {
      add_dim(d);
      x.inner *= self.sizes()[d];
    }
  if (x.shape.size() > kMaxDims) fail("index: tensors have at most ", kMaxDims, " dimensions, got ", x.shape.size());
  layout::checked_numel(x.shape, self.item_size());

  for (int64_t d = 0; d < static_cast<int64_t>(indices.size()); ++d) {
    const Tensor& t = indices[d];
    if (!t.defined()) continue;
    const int64_t size = self.sizes()[d];
    x.span *= size;
    if (size == 0 && x.count != 0) fail<IndexError>("index is out of bounds for dimension with size 0");
    x.index_strides.push_back(layout::broadcast_strides(t.sizes(), t.strides(), x.index_shape));
    Axis axis{t, 1, size, self.strides()[d] * self.item_size()};
    if (t.numel() == 1 && x.count != 1)
      axis.step = 0;
    else if (!equal(t.sizes(), x.index_shape))
      axis.index = [&] {
        NoGradGuard no_grad;
        return expand(t, x.index_shape);
      }();
    axis.index = dense_index(axis.index);
    x.axes.push_back(std::move(axis));
  }
  return x;
}

// Checks the index positions [begin, begin + n). torch counts the index tensors in the message, not the dims.
// Returns whether no index is negative.
bool check_positions(const Indexing& x, int64_t begin, int64_t n) {
  bool positive = true;
  for (size_t i = 0; i < x.axes.size(); ++i) {
    const Axis& axis = x.axes[i];
    const char* const at = axis.index.data() + (axis.step ? begin * 8 : 0);
    const int64_t count = axis.step ? n : 1;
    int64_t bad;
    if (!cpu::find_outside(at, 8, count, 0, axis.size - 1, &bad)) continue;
    positive = false;
    if (cpu::find_outside(at, 8, count, -axis.size, axis.size - 1, &bad))
      fail<IndexError>("index ", bad, " is out of bounds for dimension ", i, " with size ", axis.size);
  }
  return positive;
}

// An empty result asks for nothing.
void check_indices(Indexing& x) {
  for (int64_t s : x.shape)
    if (s == 0) return;
  x.direct = check_positions(x, 0, x.count) && x.axes.size() == 1 && x.axes[0].step == 1;
}

// Byte offsets of the index positions [begin, begin + n).
void fill_offsets(const Indexing& x, int64_t begin, int64_t n, int64_t* out) {
  bool first = true;
  for (const Axis& axis : x.axes) {
    const int64_t* const index = axis.index.data_ptr<int64_t>() + begin * axis.step;
    const int64_t size = axis.size, stride = axis.stride;
    auto offset = [&](int64_t v) { return (v + (size & (v >> 63))) * stride; };
    if (axis.step == 0) {
      const int64_t same = offset(index[0]);
      for (int64_t i = 0; i < n; ++i) out[i] = (first ? 0 : out[i]) + same;
    } else if (first) {
      for (int64_t i = 0; i < n; ++i) out[i] = offset(index[i]);
    } else {
      for (int64_t i = 0; i < n; ++i) out[i] += offset(index[i]);
    }
    first = false;
  }
}

struct Offsets {
  explicit Offsets(const Indexing& x) {
    if (x.direct) {
      data = x.axes[0].index.data_ptr<int64_t>();
      stride = x.axes[0].stride;
      return;
    }
    if (x.count > kStackOffsets) {
      const int64_t sizes[1] = {x.count};
      memory = empty(sizes, DType::Int64);
      data = memory.data_ptr<int64_t>();
    }
    fill_offsets(x, 0, x.count, data);
  }
  Offsets(const Offsets&) = delete;
  int64_t stack[kStackOffsets];
  Tensor memory;
  int64_t* data = stack;
  int64_t stride = 1;  // bytes
};

// The order of dims in memory that self and the indices agree on, as the elementwise planner would choose it.
Tensor allocate_result(const Indexing& x, const Tensor& self) {
  bool plain = self.is_contiguous();
  for (const Axis& axis : x.axes) plain = plain && axis.step == 1;
  for (const DimVector& s : x.index_strides) plain = plain && layout::is_contiguous(x.index_shape, s, x.count);
  const int64_t n = x.shape.size();
  if (plain || n < 2) return empty(x.shape, self.dtype());
  const int64_t last = x.first + x.index_shape.size();
  auto compare = [&](int64_t a, int64_t b) {
    auto by = [&](int64_t sa, int64_t sb) {
      if (sa == 0 || sb == 0 || x.shape[a] == 1 || x.shape[b] == 1) return 0;
      if (sa != sb) return sa < sb ? -1 : 1;
      return x.shape[a] > x.shape[b] ? 1 : 0;
    };
    if (const int c = by(x.strides[a], x.strides[b])) return c;
    if (a < x.first || b < x.first || a >= last || b >= last) return 0;
    for (const DimVector& s : x.index_strides)
      if (const int c = by(s[a - x.first], s[b - x.first])) return c;
    return 0;
  };
  return empty_in_order(x.shape, self.dtype(), compare);
}

// The offsets as an operand under the shape of the result.
cpu::LoopArg offsets_arg(const Indexing& x, const Offsets& offsets, DimVector& sizes, DimVector& strides) {
  sizes = DimVector(x.shape.size(), 1);
  strides = DimVector(x.shape.size(), 0);
  const DimVector dense = layout::contiguous_strides(x.index_shape);
  for (int64_t i = 0; i < x.index_shape.size(); ++i) {
    sizes[x.first + i] = x.index_shape[i];
    strides[x.first + i] = dense[i];
  }
  cpu::LoopArg arg;
  arg.data = reinterpret_cast<char*>(offsets.data);
  arg.dtype = arg.kernel_dtype = DType::Int64;
  arg.sizes = sizes;
  arg.strides = strides;
  return arg;
}

// The dims around the indices are rows of a dense tensor.
bool is_blocks(const Indexing& x, const Tensor& self) { return x.identity && self.is_contiguous(); }

// Leading dims indexed: indices are checked and used block by block, while they are in the cache.
void read_rows(const Tensor& out, const Tensor& self, const Indexing& x) {
  const int64_t bytes = x.inner * self.item_size();
  const bool single = x.axes.size() == 1 && x.axes[0].step == 1;
  auto run = [&](int64_t begin, int64_t end) {
    int64_t offsets[kStackOffsets];
    for (int64_t at = begin; at < end; at += kStackOffsets) {
      const int64_t n = std::min(kStackOffsets, end - at);
      char* const to = out.data() + at * bytes;
      if (check_positions(x, at, n) && single) {
        cpu::take_rows(to, self.data(), x.axes[0].index.data_ptr<int64_t>() + at, n, x.axes[0].stride, bytes);
      } else {
        fill_offsets(x, at, n, offsets);
        cpu::take_rows(to, self.data(), offsets, n, 1, bytes);
      }
    }
  };
  if (out.nbytes() <= kParallelBytes) return run(0, x.count);
  cpu::BlockingRegion region(true);
  parallel_for(0, x.count, std::max<int64_t>(kParallelBytes / 2 / bytes, 1), run);
}

Tensor read_index(const Tensor& self, Indexing& x) {
  const Tensor out = allocate_result(x, self);
  if (out.numel() == 0) return out;
  const int64_t item = self.item_size();
  const bool blocks = is_blocks(x, self) && out.is_contiguous();
  if (blocks && x.outer == 1) {
    read_rows(out, self, x);
    return out;
  }
  check_indices(x);
  if (blocks) {
    const int64_t bytes = x.inner * item;
    const Offsets offsets(x);
    cpu::take_blocks(out.data(), self.data(), offsets.data, x.outer, x.count, offsets.stride, x.span * bytes, bytes);
    return out;
  }
  const Offsets offsets(x);
  DimVector sizes, strides;
  const cpu::LoopArg args[3] = {cpu::LoopArg(out, out.dtype()), loop_arg(self, x.shape, x.strides),
                                offsets_arg(x, offsets, sizes, strides)};
  cpu::IndexParams p;
  p.stride = offsets.stride;
  cpu::run_loop(cpu::take_loop(item), &p, x.shape, args, 3);
  return out;
}

void write_index(const Tensor& self, const Indexing& x, const Tensor& values, bool accumulate) {
  if (layout::checked_numel(x.shape) == 0) return;
  const int64_t item = self.item_size();
  const Offsets offsets(x);
  if (is_blocks(x, self)) {
    const int64_t bytes = x.inner * item, outer_bytes = x.span * bytes;
    const bool dense = values.is_contiguous() && equal(values.sizes(), x.shape);
    if (dense && accumulate) {
      cpu::combine_blocks(BinaryOp::Add, self.dtype(), self.data(), values.data(), offsets.data, x.outer, x.count,
                          offsets.stride, outer_bytes, x.inner, nullptr);
      return;
    }
    // One block for all indices also serves as dense.
    const bool repeat = values.is_contiguous() && values.numel() == x.inner && (x.inner == 1 || values.dim() > 0) &&
                        (values.dim() <= x.shape.size() - x.first - x.index_shape.size() || x.inner == 1);
    if ((dense || repeat) && !accumulate) {
      cpu::put_blocks(self.data(), values.data(), offsets.data, x.outer, x.count, offsets.stride, outer_bytes, bytes,
                      !dense);
      return;
    }
  }
  const DimVector value_strides = layout::broadcast_strides(values.sizes(), values.strides(), x.shape);
  DimVector sizes, strides;
  const cpu::LoopArg args[3] = {loop_arg(self, x.shape, x.strides), loop_arg(values, x.shape, value_strides),
                                offsets_arg(x, offsets, sizes, strides)};
  cpu::IndexParams p;
  p.stride = offsets.stride;
  cpu::run_in_order(accumulate ? cpu::add_loop(self.dtype()) : cpu::put_loop(item), &p, x.shape, args, 3);
}

// The position of a 0-d mask, which stands for a new dim of size 1; -1 without one.
int64_t find_scalar_mask(std::span<const Tensor> indices) {
  for (size_t i = 0; i < indices.size(); ++i)
    if (indices[i].defined() && indices[i].dim() == 0 && is_mask(indices[i])) return static_cast<int64_t>(i);
  return -1;
}

TensorList with_vector_mask(std::span<const Tensor> indices, int64_t at) {
  NoGradGuard no_grad;
  TensorList list(indices.begin(), indices.end());
  list[static_cast<size_t>(at)] = unsqueeze(indices[static_cast<size_t>(at)], 0);
  return list;
}

// The dim of self that entry `at` of the indices refers to.
int64_t dim_of_entry(std::span<const Tensor> indices, int64_t at) {
  int64_t dim = 0;
  for (int64_t i = 0; i < at; ++i) {
    const Tensor& t = indices[static_cast<size_t>(i)];
    dim += t.defined() && is_mask(t) ? t.dim() : 1;
  }
  return dim;
}

bool is_full_mask(const Tensor& self, std::span<const Tensor> indices) {
  return indices.size() == 1 && indices[0].defined() && is_mask(indices[0]) && self.dim() > 0 &&
         equal(indices[0].sizes(), self.sizes()) && indices[0].device().is_cpu();
}

struct SavedList {
  explicit SavedList(std::span<const Tensor> tensors) {
    for (const Tensor& t : tensors) list.push_back(t.defined() ? SavedTensor(t) : SavedTensor());
  }
  TensorList unpack(const Grads& g) const {
    TensorList result;
    for (const SavedTensor& s : list) result.push_back(s.defined() ? g.unpack(s) : Tensor());
    return result;
  }
  std::vector<SavedTensor> list;
};

}  // namespace

Tensor index(const Tensor& self, std::span<const Tensor> indices) {
  check_cpu("index", self);
  if (const int64_t at = find_scalar_mask(indices); at >= 0) [[unlikely]]
    return index(unsqueeze(self, dim_of_entry(indices, at)), with_vector_mask(indices, at));
  Tensor out;
  if (is_full_mask(self, indices)) {
    warn_uint8(indices[0]);
    out = select_by_mask(self, indices[0]);
  } else {
    Indexing x = plan_index(self, indices);
    out = read_index(self, x);
  }
  if (autograd::needs(self))
    autograd::record("IndexBackward0", out, {&self},
                     [saved = SavedList(indices), sizes = DimVector(self.sizes())](Grads& g) {
                       g[0] = index_put_(zeros(sizes, g.grad().dtype()), saved.unpack(g), g.grad(), true);
                     });
  return out;
}

namespace {

// One element under one mask: torch fills then, and converts the element.
bool is_mask_fill(std::span<const Tensor> indices, const Tensor& values, bool accumulate) {
  if (accumulate || values.numel() != 1) return false;
  int64_t masks = 0;
  for (const Tensor& t : indices) {
    if (t.defined() && !is_mask(t)) return false;
    masks += t.defined();
  }
  return masks == 1;
}

void check_values_shape(const Tensor& values, IntSpan shape) {
  if (!layout::is_expandable_to(values.sizes(), shape))
    fail("shape mismatch: value tensor of shape ", values.sizes(), " cannot be broadcast to indexing result of shape ",
         shape);
}

Tensor put_by_index(const Tensor& self, std::span<const Tensor> indices, const Tensor& source, bool accumulate,
                    bool inplace) {
  check_cpu("index_put_", self);
  check_cpu("index_put_", source);
  Tensor values = source;
  if (self.dtype() != source.dtype() && is_mask_fill(indices, source, accumulate)) {
    item(source).check_fits(self.dtype());
    NoGradGuard no_grad;
    values = to(source, self.dtype());
  }
  if (indices.empty()) {
    check_values_shape(values, self.sizes());
    fail<IndexError>("at least one index must be provided");
  }
  if (accumulate && !cpu::add_loop(self.dtype()))
    fail<NotImplementedError>("\"index_put\" not implemented for '", self.dtype(), "'");
  const bool record = autograd::needs(self, source);
  if (inplace) autograd::check_inplace(self, record);
  Ref<Node> node;
  if (record)
    node =
        autograd::make_node("IndexPutBackward0", {&self, &source}, [saved = SavedList(indices), accumulate](Grads& g) {
          const TensorList list = saved.unpack(g);
          if (g.needs(0)) g[0] = accumulate ? g.grad() : index_put(g.grad(), list, zeros({}, g.grad().dtype()), false);
          if (g.needs(1)) g[1] = index(g.grad(), list);
        });
  if (inplace) {
    check_writable_or_warn("index_put_", self, "tensor[indices] = tensor");
    check_no_overlap(self, values);
    for (const Tensor& t : indices)  // masks are read before anything is written
      if (t.defined() && !is_mask(t)) check_no_overlap(self, t);
  }
  // A number under a mask needs no positions.
  const bool fill = !accumulate && values.numel() == 1 && values.dim() <= 1 && is_full_mask(self, indices);
  auto check_dtypes = [&] {
    if (self.dtype() != values.dtype())
      fail("Index put requires the source and destination dtypes match, got ", self.dtype(),
           " for the destination and ", values.dtype(), " for the source.");
  };
  Tensor out;
  if (fill) {
    check_dtypes();
    warn_uint8(indices[0]);
    if (inplace) check_no_partial_overlap(self, indices[0]);
    out = inplace ? self : plain_copy_like(self);
    fill_by_mask(out, indices[0], values.data());
  } else {
    const Tensor target = inplace ? self : plain_copy_like(self);
    Indexing x = plan_index(target, indices);
    check_values_shape(values, x.shape);
    check_dtypes();
    check_indices(x);
    write_index(target, x, values, accumulate);
    out = target;
  }
  if (inplace) self.bump_version("index_put_");
  autograd::attach(inplace, out, node);
  return out;
}

}  // namespace

Tensor index_put(const Tensor& self, std::span<const Tensor> indices, const Tensor& values, bool accumulate) {
  if (const int64_t at = find_scalar_mask(indices); at >= 0) [[unlikely]] {
    const int64_t dim = dim_of_entry(indices, at);
    const int64_t dims[1] = {dim};
    return squeeze(index_put(unsqueeze(self, dim), with_vector_mask(indices, at), values, accumulate), dims);
  }
  return put_by_index(self, indices, values, accumulate, false);
}

const Tensor& index_put_(const Tensor& self, std::span<const Tensor> indices, const Tensor& values, bool accumulate) {
  if (const int64_t at = find_scalar_mask(indices); at >= 0) [[unlikely]]
    index_put_(unsqueeze(self, dim_of_entry(indices, at)), with_vector_mask(indices, at), values, accumulate);
  else
    put_by_index(self, indices, values, accumulate, true);
  return self;
}

}  // namespace rushlight
