// Reductions of segments. The derivatives give every element the number of its segment, and gather and scatter_reduce
// do the rest.
#include "rushlight/segment.h"

#include <algorithm>
#include <limits>

#include "cpu/segment.h"
#include "ops/elementwise.h"
#include "rushlight/index.h"
#include "rushlight/ternary.h"

namespace rushlight {

using autograd::Grads;

namespace {

enum class How : uint8_t { Sum, Mean, Max, Min, Prod };

How how_of(std::string_view reduce) {
  if (reduce == "sum") return How::Sum;
  if (reduce == "mean") return How::Mean;
  if (reduce == "max" || reduce == "amax") return How::Max;
  if (reduce == "min" || reduce == "amin") return How::Min;
  if (reduce == "prod") return How::Prod;
  fail("reduce argument must be either sum, prod, mean, amax or amin, got ", reduce);
}

struct Segments {
  Tensor begins, lengths;  // int64, of the shape of the result up to dim
  int64_t dim, count, outer;
};

// With the numbers of the segments for each element of data.
struct Numbered : Segments {
  Tensor index;  // of the shape of data; `count` for elements outside all segments
};

Segments find_segments(const Tensor& data, const SegmentOptions& o) {
  const bool by_lengths = o.lengths.defined();
  const Tensor& given = by_lengths ? o.lengths : o.offsets;
  const char* const name = by_lengths ? "lengths" : "offsets";
  check_cpu("segment_reduce", data);
  check_cpu("segment_reduce", given);
  const int64_t dim = wrap_dim(o.dim, data.dim());
  if (data.dim() < given.dim())
    fail("segment_reduce(): ", name, " has more dimensions (", given.dim(), ") than data (", data.dim(), ")");
  if (dim != given.dim() - 1)
    fail("segment_reduce(): Expected axis to be the last dimension of ", name, " but got ", dim, ".");
  if (given.dtype() != DType::Int64 && given.dtype() != DType::Int32)
    fail<NotImplementedError>("\"_segment_reduce_", name, "_cpu_kernel1\" not implemented for '", given.dtype(), "'");
  for (int64_t d = 0; d < dim; ++d)
    if (given.sizes()[d] != data.sizes()[d])
      fail("segment_reduce(): ", name, " of shape ", given.sizes(), " does not match data of shape ", data.sizes(),
           " in dimension ", d);
  const int64_t n = data.sizes()[dim], columns = given.sizes()[dim];
  if (!by_lengths && columns == 0) fail("segment_reduce(): offsets must have at least one element");
  const Tensor values = contiguous(to(given, DType::Int64));
  const int64_t count = by_lengths ? columns : columns - 1;
  DimVector head(given.sizes());
  head[dim] = count;
  const Tensor begins = empty(head, DType::Int64), lengths = empty(head, DType::Int64);
  int64_t rows = 1;
  for (int64_t d = 0; d < dim; ++d) rows *= given.sizes()[d];
  const int64_t* at = values.data_ptr<int64_t>();
  int64_t *starts = begins.data_ptr<int64_t>(), *sizes = lengths.data_ptr<int64_t>();
  for (int64_t row = 0; row < rows; ++row, at += columns, starts += count, sizes += count) {
    int64_t begin = by_lengths || count == 0 ? 0 : at[0];
    if (begin < 0 || begin > n)
      fail("segment_reduce(): offset ", begin, " is out of range for dimension ", dim, " with size ", n);
    for (int64_t s = 0; s < count; ++s) {
      if (by_lengths && at[s] < 0) fail("lengths contains negative value!");
      if (!by_lengths && at[s + 1] < begin) fail("segment_reduce(): offsets must not decrease");
      if (by_lengths ? at[s] > n - begin : at[s + 1] > n) {
        if (by_lengths && !o.unsafe) break;  // refused below
        fail("segment_reduce(): segment ", s, " ends beyond the ", n, " elements of dimension ", dim);
      }
      const int64_t end = by_lengths ? begin + at[s] : at[s + 1];
      starts[s] = begin;
      sizes[s] = end - begin;
      begin = end;
    }
    if (!by_lengths || o.unsafe) continue;
    __int128 sum = 0;
    for (int64_t s = 0; s < count; ++s) {
      if (at[s] < 0) fail("lengths contains negative value!");
      sum += at[s];
    }
    if (sum != n)
      fail("segment_reduce(): Expected all rows of lengths along axis ", dim,
           " to sum to data.size(lengths.dim()-1) when !unsafe.");
  }
  return {begins, lengths, dim, count, rows};
}

// A tensor with the dims up to `dim`, seen with all dims of data; the size of `dim` stays its own.
Tensor widened(const Tensor& t, IntSpan sizes, int64_t dim) {
  DimVector shape(sizes), ones(t.sizes());
  while (ones.size() < shape.size()) ones.push_back(1);
  shape[dim] = ones[dim];
  return expand(view(t, ones), shape);
}

Numbered numbered(const Segments& s, const Tensor& data) {
  const int64_t n = data.sizes()[s.dim];
  DimVector head(s.lengths.sizes());
  head[s.dim] = n;
  const Tensor index = full(head, s.count, DType::Int64);
  int64_t* const ids = index.data_ptr<int64_t>();
  const int64_t *begins = s.begins.data_ptr<int64_t>(), *lengths = s.lengths.data_ptr<int64_t>();
  for (int64_t i = 0; i < s.outer * s.count; ++i)
    std::fill_n(ids + i / s.count * n + begins[i], lengths[i], i % s.count);
  return {s, widened(index, data.sizes(), s.dim)};
}

Scalar start_of(How how) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  switch (how) {
    case How::Max: return -infinity;
    case How::Min: return infinity;
    case How::Prod: return 1.0;
    default: return 0.0;
  }
}

// One reduction over all elements; those outside the segments go to one more place, which is cut off.
Tensor scattered(const Tensor& data, const Numbered& s, const char* reduce, const Scalar& start) {
  DimVector shape(data.sizes());
  shape[s.dim] = s.count + 1;
  const Tensor all = scatter_reduce(full(shape, start, data.dtype()), s.dim, s.index, data, reduce);
  return narrow(all, s.dim, 0, s.count);
}

// What belongs to the segment of each element; 0 outside the segments.
Tensor gathered(const Tensor& values, const Numbered& s) {
  DimVector shape(values.sizes());
  shape[s.dim] = 1;
  const Tensor parts[] = {values, zeros(shape, values.dtype())};
  return gather(cat(parts, s.dim), s.dim, s.index);
}

// d prod / d x: the product of the others.
Tensor product_of_others(const Tensor& x, const Tensor& result, const Numbered& s, const Scalar& start, bool twice) {
  const Tensor nan = isnan(x), zero = eq(x, 0);
  const Tensor special = logical_or(nan, zero);
  const Tensor regular = masked_fill(x, special, 1);
  const Tensor plain = div(gathered(result, s), regular);
  if (!any(special).item().to_bool()) return plain;
  const Tensor zeros_in = gathered(scattered(to(zero, x.dtype()), s, "sum", 0), s);
  const Tensor nans_in = gathered(scattered(to(nan, x.dtype()), s, "sum", 0), s);
  if (twice && any(gt(add(zeros_in, nans_in), 1)).item().to_bool())
    fail("segment_reduce(): second derivatives of products with several zeros are not implemented");
  const Tensor other_zeros = sub(zeros_in, to(zero, x.dtype())), other_nans = sub(nans_in, to(nan, x.dtype()));
  Tensor rest = gathered(scattered(regular, s, "prod", start), s);
  rest = masked_fill(rest, gt(other_zeros, 0), 0);
  rest = masked_fill(rest, gt(other_nans, 0), std::numeric_limits<double>::quiet_NaN());
  return where(special, rest, plain);
}

Tensor derivative(How how, const Tensor& grad, const Tensor& x, const Tensor& result, const Numbered& s,
                  const Scalar& start, bool twice) {
  switch (how) {
    case How::Sum: return gathered(grad, s);
    case How::Mean: return gathered(div(grad, clamp_min(widened(s.lengths, x.sizes(), s.dim), 1)), s);
    case How::Prod: return mul(gathered(grad, s), product_of_others(x, result, s, start, twice));
    default: {
      // Equal extremes share the gradient.
      Tensor chosen;
      {
        NoGradGuard no_grad;
        const Tensor mask = logical_and(logical_or(eq(x, gathered(result, s)), isnan(x)), lt(s.index, s.count));
        const Tensor of_one = to(mask, x.dtype());
        chosen = div(of_one, clamp_min(gathered(scattered(of_one, s, "sum", 0), s), 1));
      }
      return mul(gathered(grad, s), chosen);
    }
  }
}

}  // namespace

Tensor segment_reduce(const Tensor& data, std::string_view reduce, const SegmentOptions& o) {
  if (!o.lengths.defined() && !o.offsets.defined())
    fail("segment_reduce(): Either lengths or offsets must be defined.");
  const How how = how_of(reduce);
  if (!is_floating_point(data.dtype()))
    fail<NotImplementedError>("\"_segment_reduce_cpu\" not implemented for '", data.dtype(), "'");
  SegmentOptions options = o;
  if (o.offsets.defined()) options.lengths = Tensor();
  const Segments s = find_segments(data, options);
  const Scalar start = o.initial ? *o.initial : start_of(how);
  const DType own = data.dtype(), computed = kernel_dtype(own);
  Tensor result;
  {
    NoGradGuard no_grad;
    const Tensor x = contiguous(to(data, computed));
    DimVector shape(data.sizes());
    shape[s.dim] = s.count;
    result = empty(shape, computed);
    int64_t inner = 1;
    for (int64_t d = s.dim + 1; d < data.dim(); ++d) inner *= shape[d];
    constexpr cpu::SegmentOp ops[] = {cpu::SegmentOp::Sum, cpu::SegmentOp::Sum, cpu::SegmentOp::Max,
                                      cpu::SegmentOp::Min, cpu::SegmentOp::Prod};
    cpu::reduce_segments(computed,
                         {x.data(), result.data(), s.begins.data_ptr<int64_t>(), s.lengths.data_ptr<int64_t>(), s.outer,
                          data.sizes()[s.dim], s.count, inner, ops[static_cast<int>(how)], start.to_double()});
    if (how == How::Mean) {
      const Tensor lengths = widened(s.lengths, data.sizes(), s.dim);
      result = div(result, clamp_min(lengths, 1));
      if (!o.initial) result = masked_fill(result, eq(lengths, 0), std::numeric_limits<double>::quiet_NaN());
    }
    result = to(result, own);
  }
  if (autograd::needs(data))
    autograd::record("SegmentReduceBackward0", result, {&data},
                     [how, s, start, own, computed, a = SavedTensor(data), b = SavedTensor(result)](Grads& g) {
                       const Tensor x = g.unpack(a), y = g.unpack(b);
                       const bool twice = autograd::needs(g.grad(), x);
                       g[0] = to(derivative(how, to(g.grad(), computed), to(x, computed), to(y, computed),
                                            numbered(s, x), start, twice),
                                 own);
                     });
  return result;
}

}  // namespace rushlight
