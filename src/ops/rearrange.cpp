// Copies with elements in another order: reversed, rolled, repeated, padded.
#include <algorithm>
#include <cstring>

#include "core/thread_pool.h"
#include "cpu/copy_short.h"
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

namespace {

constexpr int64_t kSmallBytes = 65536;

}  // namespace

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
  int64_t start = -(shift % size);
  if (start < 0) start += size;
  if (!self.is_contiguous() || self.nbytes() > kSmallBytes || suggested_format(self) != MemoryFormat::Contiguous) {
    const Tensor parts[2] = {narrow(self, d, start, size - start), narrow(self, d, 0, start)};
    return cat(parts, d);
  }
  const Tensor r = empty(self.sizes(), self.dtype(), self.device());
  int64_t outer = 1;
  for (int64_t i = 0; i < d; ++i) outer *= self.sizes()[i];
  const size_t block = static_cast<size_t>(self.nbytes() / outer),
               head = block / static_cast<size_t>(size) * static_cast<size_t>(start);
  for (int64_t i = 0; i < outer; ++i) {
    const char* const from = self.data() + static_cast<size_t>(i) * block;
    char* const to = r.data() + static_cast<size_t>(i) * block;
    std::memcpy(to, from + head, block - head);
    std::memcpy(to + block - head, from, head);
  }
  return r;
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
      r = clone(self, dims.empty());
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
    }
    if (own != 1) p.split.push_back(own);
  }
  return p;
}

// Writes the input once, then copies what is there already: rows along the last dim, blocks of rows along the others.
class RepeatCopy {
 public:
  RepeatCopy(const Tensor& from, const Tensor& to, IntSpan repeats)
      : from_(from.data()), to_(to.data()), item_(from.item_size()) {
    const int64_t dims = static_cast<int64_t>(repeats.size()), lead = dims - from.dim();
    for (int64_t i = 0; i < dims; ++i) {
      const int64_t size = i < lead ? 1 : from.sizes()[i - lead];
      if (size == 1 && repeats[i] == 1) continue;
      sizes_.push_back(size);
      repeats_.push_back(repeats[i]);
      from_step_.push_back(i < lead ? 0 : from.strides()[i - lead] * item_);
      to_step_.push_back(to.strides()[i] * item_);
    }
    last_ = sizes_.size();
    // Trailing dims that lie densely and are not repeated are one run.
    while (last_ > 0 && repeats_[last_ - 1] == 1 && (sizes_[last_ - 1] == 1 || from_step_[last_ - 1] == run_)) {
      --last_;
      run_ *= sizes_[last_];
    }
  }

  void run() const {
    if (last_ == 0) {
      std::memcpy(to_, from_, static_cast<size_t>(run_));
      return;
    }
    const int64_t block = to_step_[0] * sizes_[0];
    if (last_ == 1 && from_step_[0] == run_)
      std::memcpy(to_, from_, static_cast<size_t>(block));
    else
      parallel_for(0, sizes_[0], std::max<int64_t>(1, kParallelBytes / to_step_[0]),
                   [&](int64_t begin, int64_t end) { fill_all(0, begin, end, to_, from_); });
    if (block * repeats_[0] <= kParallelBytes) {
      spread(to_, block, repeats_[0]);
      return;
    }
    // Every chunk copies whole blocks, from the first one.
    parallel_for(1, repeats_[0], std::max<int64_t>(1, kParallelBytes / block), [&](int64_t begin, int64_t end) {
      std::memcpy(to_ + begin * block, to_, static_cast<size_t>(block));
      spread(to_ + begin * block, block, end - begin);
    });
  }

 private:
  static constexpr int64_t kParallelBytes = 1 << 18;

  static void copy(char* to, const char* from, int64_t n) {
    if (n <= cpu::kShortRun && n > 0)
      cpu::copy_short(to, from, n);
    else
      std::memcpy(to, from, static_cast<size_t>(n));
  }

  // Copies the block at `at` behind itself until there are `count`.
  static void spread(char* at, int64_t block, int64_t count) {
    const int64_t most = std::max<int64_t>(1, kSmallBytes / block);
    for (int64_t done = 1; done < count;) {
      const int64_t n = std::min({done, count - done, most});
      copy(at + done * block, at, n * block);
      done += n;
    }
  }

  // Elements [begin, end) of dim.
  void fill_all(int64_t dim, int64_t begin, int64_t end, char* to, const char* from) const {
    const int64_t next = dim + 1;
    to += begin * to_step_[dim];
    from += begin * from_step_[dim];
    if (next == last_ - 1 && from_step_[next] == run_ && run_ * sizes_[next] <= cpu::kShortRun && repeats_[next] < 64)
      return cpu::repeat_runs(to, from, end - begin, run_ * sizes_[next], from_step_[dim], repeats_[next]);
    for (int64_t i = begin; i < end; ++i, to += to_step_[dim], from += from_step_[dim]) fill(next, to, from);
  }

  void fill(int64_t dim, char* to, const char* from) const {
    if (dim == last_) return copy(to, from, run_);
    if (dim == last_ - 1 && from_step_[dim] == run_)
      copy(to, from, run_ * sizes_[dim]);
    else
      fill_all(dim, 0, sizes_[dim], to, from);
    spread(to, to_step_[dim] * sizes_[dim], repeats_[dim]);
  }

  const char* from_;
  char* to_;
  int64_t item_, last_ = 0, run_ = item_;
  DimVector repeats_, sizes_, from_step_, to_step_;
};

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
    // Scattered elements are gathered first, by the kernels that are good at it.
    NoGradGuard no_grad;
    const Tensor from = self.numel() > 1024 ? contiguous(self) : self;
    const RepeatCopy copy(from, r, repeats);
    cpu::BlockingRegion region(r.numel() > cpu::kSerialElements);
    copy.run();
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
  const bool any = layout::checked_numel(length) != 0;
  auto part = [&](const Tensor& t, const DimVector& start) {
    int64_t offset = t.storage_offset();
    for (int64_t d = 0; any && d < n; ++d) offset += start[d] * t.strides()[d];
    return Tensor::adopt(TensorImpl::create(t.storage(), t.dtype(), length, t.strides(), offset));
  };
  Tensor r;
  if (cut_only) {
    NoGradGuard no_grad;
    r = clone(part(self, from));
  } else {
    value.check_fits(self.dtype());
    r = empty(sizes, self.dtype(), self.device(), suggested_format(self));
    cpu::fill_elements(r, value);
    if (any) cpu::copy_elements(part(r, to), part(self, from));
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
