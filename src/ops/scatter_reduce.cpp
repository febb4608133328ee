// Reductions of sources that meet in one place: scatter_reduce, index_reduce.
#include "rushlight/index.h"

#include <limits>

#include "ops/scatter.h"

namespace rushlight {

using autograd::Grads;

namespace {

enum class How : uint8_t { Sum, Prod, Mean, Max, Min };

Reduce operation_of(How how) {
  switch (how) {
    case How::Prod: return Reduce::Multiply;
    case How::Max: return Reduce::Maximum;
    case How::Min: return Reduce::Minimum;
    default: return Reduce::Add;
  }
}

BinaryOp binary_of(How how) {
  switch (how) {
    case How::Prod: return BinaryOp::Mul;
    case How::Max: return BinaryOp::Maximum;
    case How::Min: return BinaryOp::Minimum;
    default: return BinaryOp::Add;
  }
}

const char* name_of(How how) {
  constexpr const char* names[] = {"sum", "prod", "mean", "amax", "amin"};
  return names[static_cast<int>(how)];
}

// What leaves every other operand as it is.
Scalar neutral(How how, DType d) {
  if (how == How::Sum || how == How::Mean) return 0;
  if (how == How::Prod) return 1;
  const bool largest = how == How::Max;
  if (d == DType::Bool) return !largest;
  if (!is_integral(d, false)) return largest ? -HUGE_VAL : HUGE_VAL;
  const int bits = static_cast<int>(8 * item_size(d)) - (is_signed(d) ? 1 : 0);
  const int64_t high = bits == 63 ? INT64_MAX : (int64_t{1} << bits) - 1;
  return largest ? (is_signed(d) ? -high - 1 : 0) : high;
}

struct Problem {
  const char* name;
  int64_t dim;
  How how;
  bool include_self;
  bool slices;  // index is a dense vector, expanded to the shape of the source
};

// How many operands every place of a tensor of these sizes has got; at least 1. It broadcasts to them.
Tensor count_sources(const Problem& p, IntSpan sizes, const Tensor& index, DType dtype) {
  DimVector shape(sizes);
  Tensor ix = index;
  int64_t dim = p.dim;
  if (p.slices && !sizes.empty()) {
    NoGradGuard no_grad;
    shape = DimVector{sizes[static_cast<size_t>(dim)]};
    ix = as_strided(index, DimVector{index.sizes()[dim]}, DimVector{1});
    dim = 0;
  }
  Tensor count = full(shape, p.include_self ? 1 : 0, dtype);
  run_scatter(count, dim, ix, nullptr, 1, Reduce::Add, false);
  if (!p.include_self) count = masked_fill(count, eq(count, 0), 1);
  if (!p.slices || sizes.empty()) return count;
  DimVector wide(static_cast<int64_t>(sizes.size()), 1);
  wide[p.dim] = shape[0];
  return reshape(count, wide);
}

// `out` holds self. Nothing is recorded.
void run_reduce(const Tensor& out, const Problem& p, const Tensor& index, const Tensor& source) {
  const DType d = out.dtype();
  if (!p.include_self) run_scatter(out, p.dim, index, nullptr, neutral(p.how, d), Reduce::None, false);
  if (p.slices && out.dim() > 0 && out.is_contiguous() && source.is_contiguous()) {
    const Rows rows(out.sizes(), p.dim);
    const int64_t bytes = rows.inner * out.item_size();
    cpu::combine_blocks(binary_of(p.how), d, out.data(), source.data(), index.data_ptr<int64_t>(), rows.outer,
                        index.sizes()[p.dim], bytes, out.sizes()[p.dim] * bytes, rows.inner, nullptr);
  } else {
    run_scatter(out, p.dim, index, &source, Scalar(), operation_of(p.how), false);
  }
  if (p.how != How::Mean) return;
  NoGradGuard no_grad;
  const bool whole = is_integral(d, true);
  const DType counts = whole ? DType::Int64 : is_complex(d) ? to_real(d) : kernel_dtype(d);
  const Tensor count = count_sources(p, out.sizes(), index, counts);
  if (whole || kernel_dtype(d) != d)
    cpu::copy_elements(out, to(div(out, count, whole ? "floor" : ""), d));
  else
    div_(out, count);
}

// The elements of `source` that an index of this shape names; a 0-d tensor counts as 1-d.
Tensor used(const Tensor& source, IntSpan sizes) {
  if (source.dim() == static_cast<int64_t>(sizes.size())) return corner(source, sizes);
  return reshape(source.dim() ? narrow(source, 0, 0, 1) : source, sizes);
}

// A gradient that is right itself but not its derivative.
Tensor not_twice(const Tensor& grad, const char* message) {
  if (!autograd::needs(grad)) return grad;
  const Tensor result = detach(grad);
  autograd::record("torch::autograd::DelayedError", result, {&grad}, [message](Grads&) { fail(message); });
  return result;
}

void grads_of_product(Grads& g, const Problem& p, const Tensor& self, const Tensor& index, const Tensor& source,
                      const Tensor& result) {
  const Tensor& grad = g.grad();
  const char* const prod = name_of(How::Prod);
  if (g.needs(0)) {
    const Tensor nonzero = masked_fill(self, eq(self, 0), 1);
    const Tensor others = div(scatter_reduce(nonzero, p.dim, index, source, prod, p.include_self), nonzero);
    g[0] = mul(grad, conj(others));
  }
  if (!g.needs(1)) return;
  // A place with one zero has a derivative there only: the product of the others.
  const Tensor part = used(source, index.sizes());
  const Tensor is_zero = eq(part, 0);
  const Tensor zeros_here =
      gather(scatter_add(zeros(self.sizes(), DType::Int64), p.dim, index, to(is_zero, DType::Int64)), p.dim, index);
  const Tensor single = logical_and(is_zero, eq(zeros_here, 1));
  const Tensor without = scatter_reduce(self, p.dim, index, masked_fill(part, single, 1), prod, p.include_self);
  const Tensor rest = div(gather(mul(grad, conj(result)), p.dim, index), conj(masked_fill(part, is_zero, 1)));
  g[1] = where(single, gather(mul(grad, conj(without)), p.dim, index), rest);
  if (GradMode::enabled() && any(gt(zeros_here, 1)).item().to_bool())
    g[1] = not_twice(g[1], std::string_view(p.name) == "scatter_reduce"
                               ? "scatter_reduce(): double backward is unsupported for src when >1 zeros in src are "
                                 "scattered to the same position in self"
                               : "index_reduce(): double backward is unsupported for source when >1 zeros in source "
                                 "are scattered to the same position in self");
}

void grads_of(Grads& g, const Problem& p, const Tensor& self, const Tensor& index, const Tensor& source,
              const Tensor& result, IntSpan source_sizes) {
  const Tensor& grad = g.grad();
  switch (p.how) {
    case How::Sum:
      if (g.needs(0)) g[0] = grad;
      if (g.needs(1)) g[1] = gather(grad, p.dim, index);
      break;
    case How::Mean: {
      const DType d = grad.dtype();
      const Tensor count = count_sources(p, grad.sizes(), index, to_real(kernel_dtype(d)));  // half holds no counts
      const Tensor share = to(div(to(grad, kernel_dtype(d)), count), d);
      if (g.needs(0)) g[0] = share;
      if (g.needs(1)) g[1] = gather(share, p.dim, index);
      break;
    }
    case How::Prod: grads_of_product(g, p, self, index, source, result); break;
    case How::Max:
    case How::Min: {
      // All that are equal to the result share its gradient.
      const DType counts = kernel_dtype(grad.dtype());  // half precision does not hold large ones
      const Tensor own = to(eq(self, result), counts);
      const Tensor theirs = to(eq(used(source, index.sizes()), gather(result, p.dim, index)), counts);
      const Tensor share = to(div(to(grad, counts), scatter_add(own, p.dim, index, theirs)), grad.dtype());
      if (g.needs(0)) g[0] = mul(to(own, grad.dtype()), share);
      if (g.needs(1)) g[1] = mul(to(theirs, grad.dtype()), gather(share, p.dim, index));
      break;
    }
  }
  if (g.needs(0) && !p.include_self) g[0] = scatter(g[0], p.dim, index, 0);
  if (g.needs(1)) g[1] = from_corner(g[1], source_sizes);
}

// All arguments have been checked; index is int64 and lies inside.
Tensor reduced(const char* node, const Problem& p, const Tensor& self, const Tensor& index, const Tensor& source) {
  const Tensor out = plain_copy(self);
  const bool none = index.numel() == 0;
  if (!none) run_reduce(out, p, index, source);
  if (!autograd::needs(self, source)) return out;
  const bool own = p.how != How::Sum && p.how != How::Mean;
  autograd::record(node, out, {&self, &source},
                   [p, none, ix = SavedTensor(index), x = own ? SavedTensor(self) : SavedTensor(),
                    s = own ? SavedTensor(source) : SavedTensor(), y = own ? SavedTensor::result(out) : SavedTensor(),
                    sizes = DimVector(source.sizes())](Grads& g) {
                     if (none) {
                       g[0] = g.grad();
                       if (g.needs(1)) g[1] = zeros(sizes, g.grad().dtype());
                       return;
                     }
                     auto get = [&](const SavedTensor& saved) { return saved.defined() ? g.unpack(saved) : Tensor(); };
                     grads_of(g, p, get(x), g.unpack(ix), get(s), get(y), sizes);
                   });
  return out;
}

void reduce_inplace(const char* node, const Problem& p, const char* operation, const Tensor& self, const Tensor& index,
                    const Tensor& source) {
  layout::check_writable(self);
  check_no_overlap(self, index);
  check_no_overlap(self, source);
  if (autograd::needs(self, source))
    return inplace_by_copy(operation, self, [&](const Tensor& before) {
      // What is saved may need no gradient itself, and is about to change.
      return reduced(node, p, before.is_same(self) ? clone(self) : before, index, source);
    });
  autograd::check_inplace(self);
  if (index.numel() != 0) run_reduce(self, p, index, source);
  self.bump_version(operation);
}

void check_mean(How how, const char* operation, DType d) {
  if (how == How::Mean && d == DType::Bool)
    fail<NotImplementedError>("\"", operation, "_mean\" not implemented for 'Bool'");
}

// Returns the index as int64.
Tensor check_scatter_reduce(Problem& p, const Tensor& self, const Tensor& index, const Tensor& source,
                            std::string_view reduce) {
  p.dim = wrap_dim(p.dim, self.dim());
  check_scatter(self, p.dim, index, &source);
  if (reduce == "sum")
    p.how = How::Sum;
  else if (reduce == "prod")
    p.how = How::Prod;
  else if (reduce == "mean")
    p.how = How::Mean;
  else if (reduce == "amax")
    p.how = How::Max;
  else if (reduce == "amin")
    p.how = How::Min;
  else
    fail("reduce argument must be either sum, prod, mean, amax or amin, got ", reduce);
  if (index.numel() == 0) return index;
  scatter_loop(operation_of(p.how), self.dtype());
  check_mean(p.how, "scatter_gather_tensor_cpu_reduce", self.dtype());
  const Tensor ix = index.dtype() == DType::Int64 ? index : dense_index(index);
  int64_t bad;
  const int64_t size = size_along(self, p.dim);
  if (cpu::find_outside(ix, 0, size - 1, &bad)) fail_index(bad, p.dim, size);
  return ix;
}

// Returns the index as int64 in the shape of the source.
Tensor check_index_reduce(Problem& p, const Tensor& self, const Tensor& index, const Tensor& source,
                          std::string_view reduce) {
  if (reduce == "prod")
    p.how = How::Prod;
  else if (reduce == "mean")
    p.how = How::Mean;
  else if (reduce == "amax")
    p.how = How::Max;
  else if (reduce == "amin")
    p.how = How::Min;
  else
    fail("index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got ", reduce, ".");
  p.dim = wrap_dim(p.dim, self.dim());
  const Tensor ix = check_index_slices("index_reduce_", self, p.dim, index, source);
  scatter_loop(operation_of(p.how), self.dtype());
  check_mean(p.how, "index_reduce", self.dtype());
  int64_t bad;
  if (cpu::find_outside(ix, 0, size_along(self, p.dim) - 1, &bad)) fail<IndexError>("index out of range in self");
  NoGradGuard no_grad;
  if (source.dim() == 0) return reshape(ix, {});
  DimVector sizes(source.dim(), 1);
  sizes[p.dim] = ix.numel();
  return expand(reshape(ix, sizes), source.sizes());
}

constexpr const char* kScatterNode = "ScatterReduceBackward0";
constexpr const char* kIndexNode = "IndexReduceBackward0";

}  // namespace

Tensor scatter_reduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                      std::string_view reduce, bool include_self) {
  Problem p{"scatter_reduce", dim, How::Sum, include_self, false};
  const Tensor ix = check_scatter_reduce(p, self, index, source, reduce);
  return reduced(kScatterNode, p, self, ix, source);
}

const Tensor& scatter_reduce_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                              std::string_view reduce, bool include_self) {
  Problem p{"scatter_reduce", dim, How::Sum, include_self, false};
  const Tensor ix = check_scatter_reduce(p, self, index, source, reduce);
  check_no_overlap(self, index);
  reduce_inplace(kScatterNode, p, "scatter_reduce_", self, ix, source);
  return self;
}

Tensor index_reduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, std::string_view reduce,
                    bool include_self) {
  Problem p{"index_reduce", dim, How::Sum, include_self, true};
  const Tensor ix = check_index_reduce(p, self, index, source, reduce);
  return reduced(kIndexNode, p, self, ix, source);
}

const Tensor& index_reduce_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                            std::string_view reduce, bool include_self) {
  Problem p{"index_reduce", dim, How::Sum, include_self, true};
  const Tensor ix = check_index_reduce(p, self, index, source, reduce);
  check_no_overlap(self, index);
  reduce_inplace(kIndexNode, p, "index_reduce_", self, ix, source);
  return self;
}

}  // namespace rushlight
