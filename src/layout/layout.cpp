#include "layout/layout.h"

#include <algorithm>
#include <bitset>
#include <limits>
#include <numeric>

namespace rushlight::layout {

int64_t checked_numel(IntSpan sizes, int64_t item_size) {
  int64_t n = 1, bytes = item_size;
  bool empty = false, overflow = false;
  for (int64_t s : sizes) {
    if (s < 0) fail("Trying to create tensor with negative dimension ", s, ": ", sizes);
    if (s == 0) empty = true;
    overflow = overflow || __builtin_mul_overflow(n, s, &n) || __builtin_mul_overflow(bytes, s, &bytes);
  }
  if (empty) {
    // Strides count dims of size 0 as 1.
    int64_t step = 1;
    for (size_t i = sizes.size(); i-- > 1;)
      if (__builtin_mul_overflow(step, std::max<int64_t>(sizes[i], 1), &step)) fail("Stride calculation overflowed");
    return 0;
  }
  if (overflow) fail("Storage size calculation overflowed with sizes=", sizes);
  return n;
}

DimVector contiguous_strides(IntSpan sizes) {
  DimVector strides(static_cast<int64_t>(sizes.size()));
  int64_t step = 1;
  for (int64_t i = strides.size() - 1; i >= 0; --i) {
    strides[i] = step;
    // Products beyond int64 can only belong to empty tensors, whose strides are never followed.
    step = static_cast<int64_t>(static_cast<uint64_t>(step) * static_cast<uint64_t>(std::max<int64_t>(sizes[i], 1)));
  }
  return strides;
}

namespace {

// Only strides that are never followed (those of empty tensors and of dims of size 1) can overflow: they become 1.
int64_t stride_product(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? 1 : product;
}
int64_t stride_sum(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? 1 : sum;
}

}  // namespace

bool is_contiguous(IntSpan sizes, IntSpan strides, int64_t numel) {
  if (numel == 0) return true;
  int64_t expected = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] == 1) continue;
    if (strides[i] != expected) return false;
    expected *= sizes[i];
  }
  return true;
}

namespace {

// Dims from the innermost to the outermost one. Where strides do not decide (equal ones, strides of 0) later dims are
// inner ones and, of equal strides, smaller sizes.
DimVector memory_order(IntSpan sizes, IntSpan strides) {
  const int64_t n = static_cast<int64_t>(sizes.size());
  DimVector order(n);
  for (int64_t i = 0; i < n; ++i) order[i] = n - 1 - i;
  for (int64_t i = 1; i < n; ++i) {
    int64_t at = i;
    for (int64_t j = i - 1; j >= 0; --j) {
      const int64_t a = order[j], b = order[at];
      if (strides[a] == 0 || strides[b] == 0) continue;
      if (strides[a] < strides[b]) break;
      if (strides[a] == strides[b] && sizes[a] <= sizes[b]) continue;
      std::swap(order[j], order[at]);
      at = j;
    }
  }
  return order;
}

}  // namespace

bool is_non_overlapping_and_dense(IntSpan sizes, IntSpan strides) {
  int64_t expected = 1;
  DimVector kept;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return true;
    if (sizes[i] != 1) kept.push_back(static_cast<int64_t>(i));
  }
  std::sort(kept.begin(), kept.end(), [&](int64_t a, int64_t b) { return strides[a] < strides[b]; });
  for (int64_t d : kept) {
    if (strides[d] != expected) return false;
    expected *= sizes[d];
  }
  return true;
}

DimVector dense_strides_like(IntSpan sizes, IntSpan strides) {
  if (is_non_overlapping_and_dense(sizes, strides)) return strides;
  for (int64_t s : sizes)
    if (s == 0) return contiguous_strides(sizes);
  DimVector result(static_cast<int64_t>(sizes.size()));
  int64_t step = 1;
  for (int64_t d : memory_order(sizes, strides)) {
    result[d] = step;
    step *= sizes[d];
  }
  return result;
}

int64_t required_elements(IntSpan sizes, IntSpan strides, int64_t offset) {
  int64_t last = offset;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return offset;
    int64_t step;
    if (__builtin_mul_overflow(sizes[i] - 1, strides[i], &step) || __builtin_add_overflow(last, step, &last))
      fail("Storage size calculation overflowed with sizes=", sizes, " and strides=", strides);
  }
  if (__builtin_add_overflow(last, 1, &last))
    fail("Storage size calculation overflowed with sizes=", sizes, " and strides=", strides);
  return last;
}

void check_bounds(const char* operation, IntSpan sizes, IntSpan strides, int64_t offset, int64_t item_size,
                  size_t nbytes) {
  if (sizes.size() != strides.size())
    fail("mismatch in length of strides and shape: ", operation, " got size ", sizes, " and stride ", strides);
  if (static_cast<int64_t>(sizes.size()) > kMaxDims)
    fail(operation, ": tensors have at most ", kMaxDims, " dimensions, got ", sizes.size());
  checked_numel(sizes, item_size);
  for (int64_t s : strides)
    if (s < 0) fail(operation, ": Negative strides are not supported at the moment, got strides: ", strides);
  if (offset < 0) fail("Tensor: invalid storage offset ", offset);
  int64_t bytes;
  const int64_t count = required_elements(sizes, strides, offset);
  if (__builtin_mul_overflow(count, item_size, &bytes))
    fail("Storage size calculation overflowed with sizes=", sizes, " and strides=", strides);
  if (checked_numel(sizes) != 0 && static_cast<uint64_t>(bytes) > nbytes)
    fail("setStorage: sizes ", sizes, ", strides ", strides, ", storage offset ", offset, ", and itemsize ", item_size,
         " requiring a storage size of ", bytes, " are out of bounds for storage of size ", nbytes);
}

DimVector infer_size(IntSpan shape, int64_t numel) {
  int64_t product = 1, unknown = -1;
  bool overflow = false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      if (unknown >= 0) fail("only one dimension can be inferred");
      unknown = static_cast<int64_t>(i);
    } else if (shape[i] < 0) {
      fail("invalid shape dimension ", shape[i], " at index ", i, " of shape ", shape);
    } else {
      overflow = __builtin_mul_overflow(product, shape[i], &product) || overflow;
    }
  }
  DimVector result(shape);
  if (!overflow && unknown >= 0 && product == 0 && numel == 0)
    fail("cannot reshape tensor of 0 elements into shape ", shape,
         " because the unspecified dimension size -1 can be any value and is ambiguous");
  if (!overflow && product == numel && unknown < 0) return result;
  if (!overflow && unknown >= 0 && product > 0 && numel % product == 0) {
    result[unknown] = numel / product;
    return result;
  }
  fail("shape '", shape, "' is invalid for input of size ", numel);
}

std::optional<DimVector> view_strides(IntSpan sizes, IntSpan strides, IntSpan shape) {
  for (int64_t s : sizes)
    if (s == 0) return equal(sizes, shape) ? DimVector(strides) : contiguous_strides(shape);
  DimVector result(static_cast<int64_t>(shape.size()));
  if (sizes.empty()) {
    for (int64_t& s : result) s = 1;
    return result;
  }
  // Walk from the last dim: collect a run of old dims that lie densely in memory, then lay new dims over it.
  int64_t view_dim = result.size() - 1;
  int64_t chunk_stride = strides.back(), chunk = 1, laid = 1;
  for (int64_t d = static_cast<int64_t>(sizes.size()) - 1; d >= 0; --d) {
    chunk *= sizes[d];
    if (d > 0 && (sizes[d - 1] == 1 || strides[d - 1] == stride_product(chunk, chunk_stride))) continue;
    while (view_dim >= 0 && (laid < chunk || shape[view_dim] == 1)) {
      result[view_dim] = stride_product(laid, chunk_stride);
      laid *= shape[view_dim];
      --view_dim;
    }
    if (laid != chunk) return std::nullopt;
    if (d > 0) {
      chunk_stride = strides[d - 1];
      chunk = laid = 1;
    }
  }
  if (view_dim != -1) return std::nullopt;
  return result;
}

DimVector broadcast_shapes(IntSpan a, IntSpan b) {
  const int64_t na = static_cast<int64_t>(a.size()), nb = static_cast<int64_t>(b.size()), n = std::max(na, nb);
  DimVector shape(n);
  for (int64_t i = n - 1; i >= 0; --i) {
    const int64_t sa = i < n - na ? 1 : a[i - (n - na)], sb = i < n - nb ? 1 : b[i - (n - nb)];
    if (sa != sb && sa != 1 && sb != 1)
      fail("The size of tensor a (", sa, ") must match the size of tensor b (", sb, ") at non-singleton dimension ", i);
    shape[i] = sa == 1 ? sb : sa;
  }
  return shape;
}

bool is_expandable_to(IntSpan shape, IntSpan desired) {
  if (shape.size() > desired.size()) return false;
  const size_t lead = desired.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != desired[lead + i] && shape[i] != 1) return false;
  return true;
}

DimVector broadcast_strides(IntSpan sizes, IntSpan strides, IntSpan shape) {
  DimVector result(static_cast<int64_t>(shape.size()));
  const int64_t lead = result.size() - static_cast<int64_t>(sizes.size());
  for (int64_t i = lead; i < result.size(); ++i)
    result[i] = sizes[i - lead] == 1 && shape[i] != 1 ? 0 : strides[i - lead];
  return result;
}

Geometry expand(const Tensor& t, IntSpan sizes) {
  const int64_t n = static_cast<int64_t>(sizes.size()), lead = n - t.dim();
  if (lead < 0)
    fail("expand(", tensor_type_name(t.dtype()), "{", t.sizes(), "}, size=", sizes, "): the number of sizes provided (",
         n, ") must be greater or equal to the number of dimensions in the tensor (", t.dim(), ")");
  if (n > kMaxDims) fail("expand(): tensors have at most ", kMaxDims, " dimensions, got ", n);
  Geometry g{sizes, DimVector(n), t.storage_offset()};
  for (int64_t i = n - 1; i >= 0; --i) {
    const int64_t own = i < lead ? 1 : t.sizes()[i - lead];
    const int64_t own_stride = i >= lead      ? t.strides()[i - lead]
                               : t.dim() == 0 ? 0
                                              : stride_product(g.sizes[i + 1], g.strides[i + 1]);
    if (sizes[i] == -1) {
      if (i < lead) fail("The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ", i);
      g.sizes[i] = own;
      g.strides[i] = own_stride;
    } else if (sizes[i] == own) {
      g.strides[i] = own_stride;
    } else {
      if (sizes[i] < 0 && own == 1) fail("expand(): negative size ", sizes[i], " in ", sizes);
      if (own != 1)
        fail("The expanded size of the tensor (", sizes[i], ") must match the existing size (", own,
             ") at non-singleton dimension ", i, ".  Target sizes: ", sizes, ".  Tensor sizes: ", t.sizes());
      g.strides[i] = 0;
    }
  }
  checked_numel(g.sizes, t.item_size());
  return g;
}

Geometry permute(const Tensor& t, IntSpan dims) {
  const int64_t n = t.dim();
  if (static_cast<int64_t>(dims.size()) != n)
    fail(
        "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
        "ordering of dimensions i.e. input.dim() = ",
        n, " is not equal to len(dims) = ", dims.size());
  Geometry g{DimVector(n), DimVector(n), t.storage_offset()};
  std::bitset<kMaxDims> seen;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t d = wrap_dim(dims[i], n);
    if (seen[d]) fail("permute(): duplicate dims are not allowed.");
    seen.set(d);
    g.sizes[i] = t.sizes()[d];
    g.strides[i] = t.strides()[d];
  }
  return g;
}

Geometry transpose(const Tensor& t, int64_t dim0, int64_t dim1) {
  Geometry g = geometry_of(t);
  dim0 = wrap_dim(dim0, t.dim());
  dim1 = wrap_dim(dim1, t.dim());
  if (dim0 != dim1) {
    std::swap(g.sizes[dim0], g.sizes[dim1]);
    std::swap(g.strides[dim0], g.strides[dim1]);
  }
  return g;
}

Geometry select(const Tensor& t, int64_t dim, int64_t index) {
  if (t.dim() == 0) fail<IndexError>("select() cannot be applied to a 0-dim tensor.");
  dim = wrap_dim(dim, t.dim());
  const int64_t size = t.sizes()[dim];
  if (index < -size || index >= size)
    fail<IndexError>("select(): index ", index, " out of range for tensor of size ", t.sizes(), " at dimension ", dim);
  Geometry g = geometry_of(t);
  g.offset += (index < 0 ? index + size : index) * g.strides[dim];
  g.sizes.erase(dim);
  g.strides.erase(dim);
  return g;
}

Geometry slice(const Tensor& t, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end, int64_t step) {
  if (t.dim() == 0) fail<IndexError>("slice() cannot be applied to a 0-dim tensor.");
  dim = wrap_dim(dim, t.dim());
  if (step <= 0) fail("slice step must be positive");
  const int64_t size = t.sizes()[dim];
  int64_t first = start.value_or(0), last = end.value_or(size);
  if (first < 0) first += size;
  if (last < 0) last += size;
  first = std::clamp<int64_t>(first, 0, size);
  last = std::clamp<int64_t>(last, first, size);
  Geometry g = geometry_of(t);
  // The offset of a slice without elements is never followed, but must stay an offset.
  int64_t skipped;
  if (__builtin_mul_overflow(first, g.strides[dim], &skipped) || __builtin_add_overflow(g.offset, skipped, &skipped) ||
      skipped > std::numeric_limits<int64_t>::max() / 16)
    skipped = g.offset;
  g.offset = skipped;
  g.sizes[dim] = last == first ? 0 : (last - first - 1) / step + 1;
  int64_t stride;
  if (__builtin_mul_overflow(g.strides[dim], step, &stride)) {
    // Only one element is left then, and its stride is never followed.
    stride = g.strides[dim];
  }
  g.strides[dim] = stride;
  return g;
}

Geometry squeeze(const Tensor& t, std::optional<IntSpan> dims) {
  const uint64_t mask = dims ? dim_set(*dims, t.dim()) : ~uint64_t{0};
  Geometry g;
  g.offset = t.storage_offset();
  for (int64_t i = 0; i < t.dim(); ++i)
    if (t.sizes()[i] != 1 || (dims && (i >= kMaxSetDims || !(mask >> i & 1)))) {
      g.sizes.push_back(t.sizes()[i]);
      g.strides.push_back(t.strides()[i]);
    }
  return g;
}

Geometry unsqueeze(const Tensor& t, int64_t dim) {
  dim = wrap_dim(dim, t.dim() + 1);
  if (t.dim() + 1 > kMaxDims) fail("unsqueeze(): tensors have at most ", kMaxDims, " dimensions");
  Geometry g = geometry_of(t);
  const int64_t stride = dim < t.dim() ? stride_product(t.sizes()[dim], t.strides()[dim]) : 1;
  g.sizes.insert(dim, 1);
  g.strides.insert(dim, stride);
  return g;
}

Geometry diagonal(const Tensor& t, int64_t offset, int64_t dim1, int64_t dim2) {
  const int64_t a = wrap_dim(dim1, t.dim()), b = wrap_dim(dim2, t.dim());
  if (a == b) fail("diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  Geometry g = geometry_of(t);
  const int64_t rows = t.sizes()[a], columns = t.sizes()[b];
  int64_t length;
  if (offset >= 0) {
    length = std::max<int64_t>(offset >= columns ? 0 : std::min(rows, columns - offset), 0);
    if (length > 0) g.offset += offset * g.strides[b];
  } else {
    length = std::max<int64_t>(offset <= -rows ? 0 : std::min(rows + offset, columns), 0);
    if (length > 0) g.offset -= offset * g.strides[a];
  }
  const int64_t stride = stride_sum(g.strides[a], g.strides[b]);
  g.sizes.erase(std::max(a, b));
  g.sizes.erase(std::min(a, b));
  g.strides.erase(std::max(a, b));
  g.strides.erase(std::min(a, b));
  g.sizes.push_back(length);
  g.strides.push_back(stride);
  return g;
}

Geometry unfold(const Tensor& t, int64_t dim, int64_t size, int64_t step) {
  const int64_t d = wrap_dim(dim, t.dim());
  const int64_t available = t.dim() == 0 ? 1 : t.sizes()[d];
  if (size < 0) fail("size is ", size, " but must be >= 0");
  if (size > available) fail("maximum size for tensor at dimension ", d, " is ", available, " but size is ", size);
  if (step <= 0) fail("step is ", step, " but must be > 0");
  if (t.dim() + 1 > kMaxDims) fail("unfold(): tensors have at most ", kMaxDims, " dimensions");
  Geometry g = geometry_of(t);
  if (t.dim() == 0) {
    g.sizes.push_back(size);
    g.strides.push_back(1);
    return g;
  }
  const int64_t stride = g.strides[d];
  g.sizes[d] = (available - size) / step + 1;
  if (__builtin_mul_overflow(stride, step, &g.strides[d])) g.strides[d] = stride;
  g.sizes.push_back(size);
  g.strides.push_back(stride);
  return g;
}

void check_set_dims(int64_t ndim) {
  if (ndim > kMaxSetDims) fail("only tensors with up to ", kMaxSetDims, " dims are supported");
}

uint64_t dim_set(IntSpan dims, int64_t ndim, const char* what) {
  check_set_dims(ndim);
  uint64_t set = 0;
  for (int64_t d : dims) {
    const int64_t w = wrap_dim(d, ndim);
    if (set >> w & 1) fail(what, " ", w, " appears multiple times in the list of dims");
    set |= uint64_t{1} << w;
  }
  return set;
}

bool may_self_overlap(IntSpan sizes, IntSpan strides) {
  DimVector kept;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return false;
    if (sizes[i] > 1) kept.push_back(static_cast<int64_t>(i));
  }
  // Enough, not necessary: each stride steps over everything below it.
  std::sort(kept.begin(), kept.end(), [&](int64_t a, int64_t b) { return strides[a] < strides[b]; });
  int64_t reach = 0;
  for (int64_t d : kept) {
    if (strides[d] <= reach) return true;
    reach += (sizes[d] - 1) * strides[d];
  }
  return false;
}

namespace {

// How far apart, in bytes, elements of two tensors can be along one stride: any multiple in [low, high].
struct Step {
  int64_t stride, low, high;
};

// Whether steps[0] * k0 + steps[1] * k1 + ... can be `distance`; strides fall. The budget bounds the time: where it
// runs out the answer is yes.
bool can_meet(const Step* steps, int64_t count, int64_t distance, int& budget) {
  if (count == 0) return distance == 0;
  if (--budget < 0) return true;
  int64_t low = 0, high = 0, common = 0;
  for (int64_t i = 0; i < count; ++i) {
    common = std::gcd(common, steps[i].stride);
    if (i == 0) continue;
    low += steps[i].low * steps[i].stride;
    high += steps[i].high * steps[i].stride;
  }
  if (distance % common != 0) return false;
  // distance - k * stride must be within reach of the smaller steps.
  const Step& s = steps[0];
  auto floor_div = [](int64_t x, int64_t y) { return x / y - (x % y < 0); };
  const int64_t first = std::max(s.low, -floor_div(high - distance, s.stride));
  const int64_t last = std::min(s.high, floor_div(distance - low, s.stride));
  for (int64_t k = first; k <= last; ++k)
    if (can_meet(steps + 1, count - 1, distance - k * s.stride, budget)) return true;
  return false;
}

}  // namespace

// Of tensors of one shape: the strides are equal where they are followed.
static bool equal_steps(const Tensor& a, const Tensor& b) {
  for (int64_t i = 0; i < a.dim(); ++i)
    if (a.strides()[i] != b.strides()[i] && a.sizes()[i] > 1) return false;
  return true;
}

Overlap overlap(const Tensor& a, const Tensor& b) {
  if (a.impl() == b.impl()) return Overlap::Full;
  if (a.numel() == 0 || b.numel() == 0 || !(a.storage() == b.storage())) return Overlap::None;
  if (a.storage_offset() == b.storage_offset() && a.item_size() == b.item_size() && equal(a.sizes(), b.sizes()) &&
      equal_steps(a, b))
    return Overlap::Full;
  const char* const a0 = a.data();
  const char* const b0 = b.data();
  const char* const a1 = a0 + required_elements(a.sizes(), a.strides(), 0) * a.item_size();
  const char* const b1 = b0 + required_elements(b.sizes(), b.strides(), 0) * b.item_size();
  if (a0 >= b1 || b0 >= a1) return Overlap::None;
  if (a.is_contiguous() && b.is_contiguous()) return Overlap::Partial;
  // Columns of one matrix share a range of addresses but no element.
  SmallVector<Step, 16> steps;
  const int64_t distance = b0 - a0;
  const bool aligned = a.item_size() == b.item_size() && distance % a.item_size() == 0;
  auto add = [&](const Tensor& t, int64_t sign) {
    if (!aligned) steps.push_back({1, sign > 0 ? 0 : 1 - t.item_size(), sign > 0 ? t.item_size() - 1 : 0});
    for (int64_t i = 0; i < t.dim(); ++i)
      if (t.sizes()[i] > 1 && t.strides()[i] > 0) {
        const int64_t n = t.sizes()[i] - 1;
        steps.push_back({t.strides()[i] * t.item_size(), sign > 0 ? 0 : -n, sign > 0 ? n : 0});
      }
  };
  add(a, 1);
  add(b, -1);
  std::sort(steps.begin(), steps.end(), [](const Step& x, const Step& y) { return x.stride > y.stride; });
  int64_t kept = 0;
  for (int64_t i = 0; i < steps.size(); ++i) {
    if (kept && steps[kept - 1].stride == steps[i].stride) {
      steps[kept - 1].low += steps[i].low;
      steps[kept - 1].high += steps[i].high;
    } else {
      steps[kept++] = steps[i];
    }
  }
  int budget = 1000;
  return can_meet(steps.data(), kept, distance, budget) ? Overlap::Partial : Overlap::None;
}

void check_not_read_only(const Tensor& t) {
  if (t.storage()->read_only())
    fail(
        "unsupported operation: the memory of the written-to tensor is read-only (it belongs to a non-writable "
        "buffer). Please clone() the tensor before performing the operation.");
}

void check_writable(const Tensor& t) {
  check_not_read_only(t);
  if (t.is_contiguous()) return;
  for (int64_t i = 0; i < t.dim(); ++i)
    if (t.strides()[i] == 0 && t.sizes()[i] > 1)
      fail(
          "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
          "Please clone() the tensor before performing the operation.");
}

}  // namespace rushlight::layout
