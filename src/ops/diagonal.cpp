// Diagonals and triangles of matrices.
#include <algorithm>
#include <cstring>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "ops/index.h"
#include "rushlight/shape.h"

namespace rushlight {

using autograd::Grads;
using layout::Geometry;

Tensor diagonal(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  const Geometry geometry = layout::diagonal(self, offset, dim1, dim2);
  Tensor r = make_view(self, geometry);
  if (autograd::needs(self))
    autograd::record("DiagonalBackward0", r, {&self}, [from = DimVector(self.sizes()), offset, dim1, dim2](Grads& g) {
      const Tensor whole = zeros(from, g.grad().dtype(), g.grad().device());
      copy_(diagonal(whole, offset, dim1, dim2), g.grad());
      g[0] = whole;
    });
  return r;
}

Tensor diag(const Tensor& self, int64_t offset) {
  if (self.dim() != 1 && self.dim() != 2) fail("diag(): Supports 1D or 2D tensors. Got ", self.dim(), "D");
  return self.dim() == 1 ? diag_embed(self, offset)
                         : copy_of_view("DiagonalBackward0_copy", diagonal(self, offset, 0, 1));
}

Tensor diag_embed(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  const int64_t n = self.dim() + 1, a = wrap_dim(dim1, n), b = wrap_dim(dim2, n);
  if (a == b) fail("diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  int64_t side;
  if (offset == INT64_MIN || __builtin_add_overflow(offset < 0 ? -offset : offset, self.size(-1), &side))
    fail("diag_embed(): size overflows with offset ", offset);
  DimVector sizes(self.sizes());
  sizes.erase(sizes.size() - 1);
  sizes.insert(std::min(a, b), side);
  sizes.insert(std::max(a, b), side);
  const Tensor r = zeros(sizes, self.dtype(), self.device());
  {
    NoGradGuard no_grad;
    copy_(diagonal(r, offset, a, b), self);
  }
  if (autograd::needs(self))
    autograd::record("DiagEmbedBackward0", r, {&self},
                     [offset, a, b](Grads& g) { g[0] = diagonal(g.grad(), offset, a, b); });
  return r;
}

Tensor diagflat(const Tensor& self, int64_t offset) { return diag(ravel(self), offset); }

Tensor trace(const Tensor& self) {
  if (self.dtype() == DType::Bool) fail<NotImplementedError>("\"trace\" not implemented for 'Bool'");
  if (self.dim() != 2) fail("trace: expected a matrix, but got tensor with dim ", self.dim());
  Tensor r;
  {
    NoGradGuard no_grad;
    r = sum(diagonal(self));
  }
  if (autograd::needs(self))
    autograd::record("TraceBackward0", r, {&self}, [from = DimVector(self.sizes())](Grads& g) {
      const Tensor whole = zeros(from, g.grad().dtype(), g.grad().device());
      copy_(diagonal(whole), g.grad());
      g[0] = whole;
    });
  return r;
}

namespace {

constexpr int64_t kParallelElements = 32768;

// The columns of row i that stay: all up to the diagonal (lower) or from it on.
struct Triangle {
  bool lower;
  int64_t diagonal, rows, columns;

  Triangle(const Tensor& t, bool low, int64_t k)
      : lower(low), rows(t.sizes()[t.dim() - 2]), columns(t.sizes()[t.dim() - 1]) {
    diagonal = std::clamp(k, -rows - 1, columns + 1);
  }
  int64_t begin(int64_t i) const { return lower ? 0 : std::clamp<int64_t>(i + diagonal, 0, columns); }
  int64_t end(int64_t i) const { return lower ? std::clamp<int64_t>(i + diagonal + 1, 0, columns) : columns; }
};

// Calls f(row of its matrix, address in each tensor) for all rows of tensors of one shape.
template <class F>
void for_rows(const Tensor& a, const Tensor& b, F f) {
  const int64_t dims = a.dim() - 1, columns = a.sizes()[dims];
  if (a.numel() == 0) return;
  const int64_t count = a.numel() / columns;
  cpu::BlockingRegion region(a.numel() > cpu::kSerialElements);
  parallel_for(0, count, std::max<int64_t>(1, kParallelElements / columns), [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      int64_t rest = r, at_a = 0, at_b = 0;
      for (int64_t d = dims - 1; d >= 0; --d) {
        const int64_t size = a.sizes()[d], i = rest % size;
        rest /= size;
        at_a += i * a.strides()[d];
        at_b += i * b.strides()[d];
      }
      f(r % a.sizes()[dims - 1], a.data() + at_a * a.item_size(), b.data() + at_b * b.item_size());
    }
  });
}

void zero_run(char* at, int64_t stride_bytes, int64_t n, int64_t item) {
  if (stride_bytes == item) {
    if (n > 0) std::memset(at, 0, static_cast<size_t>(n * item));
    return;
  }
  for (int64_t i = 0; i < n; ++i) std::memset(at + i * stride_bytes, 0, static_cast<size_t>(item));
}

void zero_outside(const Tensor& t, const Triangle& tri) {
  const int64_t item = t.item_size(), step = t.strides()[t.dim() - 1] * item;
  for_rows(t, t, [&](int64_t i, char* row, char*) {
    zero_run(row, step, tri.begin(i), item);
    zero_run(row + tri.end(i) * step, step, tri.columns - tri.end(i), item);
  });
}

// The first matrix of a batch, for questions about its geometry.
Tensor one_matrix(const Tensor& self) {
  const size_t batch = static_cast<size_t>(self.dim() - 2);
  return Tensor::adopt(TensorImpl::create(self.storage(), self.dtype(), self.sizes().subspan(batch),
                                          self.strides().subspan(batch), self.storage_offset()));
}

Tensor triangle(bool inplace, bool lower, const Tensor& self, int64_t k) {
  const char* const name = inplace ? (lower ? "tril_" : "triu_") : (lower ? "tril" : "triu");
  check_cpu(name, self);
  if (inplace) autograd::check_inplace(self);
  if (self.dim() < 2) fail(lower ? "tril" : "triu", ": input tensor must have at least 2 dimensions");
  if (inplace) {
    // Matrices of a batch may be one and the same.
    layout::check_not_read_only(self);
    layout::check_writable(self.dim() > 2 ? one_matrix(self) : self);
  }
  Ref<Node> node;
  if (autograd::needs(self)) {
    if (lower)
      node = autograd::make_node("TrilBackward0", {&self}, [k](Grads& g) { g[0] = tril(g.grad(), k); });
    else
      node = autograd::make_node("TriuBackward0", {&self}, [k](Grads& g) { g[0] = triu(g.grad(), k); });
  }
  const Triangle tri(self, lower, k);
  const Tensor r = inplace ? self : empty(self.sizes(), self.dtype(), self.device());
  const int64_t item = self.item_size();
  if (inplace) {
    zero_outside(r, tri);
    r.bump_version(name);
  } else if (self.strides()[self.dim() - 1] == 1) {
    for_rows(r, self, [&](int64_t i, char* to, const char* from) {
      const int64_t begin = tri.begin(i), end = tri.end(i);
      zero_run(to, item, begin, item);
      if (end > begin) std::memcpy(to + begin * item, from + begin * item, static_cast<size_t>((end - begin) * item));
      zero_run(to + end * item, item, tri.columns - end, item);
    });
  } else {
    cpu::copy_elements(r, self);
    zero_outside(r, tri);
  }
  autograd::attach(inplace, r, node);
  return r;
}

}  // namespace

Tensor tril(const Tensor& self, int64_t diagonal) { return triangle(false, true, self, diagonal); }
Tensor triu(const Tensor& self, int64_t diagonal) { return triangle(false, false, self, diagonal); }
const Tensor& tril_(const Tensor& self, int64_t diagonal) {
  triangle(true, true, self, diagonal);
  return self;
}
const Tensor& triu_(const Tensor& self, int64_t diagonal) {
  triangle(true, false, self, diagonal);
  return self;
}

}  // namespace rushlight
