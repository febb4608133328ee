// Layers of neural networks: linear, leaky_relu, dropout, embedding.
#include <algorithm>
#include <cstring>

#include "cpu/clones.h"
#include "cpu/loop_plan.h"
#include "cpu/random.h"
#include "ops/inplace.h"
#include "ops/products.h"
#include "rushlight/generator.h"

namespace rushlight {

using autograd::Grads;
using products::unsafe_view;

// ---- linear
namespace {

// The transpose of a matrix without the costs of a view. Its own gradient is not a view either, so that the leaf can
// take it over without a copy.
Tensor transposed(const Tensor& t) {
  Tensor r = share(t);
  const int64_t sizes[2] = {t.sizes()[1], t.sizes()[0]}, strides[2] = {t.strides()[1], t.strides()[0]};
  r.impl()->set_geometry(sizes, strides, t.storage_offset());
  return r;
}

Tensor recorded_transposed(const Tensor& weight) {
  if (weight.dim() != 2) return t(weight);  // raises beyond 2 dims
  Tensor r = transposed(weight);
  if (autograd::needs(weight))
    autograd::record("TBackward0", r, {&weight},
                     [](Grads& g) { g[0] = GradMode::enabled() ? t(g.grad()) : transposed(g.grad()); });
  return r;
}

}  // namespace

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  const int64_t dims = input.dim();
  if (dims == 0 || weight.dim() == 0)
    fail("both arguments to linear need to be at least 1D, but they are ", dims, "D and ", weight.dim(), "D");
  const Tensor w = recorded_transposed(weight);
  if (!bias.defined()) return matmul(input, w);
  if (dims == 2) return addmm(bias, input, w);
  // Leading dims that lie together become rows.
  const bool one = dims == 1 && weight.dim() == 2;
  if ((one || (dims >= 3 && input.is_contiguous())) && bias.dim() <= 1 && w.dim() == 2) {
    DimVector shape = input.sizes().first(static_cast<size_t>(dims - 1));
    const int64_t flat[2] = {layout::checked_numel(shape), input.sizes().back()};
    shape.push_back(w.sizes()[1]);
    return unsafe_view("ViewBackward0", addmm(bias, view(input, flat), w), shape);
  }
  return add_(matmul(input, w), bias);
}

// ---- leaky_relu
namespace {

// out = x > 0 ? g : g * slope; blocks of a constant length become vectors.
template <class T>
[[gnu::always_inline]] inline void select_dense(T* out, const T* g, const T* x, int64_t n, T slope) {
  constexpr int64_t kBlock = 32;
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    T block[kBlock];
    for (int64_t j = 0; j < kBlock; ++j) block[j] = x[i + j] > 0 ? g[i + j] : g[i + j] * slope;
    std::memcpy(out + i, block, sizeof(block));
  }
  for (; i < n; ++i) out[i] = x[i] > 0 ? g[i] : g[i] * slope;
}
RUSHLIGHT_CLONES void select_all(float* out, const float* g, const float* x, int64_t n, float slope) {
  select_dense(out, g, x, n, slope);
}
RUSHLIGHT_CLONES void select_all(double* out, const double* g, const double* x, int64_t n, double slope) {
  select_dense(out, g, x, n, slope);
}

// data: result, g, x
template <class T>
void leaky_loop(char* const* data, const int64_t* strides, int64_t n, const void* params) {
  const T slope = static_cast<T>(*static_cast<const double*>(params));
  constexpr int64_t kSize = sizeof(T);
  if (strides[0] == kSize && strides[1] == kSize && strides[2] == kSize)
    return select_all(reinterpret_cast<T*>(data[0]), reinterpret_cast<const T*>(data[1]),
                      reinterpret_cast<const T*>(data[2]), n, slope);
  for (int64_t i = 0; i < n; ++i) {
    const T g = *reinterpret_cast<const T*>(data[1] + i * strides[1]);
    const T x = *reinterpret_cast<const T*>(data[2] + i * strides[2]);
    *reinterpret_cast<T*>(data[0] + i * strides[0]) = x > 0 ? g : g * slope;
  }
}

void leaky_select(const Tensor& out, const Tensor& g, const Tensor& x, double slope) {
  const DType kernel = kernel_dtype(x.dtype());
  const cpu::LoopArg args[3] = {cpu::LoopArg(out, kernel), cpu::LoopArg(g, kernel), cpu::LoopArg(x, kernel)};
  cpu::run_loop(kernel == DType::Float64 ? leaky_loop<double> : leaky_loop<float>, &slope, out.sizes(), args, 3);
}

void check_leaky(const Tensor& self) {
  if (!is_floating_point(self.dtype()))
    fail<NotImplementedError>("\"leaky_relu_cpu\" not implemented for '", self.dtype(), "'");
  check_cpu("leaky_relu", self);
}

// x may be the result instead of the input: for slopes >= 0 both have one sign.
Tensor leaky_relu_backward(const Tensor& grad, const Tensor& x, double slope) {
  const Tensor r = empty_like(x);
  leaky_select(r, grad, x, slope);
  if (autograd::needs(grad, x))
    autograd::record("LeakyReluBackwardBackward0", r, {&grad, &x}, [x = SavedTensor(x), slope](Grads& g) {
      if (g.needs(0)) g[0] = leaky_relu_backward(g.grad(), g.unpack(x), slope);
      if (g.needs(1)) g[1] = zeros_like(g.grad());
    });
  return r;
}

}  // namespace

Tensor leaky_relu(const Tensor& self, const Scalar& negative_slope) {
  check_leaky(self);
  const double slope = negative_slope.to_double();
  const Tensor r = empty_like(self);
  leaky_select(r, self, self, slope);
  if (autograd::needs(self))
    autograd::record("LeakyReluBackward0", r, {&self}, [x = SavedTensor(self), slope](Grads& g) {
      g[0] = leaky_relu_backward(g.grad(), g.unpack(x), slope);
    });
  return r;
}

const Tensor& leaky_relu_(const Tensor& self, const Scalar& negative_slope) {
  check_leaky(self);
  layout::check_writable(self);
  autograd::check_inplace(self);
  const double slope = negative_slope.to_double();
  class LeakyNode final : public Node, public Inspectable {
   public:
    explicit LeakyNode(double s) : slope_(s) {}
    const char* name() const override { return "LeakyReluBackward1"; }
    void apply(std::span<const Tensor> grads, std::span<Tensor> out) override {
      if (!grads[0].defined() || !needs(0)) return;
      if (!result.defined()) autograd::fail_graph_freed();
      if (slope_ < 0)
        fail(
            "In-place leakyReLu backward calculation is triggered with a negative slope which is not supported. This "
            "is caused by calling in-place forward function with a negative slope, please call out-of-place version "
            "instead.");
      out[0] = leaky_relu_backward(grads[0], result.unpack(*this), slope_);
    }
    void release_saved() override { result.reset(); }
    void inspect(Inspector& inspector) const override { inspector.saved(result); }
    SavedTensor result;

   private:
    double slope_;
  };
  const bool record = autograd::needs(self);
  auto* node = record ? new LeakyNode(slope) : nullptr;
  const auto owner = Ref<Node>::adopt(node);
  const Tensor* inputs[1] = {&self};
  if (record) autograd::connect(*node, inputs);
  const autograd::Undo undo(self, record);
  leaky_select(self, self, self, slope);
  self.bump_version("leaky_relu_");
  if (!record) return self;
  node->result = undo.keep_result(self);
  autograd::rebase_history(self, owner);
  return self;
}

// ---- dropout
Tensor dropout(const Tensor& input, double p, bool train) {
  if (!(p >= 0 && p <= 1)) fail("dropout probability has to be between 0 and 1, but got ", p);
  if (input.numel() == 0 || p == 0 || !train) return input;
  const DType dtype = input.dtype();
  if (is_complex(dtype)) fail<NotImplementedError>("\"bernoulli_scalar_cpu_\" not implemented for '", dtype, "'");
  if (!is_floating_point(dtype)) fail("result type Float can't be cast to the desired output type ", dtype);
  check_cpu("dropout", input);
  if (p == 1) return mul(input, zeros({}, dtype));
  // Dense in the memory order of the input, as the stream is drawn.
  const Tensor noise = empty_like(input);
  cpu::bernoulli(noise.data(), dtype, noise.numel(), 1 - p, default_generator());
  {
    NoGradGuard no_grad;
    div_(noise, 1 - p);
  }
  return mul(input, noise);
}

// ---- embedding
namespace {

template <class Index>
void check_indices(const Index* index, int64_t n, int64_t rows) {
  for (int64_t i = 0; i < n; ++i)
    if (index[i] < 0 || index[i] >= rows) fail<IndexError>("index out of range in self");
}

// The gradient of the table: row i of grad is added to row indices[i].
Tensor embedding_backward(const Tensor& grad, const Tensor& indices, int64_t rows, int64_t padding_idx);

// Rows of weight without their derivative; padding rows are zero where `blank`.
Tensor gather_rows(const Tensor& weight, const Tensor& indices, int64_t padding_idx, bool blank) {
  DimVector shape = indices.sizes();
  const int64_t width = weight.sizes()[1], n = indices.numel();
  shape.push_back(width);
  Tensor r = empty(shape, weight.dtype());
  const Tensor index = contiguous(indices), table = contiguous(weight);
  const size_t bytes = static_cast<size_t>(width * weight.item_size());
  auto copy = [&](auto* at) {
    check_indices(at, n, weight.sizes()[0]);
    for (int64_t i = 0; i < n; ++i) {
      char* const to = r.data() + i * static_cast<int64_t>(bytes);
      if (blank && at[i] == padding_idx)
        std::memset(to, 0, bytes);
      else if (bytes)
        std::memcpy(to, table.data() + at[i] * static_cast<int64_t>(bytes), bytes);
    }
  };
  if (indices.dtype() == DType::Int64)
    copy(index.data_ptr<const int64_t>());
  else
    copy(index.data_ptr<const int32_t>());
  return r;
}

Tensor gather_rows_no_grad(const Tensor& weight, const Tensor& indices, int64_t padding_idx, bool blank) {
  NoGradGuard no_grad;
  return gather_rows(weight, indices, padding_idx, blank);
}

Tensor embedding_backward(const Tensor& grad, const Tensor& indices, int64_t rows, int64_t padding_idx) {
  const int64_t width = grad.sizes().back(), n = indices.numel();
  const int64_t flat[2] = {n, width}, sizes[2] = {rows, width}, count[1] = {n};
  Tensor r;
  {
    NoGradGuard no_grad;
    r = zeros(sizes, grad.dtype());
    Tensor index = reshape(indices, count), g = reshape(grad, flat);
    if (padding_idx >= 0) g = masked_fill(g, unsqueeze(eq(index, padding_idx), 1), 0);
    index_add_(r, 0, index, g);
  }
  if (autograd::needs(grad))
    autograd::record("EmbeddingDenseBackwardBackward0", r, {&grad},
                     [index = SavedTensor(indices), rows, padding_idx](Grads& g) {
                       const Tensor at = g.unpack(index);
                       Tensor d = gather_rows_no_grad(g.grad(), at, padding_idx, true);
                       if (autograd::needs(g.grad()))
                         autograd::record("EmbeddingBackward0", d, {&g.grad()},
                                          [index = SavedTensor(at), rows, padding_idx](Grads& h) {
                                            h[0] = embedding_backward(h.grad(), h.unpack(index), rows, padding_idx);
                                          });
                       g[0] = d;
                     });
  return r;
}

}  // namespace

Tensor embedding(const Tensor& weight, const Tensor& indices, int64_t padding_idx) {
  if (weight.dim() != 2) fail("'weight' must be 2-D");
  if (indices.dtype() != DType::Int64 && indices.dtype() != DType::Int32)
    fail("Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got ",
         tensor_type_name(indices.dtype()), " instead (while checking arguments for embedding)");
  check_cpu("embedding", weight);
  check_cpu("embedding", indices);
  const Tensor r = gather_rows_no_grad(weight, indices, padding_idx, false);
  if (autograd::needs(weight))
    autograd::record("EmbeddingBackward0", r, {&weight},
                     [index = SavedTensor(indices), rows = weight.sizes()[0], padding_idx](Grads& g) {
                       g[0] = embedding_backward(g.grad(), g.unpack(index), rows, padding_idx);
                     });
  return r;
}

}  // namespace rushlight
