// Products of vectors, matrices and batches of matrices.
#include "cpu/gemm.h"
#include "cpu/loop_plan.h"
#include "ops/products.h"

namespace rushlight {

using autograd::Grads;
using namespace products;

namespace {

// The result of an out= call whose memory meets an input's.
void store_out(const Tensor& out, const Tensor& result) {
  resize_output(out, result.sizes());
  cpu::copy_elements(out, result);
}

void check_mm(const Tensor& a, const Tensor& b) {
  if (a.dim() != 2) [[unlikely]]
    fail("self must be a matrix");
  if (b.dim() != 2) [[unlikely]]
    fail("mat2 must be a matrix");
  if (a.sizes()[1] != b.sizes()[0]) [[unlikely]]
    fail("mat1 and mat2 shapes cannot be multiplied (", a.sizes()[0], "x", a.sizes()[1], " and ", b.sizes()[0], "x",
         b.sizes()[1], ")");
  if (a.dtype() != b.dtype()) [[unlikely]]
    fail("expected m1 and m2 to have the same dtype, but got: ", cpp_type_name(a.dtype()),
         " != ", cpp_type_name(b.dtype()));
  check_dtype("addmm_impl_cpu_", a.dtype());
  check_cpu("mm", a);
  check_cpu("mm", b);
}

void check_mv(const Tensor& mat, const Tensor& vec, DType out) {
  if (mat.dim() != 2 || vec.dim() != 1) fail("vector + matrix @ vector expected, got 1, ", mat.dim(), ", ", vec.dim());
  if (mat.sizes()[1] != vec.sizes()[0])
    fail("size mismatch, got input (", mat.sizes()[0], "), mat (", mat.sizes()[0], "x", mat.sizes()[1], "), vec (",
         vec.sizes()[0], ")");
  if (mat.dtype() != vec.dtype() || out != vec.dtype())
    fail("addmv input tensors must have the same dtype, but got ", out, ", ", mat.dtype(), ", and ", vec.dtype());
  check_dtype("addmv_impl_cpu", mat.dtype());
  check_cpu("mv", mat);
  check_cpu("mv", vec);
}

void mv_into(char* out, int64_t stride, const Tensor& mat, const Tensor& vec) {
  products::gemm(mat.dtype(), matrix(mat), {vec.data(), vec.sizes()[0], 1, vec.strides()[0], 1}, out, stride, 1);
}

void check_bmm(const Tensor& a, const Tensor& b) {
  check_batches(a, b);
  if (a.dtype() != b.dtype()) fail("expected scalar type ", a.dtype(), " but found ", b.dtype());
  const double work =
      static_cast<double>(a.sizes()[1]) * static_cast<double>(a.sizes()[2]) * static_cast<double>(b.sizes()[2]);
  check_dtype(work < 400 ? "bmm" : "addmm_impl_cpu_", a.dtype());
}

void bmm_into(const Tensor& out, const Tensor& a, const Tensor& b) {
  const IntSpan sa = a.strides(), sb = b.strides(), sc = out.strides();
  products::gemm_batched(a.dtype(), a.sizes()[0], {a.data(), a.sizes()[1], a.sizes()[2], sa[1], sa[2]}, sa[0],
                         {b.data(), b.sizes()[1], b.sizes()[2], sb[1], sb[2]}, sb[0], out.data(), sc[0], sc[1], sc[2]);
}

void check_dot(const Tensor& a, const Tensor& b) {
  if (a.dim() != 1 || b.dim() != 1) fail("1D tensors expected, but got ", a.dim(), "D and ", b.dim(), "D tensors");
  if (a.dtype() != b.dtype())
    fail("dot : expected both vectors to have same dtype, but found ", a.dtype(), " and ", b.dtype());
  if (a.numel() != b.numel())
    fail("inconsistent tensor size, expected tensor ", a.sizes(), " and src ", b.sizes(),
         " to have the same number of elements, but got ", a.numel(), " and ", b.numel(), " elements respectively");
  check_cpu("dot", a);
  check_cpu("dot", b);
}

Tensor dot_value(const char* kernel, const Tensor& a, const Tensor& b, bool conj_a) {
  check_dot(a, b);
  check_dtype(kernel, a.dtype());
  const Tensor out = empty({}, a.dtype());
  cpu::dot(a.dtype(), a.numel(), a.data(), a.strides()[0], b.data(), b.strides()[0], out.data(), conj_a);
  return out;
}

}  // namespace

Tensor mm(const Tensor& self, const Tensor& mat2) {
  check_mm(self, mat2);
  const int64_t sizes[2] = {self.sizes()[0], mat2.sizes()[1]};
  Tensor out = empty(sizes, self.dtype());
  products::gemm(self.dtype(), matrix(self), matrix(mat2), out.data(), out.strides()[0], 1);
  const bool for_a = autograd::needs(self), for_b = autograd::needs(mat2);
  if (for_a || for_b)
    autograd::record("MmBackward0", out, {&self, &mat2},
                     [a = save_if(for_b, self), b = save_if(for_a, mat2), a_columns = is_column_major(self),
                      b_columns = is_column_major(mat2)](Grads& g) {
                       if (g.needs(0)) g[0] = mm_grad_a(g.grad(), g.unpack(b), a_columns);
                       if (g.needs(1)) g[1] = mm_grad_b(g.grad(), g.unpack(a), b_columns);
                     });
  return out;
}

const Tensor& mm_out(const Tensor& out, const Tensor& self, const Tensor& mat2) {
  check_mm(self, mat2);
  const int64_t sizes[2] = {self.sizes()[0], mat2.sizes()[1]};
  if (products::prepare_out("mm", out, sizes, self.dtype(), {&self, &mat2}))
    store_out(out, mm(self, mat2));
  else
    products::gemm(self.dtype(), matrix(self), matrix(mat2), out.data(), out.strides()[0], out.strides()[1]);
  out.bump_version("mm");
  return out;
}

Tensor mv(const Tensor& self, const Tensor& vec) {
  check_mv(self, vec, vec.dtype());
  const int64_t sizes[1] = {self.sizes()[0]};
  Tensor out = empty(sizes, self.dtype());
  mv_into(out.data(), 1, self, vec);
  const bool for_a = autograd::needs(self), for_x = autograd::needs(vec);
  if (for_a || for_x)
    autograd::record("MvBackward0", out, {&self, &vec}, [a = save_if(for_x, self), x = save_if(for_a, vec)](Grads& g) {
      if (g.needs(0)) g[0] = mv_grad_matrix(g.grad(), g.unpack(x));
      if (g.needs(1)) g[1] = mv_grad_vector(g.grad(), g.unpack(a));
    });
  return out;
}

const Tensor& mv_out(const Tensor& out, const Tensor& self, const Tensor& vec) {
  check_mv(self, vec, out.dtype());
  const int64_t sizes[1] = {self.sizes()[0]};
  if (products::prepare_out("mv", out, sizes, self.dtype(), {&self, &vec}))
    store_out(out, mv(self, vec));
  else
    mv_into(out.data(), out.strides()[0], self, vec);
  out.bump_version("mv");
  return out;
}

Tensor dot(const Tensor& self, const Tensor& other) {
  Tensor out = dot_value("dot", self, other, false);
  if (autograd::needs(self, other))
    autograd::record("DotBackward0", out, {&self, &other},
                     [a = save_if(autograd::needs(other), self), b = save_if(autograd::needs(self), other)](Grads& g) {
                       if (g.needs(0)) g[0] = mul(g.grad(), conj(g.unpack(b)));
                       if (g.needs(1)) g[1] = mul(g.grad(), conj(g.unpack(a)));
                     });
  return out;
}

const Tensor& dot_out(const Tensor& out, const Tensor& self, const Tensor& other) {
  check_dot(self, other);
  if (out.dtype() != self.dtype()) fail("result dtype ", out.dtype(), " does not match input dtype ", self.dtype());
  const Tensor result = [&] {
    NoGradGuard no_grad;
    return dot(self, other);
  }();
  products::prepare_out("dot", out, {}, self.dtype(), {&self, &other});
  store_out(out, result);
  out.bump_version("dot");
  return out;
}

Tensor vdot(const Tensor& self, const Tensor& other) {
  Tensor out = dot_value(is_complex(self.dtype()) ? "vdot" : "dot", self, other, is_complex(self.dtype()));
  if (autograd::needs(self, other))
    autograd::record("VdotBackward0", out, {&self, &other},
                     [a = save_if(autograd::needs(other), self), b = save_if(autograd::needs(self), other)](Grads& g) {
                       if (g.needs(0)) g[0] = mul(conj(g.grad()), g.unpack(b));
                       if (g.needs(1)) g[1] = mul(g.grad(), g.unpack(a));
                     });
  return out;
}

Tensor bmm(const Tensor& self, const Tensor& mat2) {
  check_bmm(self, mat2);
  const int64_t sizes[3] = {self.sizes()[0], self.sizes()[1], mat2.sizes()[2]};
  Tensor out = empty(sizes, self.dtype());
  bmm_into(out, self, mat2);
  const bool for_a = autograd::needs(self), for_b = autograd::needs(mat2);
  if (for_a || for_b)
    autograd::record("BmmBackward0", out, {&self, &mat2},
                     [a = save_if(for_b, self), b = save_if(for_a, mat2)](Grads& g) {
                       if (g.needs(0)) g[0] = bmm_grad_a(g.grad(), g.unpack(b));
                       if (g.needs(1)) g[1] = bmm_grad_b(g.grad(), g.unpack(a));
                     });
  return out;
}

const Tensor& bmm_out(const Tensor& out, const Tensor& self, const Tensor& mat2) {
  check_bmm(self, mat2);
  const int64_t sizes[3] = {self.sizes()[0], self.sizes()[1], mat2.sizes()[2]};
  if (products::prepare_out("bmm", out, sizes, self.dtype(), {&self, &mat2}))
    store_out(out, bmm(self, mat2));
  else
    bmm_into(out, self, mat2);
  out.bump_version("bmm");
  return out;
}

Tensor outer(const Tensor& self, const Tensor& vec2) {
  if (self.dim() != 1) fail("outer: Expected 1-D argument self, but got ", self.dim(), "-D");
  if (vec2.dim() != 1) fail("outer: Expected 1-D argument vec2, but got ", vec2.dim(), "-D");
  const int64_t column[2] = {self.sizes()[0], 1};
  return mul(reshape(self, column), vec2);
}

Tensor inner(const Tensor& self, const Tensor& other) {
  if (self.dim() == 0 || other.dim() == 0) return mul(self, other);
  const int64_t k = self.sizes().back();
  if (k != other.sizes().back())
    fail("inner() the last dimension must match on both input tensors but got shapes ", self.sizes(), " and ",
         other.sizes());
  if (self.dtype() != other.dtype()) fail("both inputs should have same dtype");
  if (self.dim() == 1 && other.dim() == 1) return unsafe_view("ViewBackward0", dot(self, other), {});
  const IntSpan rows_a = self.sizes().first(self.sizes().size() - 1),
                rows_b = other.sizes().first(other.sizes().size() - 1);
  const int64_t a_sizes[2] = {layout::checked_numel(rows_a), k}, b_sizes[2] = {layout::checked_numel(rows_b), k};
  DimVector shape = rows_a;
  for (int64_t size : rows_b) shape.push_back(size);
  return unsafe_view("ViewBackward0", mm(reshape(self, a_sizes), t(reshape(other, b_sizes))), shape);
}

const Tensor& outer_out(const Tensor& out, const Tensor& self, const Tensor& vec2) {
  if (self.dim() != 1) fail("outer: Expected 1-D argument self, but got ", self.dim(), "-D");
  if (vec2.dim() != 1) fail("outer: Expected 1-D argument vec2, but got ", vec2.dim(), "-D");
  return mul_out(out, unsqueeze(self, 1), vec2);
}

const Tensor& inner_out(const Tensor& out, const Tensor& self, const Tensor& other) {
  const Tensor result = [&] {
    NoGradGuard no_grad;
    return inner(self, other);
  }();
  products::prepare_out("inner", out, result.sizes(), result.dtype(), {&self, &other});
  store_out(out, result);
  out.bump_version("inner");
  return out;
}

// ---- matmul
namespace {

// Broadcast batch dims of a product, neighbours merged where both operands allow it.
struct BatchDim {
  int64_t size, a, b;
};
using BatchDims = SmallVector<BatchDim, 4>;

BatchDims merge_batches(IntSpan batch, IntSpan a_strides, IntSpan b_strides) {
  BatchDims dims;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch[i] == 1) continue;
    const BatchDim d{batch[i], a_strides[i], b_strides[i]};
    if (!dims.empty() && dims.back().a == d.a * d.size && dims.back().b == d.b * d.size)
      dims.back() = {dims.back().size * d.size, d.a, d.b};
    else
      dims.push_back(d);
  }
  return dims;
}

IntSpan batch_of(IntSpan dims) { return dims.first(dims.size() > 2 ? dims.size() - 2 : 0); }

// Writes the product of tensors of one dtype and matching sizes, at least one of more than 2 dims, to contiguous
// memory.
void matmul_batches(char* out, IntSpan batch, const Tensor& a, const Tensor& b) {
  const DType dtype = a.dtype();
  const int64_t item = item_size(dtype);
  const size_t da = a.sizes().size(), db = b.sizes().size();
  Matrix ma{a.data(), da > 1 ? a.sizes()[da - 2] : 1, a.sizes()[da - 1], da > 1 ? a.strides()[da - 2] : 0,
            a.strides()[da - 1]};
  Matrix mb{b.data(), db > 1 ? b.sizes()[db - 2] : b.sizes()[0], db > 1 ? b.sizes()[db - 1] : 1,
            db > 1 ? b.strides()[db - 2] : b.strides()[0], db > 1 ? b.strides()[db - 1] : 0};
  BatchDims dims = merge_batches(batch, layout::broadcast_strides(batch_of(a.sizes()), batch_of(a.strides()), batch),
                                 layout::broadcast_strides(batch_of(b.sizes()), batch_of(b.strides()), batch));
  BatchDim inner{1, 0, 0};
  if (!dims.empty()) {
    inner = dims.back();
    dims.resize(dims.size() - 1);
    // One large product instead of many with the same operand.
    if (inner.b == 0 && (ma.rows == 1 || inner.a == ma.rows * ma.row_stride)) {
      if (ma.rows == 1) ma.row_stride = inner.a;
      ma.rows *= inner.size;
      inner = {1, 0, 0};
    } else if (inner.a == 0 && ma.rows == 1 && (mb.cols == 1 || inner.b == mb.cols * mb.col_stride)) {
      if (mb.cols == 1) mb.col_stride = inner.b;
      mb.cols *= inner.size;
      inner = {1, 0, 0};
    }
  }
  const int64_t matrix_elements = ma.rows * mb.cols;
  int64_t outer_count = 1;
  for (const BatchDim& d : dims) outer_count *= d.size;
  SmallVector<int64_t, 4> at(dims.size());
  for (int64_t done = 0; done < outer_count; ++done) {
    products::gemm_batched(dtype, inner.size, ma, inner.a, mb, inner.b, out, matrix_elements,
                           std::max<int64_t>(mb.cols, 1), 1);
    out += inner.size * matrix_elements * item;
    for (int64_t d = dims.size() - 1; d >= 0; --d) {
      ma.data += dims[d].a * item;
      mb.data += dims[d].b * item;
      if (++at[d] < dims[d].size) break;
      ma.data -= dims[d].a * dims[d].size * item;
      mb.data -= dims[d].b * dims[d].size * item;
      at[d] = 0;
    }
  }
}

// The sizes of a product that matmul_batches can make; nothing where the arguments are wrong.
std::optional<DimVector> direct_shape(const Tensor& a, const Tensor& b, DimVector& batch) {
  const size_t da = a.sizes().size(), db = b.sizes().size();
  if (da == 0 || db == 0 || a.dtype() != b.dtype() || a.dtype() == DType::Bool ||
      static_cast<int>(a.dtype()) >= kNumComputeDTypes)
    return {};
  if (a.sizes()[da - 1] != (db > 1 ? b.sizes()[db - 2] : b.sizes()[0])) return {};
  const IntSpan ba = batch_of(a.sizes()), bb = batch_of(b.sizes());
  for (size_t i = 1; i <= std::min(ba.size(), bb.size()); ++i) {
    const int64_t x = ba[ba.size() - i], y = bb[bb.size() - i];
    if (x != y && x != 1 && y != 1) return {};
  }
  batch = ba.empty() ? DimVector(bb) : bb.empty() ? DimVector(ba) : layout::broadcast_shapes(ba, bb);
  DimVector shape = batch;
  if (da > 1) shape.push_back(a.sizes()[da - 2]);
  if (db > 1) shape.push_back(b.sizes()[db - 1]);
  return shape;
}

// Whether the larger operand becomes one matrix. Where the smaller one requires grad that saves a copy of it per batch.
bool should_fold(const Tensor& a, const Tensor& b) {
  const bool a_larger = a.dim() >= b.dim();
  const Tensor& large = a_larger ? a : b;
  const Tensor& small = a_larger ? b : a;
  if (large.dim() < 3 || small.dim() > 2) return false;
  if (small.requires_grad()) return true;
  if (a.dim() == 2) return false;
  if (large.numel() == 0) return true;
  // The leading dims of the larger one (of its transpose, if it stands right) must merge.
  const size_t n = large.sizes().size();
  auto dim_of = [&](size_t i) { return !a_larger && i == n - 2 ? n - 1 : i; };
  for (size_t i = 0; i + 2 < n; ++i) {
    const size_t next = dim_of(i + 1);
    if (large.strides()[i] != large.strides()[next] * large.sizes()[next]) return false;
  }
  return true;
}

Tensor fold(const Tensor& a, const Tensor& b) {
  const bool swapped = b.dim() > a.dim();
  const Tensor large = swapped ? transpose(b, -2, -1) : a;
  const Tensor small = swapped && a.dim() == 2 ? t(a) : swapped ? a : b;
  DimVector shape = large.sizes().first(static_cast<size_t>(large.dim() - 1));
  const int64_t folded_sizes[2] = {layout::checked_numel(shape), large.sizes().back()};
  const Tensor folded = reshape(large, folded_sizes);
  if (small.dim() == 1) return unsafe_view("UnsafeViewBackward0", mv(folded, small), shape);
  shape.push_back(small.sizes()[1]);
  const Tensor result = unsafe_view("UnsafeViewBackward0", mm(folded, small), shape);
  return swapped ? clone(transpose(result, -2, -1), true) : result;
}

Tensor reshape_batch(const Tensor& t, const DimVector& batch, int64_t count, std::initializer_list<int64_t> matrix) {
  DimVector expanded = batch, flat{count};
  for (int64_t size : matrix) {
    expanded.push_back(size);
    flat.push_back(size);
  }
  const Tensor e = equal(t.sizes(), expanded) ? t : expand(t, expanded);
  return equal(e.sizes(), flat) ? e : reshape(e, flat);
}

// matmul out of differentiable operations; also the one that finds the words for wrong arguments.
Tensor matmul_recorded(const Tensor& a, const Tensor& b) {
  const int64_t da = a.dim(), db = b.dim();
  if (da == 0 || db == 0) fail("both arguments to matmul need to be at least 1D, but they are ", da, "D and ", db, "D");
  if (da == 1 && db == 1) return dot(a, b);
  if (da == 2 && db == 1) return mv(a, b);
  if (da == 1 && db == 2) {
    const Tensor r = mm(unsqueeze(a, 0), b);
    return unsafe_view("SqueezeBackward4", r, r.sizes().last(1));
  }
  if (da == 2 && db == 2) return mm(a, b);
  if (should_fold(a, b)) return fold(a, b);
  if (da == 3 && db == 3 && a.sizes()[0] != b.sizes()[0]) {
    const int64_t first[1] = {0};
    if (a.sizes()[0] == 1 && a.requires_grad()) return matmul_recorded(squeeze(a, first), b);
    if (b.sizes()[0] == 1 && b.requires_grad()) return matmul_recorded(a, squeeze(b, first));
  }
  const int64_t n = da > 1 ? a.size(-2) : 1, m1 = a.size(-1), m2 = db > 1 ? b.size(-2) : b.size(0);
  const int64_t p = db > 1 ? b.size(-1) : 1;
  DimVector shape = layout::broadcast_shapes(batch_of(a.sizes()), batch_of(b.sizes()));
  const int64_t count = layout::checked_numel(shape);
  const Tensor batch_a = reshape_batch(a, shape, count, {n, m1});
  const Tensor batch_b =
      db == 1 ? unsqueeze(reshape_batch(b, shape, count, {m2}), 2) : reshape_batch(b, shape, count, {m2, p});
  if (da > 1) shape.push_back(n);
  if (db > 1) shape.push_back(p);
  return unsafe_view("UnsafeViewBackward0", bmm(batch_a, batch_b), shape);
}

}  // namespace

Tensor matmul(const Tensor& self, const Tensor& other) {
  const int64_t da = self.dim(), db = other.dim();
  if (da == 2 && db == 2) return mm(self, other);
  if (da == 2 && db == 1) return mv(self, other);
  if (da == 1 && db == 1) return dot(self, other);
  if (autograd::needs(self, other)) return matmul_recorded(self, other);
  DimVector batch;
  const auto shape = direct_shape(self, other, batch);
  if (!shape) return matmul_recorded(self, other);
  check_cpu("matmul", self);
  check_cpu("matmul", other);
  const Tensor out = empty(*shape, self.dtype());
  matmul_batches(out.data(), batch, self, other);
  return out;
}

const Tensor& matmul_out(const Tensor& out, const Tensor& self, const Tensor& other) {
  if (self.dim() == 2 && other.dim() == 1) return mv_out(out, self, other);
  DimVector batch;
  auto shape = direct_shape(self, other, batch);
  if (!shape) {
    NoGradGuard no_grad;
    matmul_recorded(self, other);  // raises
    fail("matmul: invalid arguments");
  }
  const bool meets = products::prepare_out("matmul", out, *shape, self.dtype(), {&self, &other});
  if (!meets && out.is_contiguous() && (self.dim() > 2 || other.dim() > 2))
    matmul_batches(out.data(), batch, self, other);
  else if (!meets && self.dim() == 2 && other.dim() == 2)
    return mm_out(out, self, other);
  else
    store_out(out, matmul(self, other));
  out.bump_version("matmul");
  return out;
}

}  // namespace rushlight
