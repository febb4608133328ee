// Copies with elements in another order: reversed, rolled, repeated, padded.
#include <algorithm>

#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "layout/memory_format.h"
#include "ops/elementwise.h"

namespace rushlight {

using autograd::Grads;

Tensor flip(const Tensor& self, IntSpan dims) {
  const uint64_t set = layout::dim_set(dims, self.dim());
  if (self.dim() == 0) return clone(self);
  Tensor r = empty_like(self);
  // A loop over the input backwards: its strides change sign, its first element is the last one.
  DimVector strides(self.strides());
  cpu::LoopArg args[2] = {cpu::LoopArg(r, r.dtype()), cpu::LoopArg(self, r.dtype())};
  for (int64_t d = 0; d < self.dim(); ++d) {
    if (!(set >> d & 1) || self.sizes()[d] == 0) continue;
    args[1].data += (self.sizes()[d] - 1) * strides[d] * self.item_size();
    strides[d] = -strides[d];
  }
  args[1].strides = strides;
  cpu::run_loop(cpu::elementwise().copy[cpu::size_class(r.item_size())], nullptr, r.sizes(), args, 2);
  if (autograd::needs(self))
    autograd::record("FlipBackward0", r, {&self}, [dims = DimVector(dims)](Grads& g) { g[0] = flip(g.grad(), dims); });
  return r;
}

Tensor fliplr(const Tensor& self) {
  if (self.dim() < 2) fail("Input must be >= 2-d.");
  return flip(self, DimVector{1});
}

Tensor flipud(const Tensor& self) {
  if (self.dim() < 1) fail("Input must be >= 1-d.");
  return flip(self, DimVector{0});
}

Tensor rot90(const Tensor& self, int64_t k, IntSpan dims) {
  const int64_t n = self.dim();
  if (dims.size() != 2) fail("expected total rotation dims == 2, but got dims = ", dims.size());
  if (n < 2) fail("expected total dims >= 2, but got total dims = ", n);
  const int64_t a = wrap_dim(dims[0], n), b = wrap_dim(dims[1], n);
  if (a == b) fail("expected rotation dims to be different, but got dim0 = ", dims[0], " and dim1 = ", dims[1]);
  const int64_t turns = (4 + k % 4) % 4;
  Tensor r;
  {
    NoGradGuard no_grad;
    r = turns == 0   ? clone(self, true)
        : turns == 1 ? flip(self, DimVector{b})
        : turns == 2 ? flip(self, DimVector{a, b})
                     : flip(self, DimVector{a});
    if (turns % 2 == 1) {
      const layout::Geometry g = layout::transpose(r, a, b);
      r.impl()->set_geometry(g.sizes, g.strides, g.offset);
    }
  }
  if (autograd::needs(self))
    autograd::record("Rot90Backward0", r, {&self},
                     [turns, dims = DimVector(dims)](Grads& g) { g[0] = rot90(g.grad(), -turns, dims); });
  return r;
}

namespace {

Tensor roll_along(const Tensor& self, int64_t shift, int64_t dim) {
  const int64_t d = wrap_dim(dim, self.dim()), size = self.sizes()[d];
  int64_t start = size == 0 ? 0 : -(shift % size);
  if (start < 0) start += size;
  const Tensor parts[2] = {narrow(self, d, start, size - start), narrow(self, d, 0, start)};
  return cat(parts, d);
}

}  // namespace

Tensor roll(const Tensor& self, IntSpan shifts, IntSpan dims) {
  if (shifts.empty()) fail("`shifts` required");
  if (!(dims.empty() && shifts.size() == 1) && shifts.size() != dims.size())
    fail("shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
  if (self.numel() != 0)
    for (int64_t d : dims) self.size(d);
  Tensor r;
  {
    NoGradGuard no_grad;
    if (self.numel() == 0) {
      r = clone(self);
    } else if (dims.empty()) {
      r = unsafe_view(roll_along(reshape(self, DimVector{-1}), shifts[0], 0), self.sizes());
    } else {
      r = self;
      for (size_t i = 0; i < dims.size(); ++i) r = roll_along(r, shifts[i], dims[i]);
    }
  }
  if (autograd::needs(self))
    autograd::record("RollBackward0", r, {&self}, [shifts = DimVector(shifts), dims = DimVector(dims)](Grads& g) {
      DimVector back;
      for (int64_t s : shifts) back.push_back(s == INT64_MIN ? s : -s);
      g[0] = roll(g.grad(), back, dims);
    });
  return r;
}

namespace {

// Sizes of the result of repeat, and the same with every repeated dim split into (count, size). Sizes of 1 are left out
// of the split, so that it has at most 63 dims wherever there are elements.
struct Repeated {
  DimVector sizes, split;
  DimVector from;    // for every dim of split the dim of the input that it is, -1 for counts
  DimVector counts;  // the dims of split that count
};

Repeated plan_repeat(IntSpan sizes, IntSpan repeats) {
  Repeated p;
  const int64_t lead = static_cast<int64_t>(repeats.size() - sizes.size());
  for (int64_t i = 0; i < static_cast<int64_t>(repeats.size()); ++i) {
    const int64_t own = i < lead ? 1 : sizes[i - lead];
    int64_t n;
    if (__builtin_mul_overflow(repeats[i], own, &n)) fail("repeat(): size overflows with repeats=", repeats);
    p.sizes.push_back(n);
    if (repeats[i] != 1) {
      p.counts.push_back(p.split.size());
      p.split.push_back(repeats[i]);
      p.from.push_back(-1);
    }
    if (own != 1) {
      p.split.push_back(own);
      p.from.push_back(i - lead);
    }
  }
  return p;
}

}  // namespace

Tensor repeat(const Tensor& self, IntSpan repeats) {
  check_cpu("repeat", self);
  if (static_cast<int64_t>(repeats.size()) < self.dim())
    fail("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor");
  if (static_cast<int64_t>(repeats.size()) > kMaxDims)
    fail("repeat(): tensors have at most ", kMaxDims, " dimensions, got ", repeats.size());
  const Repeated p = plan_repeat(self.sizes(), repeats);
  const Tensor r = empty(p.sizes, self.dtype(), self.device());
  if (r.numel() != 0) {
    // The input has stride 0 along the counts.
    DimVector strides;
    for (int64_t d : p.from) strides.push_back(d < 0 ? 0 : self.strides()[d]);
    const DimVector dense = layout::contiguous_strides(p.split);
    cpu::LoopArg args[2] = {cpu::LoopArg(r, r.dtype()), cpu::LoopArg(self, r.dtype())};
    args[0].sizes = args[1].sizes = p.split;
    args[0].strides = dense;
    args[1].strides = strides;
    cpu::run_loop(cpu::elementwise().copy[cpu::size_class(r.item_size())], nullptr, p.split, args, 2);
  }
  if (autograd::needs(self))
    autograd::record("RepeatBackward0", r, {&self},
                     [from = DimVector(self.sizes()), repeats = DimVector(repeats)](Grads& g) {
                       const Repeated p = plan_repeat(from, repeats);
                       if (p.split.size() > kMaxDims) {  // only without elements
                         g[0] = zeros(from, g.grad().dtype(), g.grad().device());
                         return;
                       }
                       const Tensor parts = reshape(g.grad(), p.split);
                       g[0] = reshape(p.counts.empty() ? parts : sum(parts, p.counts), from);
                     });
  return r;
}

Tensor tile(const Tensor& self, IntSpan repeats) {
  DimVector counts(repeats);
  while (counts.size() < self.dim()) counts.insert(0, 1);
  return repeat(self, counts);
}

Tensor constant_pad_nd(const Tensor& self, IntSpan pad, const Scalar& value) {
  check_cpu("constant_pad_nd", self);
  const int64_t n = self.dim(), padded = static_cast<int64_t>(pad.size()) / 2, lead = n - padded;
  if (pad.size() % 2) fail("Length of pad must be even but instead it equals ", pad.size());
  if (lead < 0)
    fail("Length of pad should be no more than twice the number of dimensions of the input. Pad length is ", pad.size(),
         " while the input has ", n, " dimensions.");
  // Of each dim: where the kept part starts in the input and in the result, and how long it is.
  DimVector sizes(self.sizes()), from(n, 0), to(n, 0), length(self.sizes());
  bool cut_only = true;
  for (int64_t i = 0; i < padded; ++i) {
    const int64_t d = n - 1 - i, before = pad[2 * i], after = pad[2 * i + 1], size = self.sizes()[d];
    if (before < -size || after < -size || std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0) < -size)
      fail("narrow(): length must be non-negative.");
    int64_t grown;
    if (__builtin_add_overflow(size, before, &grown) || __builtin_add_overflow(grown, after, &grown))
      fail("constant_pad_nd: size overflows with pad=", pad);
    if (grown < 0)
      fail("The input size ", size, ", plus negative padding ", before, " and ", after,
           " resulted in a negative output size, which is invalid. Check dimension ", d, " of your input.");
    if (before > 0 || after > 0) cut_only = false;
    sizes[d] = grown;
    from[d] = std::min(before < 0 ? -before : 0, size);
    to[d] = std::max<int64_t>(before, 0);
    const int64_t end = after < 0 ? size + after : size;
    length[d] = std::max<int64_t>(end - from[d], 0);
  }
  auto part = [&](Tensor t, const DimVector& start) {
    for (int64_t d = 0; d < n; ++d)
      if (start[d] != 0 || length[d] != t.sizes()[d])
        t = narrow(t, d, std::min(start[d], t.sizes()[d] - length[d]), length[d]);
    return t;
  };
  Tensor r;
  {
    NoGradGuard no_grad;
    if (cut_only) {
      r = clone(part(self, from));
    } else {
      r = empty(sizes, self.dtype(), self.device(), suggested_format(self));
      fill_(r, value);
      copy_(part(r, to), part(self, from));
    }
  }
  if (autograd::needs(self))
    autograd::record("ConstantPadNdBackward0", r, {&self}, [pad = DimVector(pad)](Grads& g) {
      DimVector back;
      for (int64_t p : pad) back.push_back(-p);
      g[0] = constant_pad_nd(g.grad(), back, 0);
    });
  return r;
}

}  // namespace rushlight
