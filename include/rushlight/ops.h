// Every operation on tensors, as free functions with torch's names.
//
// Arguments are checked before anything is written; errors are the exceptions of error.h. `dim` counts from the end if
// negative. Functions that end in _ write into their first argument and return it.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "rushlight/tensor.h"

#pragma GCC visibility push(default)

namespace rushlight {

// A tensor or a number. Borrows the tensor: for arguments only.
class Operand {
 public:
  Operand(const Tensor& tensor) : tensor_(&tensor) {}
  Operand(const Scalar& number) : number_(number) {}
  Operand(bool number) : number_(number) {}
  Operand(int number) : number_(number) {}
  Operand(int64_t number) : number_(number) {}
  Operand(double number) : number_(number) {}
  bool is_tensor() const { return tensor_ != nullptr; }
  const Tensor& tensor() const { return *tensor_; }
  const Scalar& number() const { return number_; }

 private:
  const Tensor* tensor_ = nullptr;
  Scalar number_;
};

using OptDType = std::optional<DType>;
using OptInt = std::optional<int64_t>;
using OptSpan = std::optional<IntSpan>;
using OptScalar = std::optional<Scalar>;

// torch.result_type
DType result_dtype(const Operand& a, const Operand& b);

// ---- creation (creation.cpp). dtype: the default dtype where absent.
Tensor empty(IntSpan sizes, OptDType dtype = {}, Device device = {});
Tensor empty_strided(IntSpan sizes, IntSpan strides, OptDType dtype = {}, Device device = {});
Tensor empty_like(const Tensor& self, OptDType dtype = {});  // dims in the memory order of self
Tensor zeros(IntSpan sizes, OptDType dtype = {}, Device device = {});
Tensor ones(IntSpan sizes, OptDType dtype = {}, Device device = {});
// dtype: that of the value where absent.
Tensor full(IntSpan sizes, const Scalar& value, OptDType dtype = {}, Device device = {});
Tensor zeros_like(const Tensor& self, OptDType dtype = {});
Tensor ones_like(const Tensor& self, OptDType dtype = {});
Tensor full_like(const Tensor& self, const Scalar& value, OptDType dtype = {});
Tensor scalar_tensor(const Scalar& value, OptDType dtype = {});
Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step, OptDType dtype = {});
Tensor linspace(const Scalar& start, const Scalar& end, int64_t steps, OptDType dtype = {});
Tensor eye(int64_t n, OptInt m = {}, OptDType dtype = {});
// Copies `data`, contiguous elements of `dtype`.
Tensor from_data(const void* data, IntSpan sizes, DType dtype);
// Shares memory; `deleter(context, data, nbytes)` runs when the last tensor lets go.
Tensor from_blob(void* data, IntSpan sizes, IntSpan strides, DType dtype, Storage::Deleter deleter = nullptr,
                 void* context = nullptr, bool read_only = false);

// ---- copies and conversions (copy.cpp)
Tensor clone(const Tensor& self, bool contiguous = false);
Tensor contiguous(const Tensor& self);
Tensor to(const Tensor& self, DType dtype, bool copy = false);
Tensor detach(const Tensor& self);
Tensor alias(const Tensor& self);
const Tensor& copy_(const Tensor& self, const Tensor& source);
const Tensor& fill_(const Tensor& self, const Operand& value);
const Tensor& zero_(const Tensor& self);
Scalar item(const Tensor& self);
// Same sizes and all elements equal.
bool equal(const Tensor& a, const Tensor& b);

// ---- elementwise (elementwise.def)
#define RL_UNARY(Name, function, node, promotion, derivative, forms) \
  Tensor function(const Tensor& self);                               \
  const Tensor& function##_(const Tensor& self);                     \
  const Tensor& function##_out(const Tensor& out, const Tensor& self);
#define RL_BINARY(Name, function, node, promotion, derivative, forms)  \
  Tensor function(const Operand& self, const Operand& other);          \
  const Tensor& function##_(const Tensor& self, const Operand& other); \
  const Tensor& function##_out(const Tensor& out, const Operand& self, const Operand& other);
#include "rushlight/elementwise.def"
// self + alpha * other
Tensor add(const Operand& self, const Operand& other, const Scalar& alpha);
Tensor sub(const Operand& self, const Operand& other, const Scalar& alpha);
Tensor rsub(const Tensor& self, const Operand& other, const Scalar& alpha = 1);
// rounding: "" (true division), "trunc" or "floor"
Tensor div(const Operand& self, const Operand& other, std::string_view rounding);
Tensor conj(const Tensor& self);
// |self - other| <= atol + rtol * |other|; equal infinities are close.
Tensor isclose(const Tensor& self, const Tensor& other, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);
Tensor real(const Tensor& self);
Tensor imag(const Tensor& self);
Tensor where(const Tensor& condition, const Operand& self, const Operand& other);
Tensor clamp(const Tensor& self, const OptScalar& min, const OptScalar& max);
Tensor masked_fill(const Tensor& self, const Tensor& mask, const Operand& value);

inline Tensor operator+(const Tensor& a, const Operand& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Operand& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Operand& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Operand& b) { return div(a, b); }
inline Tensor operator-(const Tensor& a) { return neg(a); }

// ---- views (shape.cpp)
Tensor view(const Tensor& self, IntSpan sizes);
Tensor view_dtype(const Tensor& self, DType dtype);
Tensor reshape(const Tensor& self, IntSpan sizes);
Tensor flatten(const Tensor& self, int64_t start_dim = 0, int64_t end_dim = -1);
Tensor unflatten(const Tensor& self, int64_t dim, IntSpan sizes);
Tensor squeeze(const Tensor& self, OptSpan dims = {});
Tensor unsqueeze(const Tensor& self, int64_t dim);
Tensor transpose(const Tensor& self, int64_t dim0, int64_t dim1);
Tensor t(const Tensor& self);
Tensor numpy_T(const Tensor& self);   // Tensor.T: all dims reversed
Tensor matrix_T(const Tensor& self);  // Tensor.mT: the last two dims swapped
Tensor permute(const Tensor& self, IntSpan dims);
Tensor movedim(const Tensor& self, IntSpan source, IntSpan destination);
Tensor expand(const Tensor& self, IntSpan sizes);
Tensor narrow(const Tensor& self, int64_t dim, int64_t start, int64_t length);
Tensor select(const Tensor& self, int64_t dim, int64_t index);
Tensor slice(const Tensor& self, int64_t dim, OptInt start, OptInt end, int64_t step = 1);
Tensor diagonal(const Tensor& self, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
Tensor unfold(const Tensor& self, int64_t dim, int64_t size, int64_t step);
Tensor as_strided(const Tensor& self, IntSpan sizes, IntSpan strides, OptInt storage_offset = {});
TensorList split(const Tensor& self, int64_t split_size, int64_t dim = 0);
TensorList split_with_sizes(const Tensor& self, IntSpan sizes, int64_t dim = 0);
TensorList chunk(const Tensor& self, int64_t chunks, int64_t dim = 0);
TensorList unbind(const Tensor& self, int64_t dim = 0);
TensorList broadcast_tensors(std::span<const Tensor> tensors);
Tensor sum_to_size(const Tensor& self, IntSpan sizes);
Tensor view_as_real(const Tensor& self);
Tensor view_as_complex(const Tensor& self);
const Tensor& resize_(const Tensor& self, IntSpan sizes);
// Makes self see memory, geometry and dtype of source (Tensor.data = and Tensor.set_).
void set_storage(const Tensor& self, const Tensor& source);
// Copies with rows reversed along dims.
Tensor flip(const Tensor& self, IntSpan dims);

// ---- joining (join.cpp)
Tensor cat(std::span<const Tensor> tensors, int64_t dim = 0);
const Tensor& cat_out(const Tensor& out, std::span<const Tensor> tensors, int64_t dim = 0);
Tensor stack(std::span<const Tensor> tensors, int64_t dim = 0);
const Tensor& stack_out(const Tensor& out, std::span<const Tensor> tensors, int64_t dim = 0);

// ---- reductions and scans (reduce.cpp). dims: all where absent or empty (any, all: empty means none, as in torch).
Tensor sum(const Tensor& self, OptSpan dims = {}, bool keepdim = false, OptDType dtype = {});
Tensor mean(const Tensor& self, OptSpan dims = {}, bool keepdim = false, OptDType dtype = {});
Tensor prod(const Tensor& self, OptInt dim = {}, bool keepdim = false, OptDType dtype = {});
Tensor amax(const Tensor& self, OptSpan dims = {}, bool keepdim = false);
Tensor amin(const Tensor& self, OptSpan dims = {}, bool keepdim = false);
Tensor max(const Tensor& self);
Tensor min(const Tensor& self);
std::tuple<Tensor, Tensor> max(const Tensor& self, int64_t dim, bool keepdim = false);
std::tuple<Tensor, Tensor> min(const Tensor& self, int64_t dim, bool keepdim = false);
Tensor argmax(const Tensor& self, OptInt dim = {}, bool keepdim = false);
Tensor argmin(const Tensor& self, OptInt dim = {}, bool keepdim = false);
Tensor any(const Tensor& self, OptSpan dims = {}, bool keepdim = false);
Tensor all(const Tensor& self, OptSpan dims = {}, bool keepdim = false);
// correction: degrees of freedom taken off (1: sample variance)
Tensor var(const Tensor& self, OptSpan dims = {}, double correction = 1, bool keepdim = false);
Tensor std(const Tensor& self, OptSpan dims = {}, double correction = 1, bool keepdim = false);
std::tuple<Tensor, Tensor> var_mean(const Tensor& self, OptSpan dims = {}, double correction = 1, bool keepdim = false);
std::tuple<Tensor, Tensor> std_mean(const Tensor& self, OptSpan dims = {}, double correction = 1, bool keepdim = false);
Tensor cumsum(const Tensor& self, int64_t dim, OptDType dtype = {});
Tensor cumprod(const Tensor& self, int64_t dim, OptDType dtype = {});
Tensor softmax(const Tensor& self, int64_t dim, OptDType dtype = {});
Tensor log_softmax(const Tensor& self, int64_t dim, OptDType dtype = {});
// p-norm over dims; p = 2 is the Frobenius norm of the whole tensor.
Tensor norm(const Tensor& self, double p = 2, OptSpan dims = {}, bool keepdim = false, OptDType dtype = {});
// out= forms; `out` is resized to the shape of the result.
const Tensor& sum_out(const Tensor& out, const Tensor& self, OptSpan dims = {}, bool keepdim = false,
                      OptDType dtype = {});
const Tensor& mean_out(const Tensor& out, const Tensor& self, OptSpan dims = {}, bool keepdim = false,
                       OptDType dtype = {});
const Tensor& prod_out(const Tensor& out, const Tensor& self, OptInt dim = {}, bool keepdim = false,
                       OptDType dtype = {});
const Tensor& amax_out(const Tensor& out, const Tensor& self, OptSpan dims = {}, bool keepdim = false);
const Tensor& amin_out(const Tensor& out, const Tensor& self, OptSpan dims = {}, bool keepdim = false);
const Tensor& max_out(const Tensor& out, const Tensor& self);
const Tensor& min_out(const Tensor& out, const Tensor& self);
std::tuple<Tensor, Tensor> max_out(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim,
                                   bool keepdim = false);
std::tuple<Tensor, Tensor> min_out(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim,
                                   bool keepdim = false);
const Tensor& argmax_out(const Tensor& out, const Tensor& self, OptInt dim = {}, bool keepdim = false);
const Tensor& argmin_out(const Tensor& out, const Tensor& self, OptInt dim = {}, bool keepdim = false);
const Tensor& any_out(const Tensor& out, const Tensor& self, OptSpan dims = {}, bool keepdim = false);
const Tensor& all_out(const Tensor& out, const Tensor& self, OptSpan dims = {}, bool keepdim = false);
const Tensor& var_out(const Tensor& out, const Tensor& self, OptSpan dims = {}, double correction = 1,
                      bool keepdim = false);
const Tensor& std_out(const Tensor& out, const Tensor& self, OptSpan dims = {}, double correction = 1,
                      bool keepdim = false);
const Tensor& cumsum_out(const Tensor& out, const Tensor& self, int64_t dim, OptDType dtype = {});
const Tensor& cumprod_out(const Tensor& out, const Tensor& self, int64_t dim, OptDType dtype = {});

// ---- products (matmul.cpp, addmm.cpp). Both operands have one dtype; not bool. Out forms want that dtype too.
Tensor matmul(const Tensor& self, const Tensor& other);
Tensor mm(const Tensor& self, const Tensor& mat2);
Tensor mv(const Tensor& self, const Tensor& vec);
Tensor dot(const Tensor& self, const Tensor& other);
Tensor vdot(const Tensor& self, const Tensor& other);  // conj(self) . other
Tensor bmm(const Tensor& self, const Tensor& mat2);
Tensor outer(const Tensor& self, const Tensor& vec2);
// Sums over the last dim of both: [*a, k], [*b, k] -> [*a, *b].
Tensor inner(const Tensor& self, const Tensor& other);
// beta * self + alpha * (mat1 @ mat2); self broadcasts and is not read where beta is 0.
Tensor addmm(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta = 1,
             const Scalar& alpha = 1);
Tensor addmv(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta = 1, const Scalar& alpha = 1);
Tensor baddbmm(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta = 1,
               const Scalar& alpha = 1);
// beta * self + alpha * the sum of batch1[i] @ batch2[i]
Tensor addbmm(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta = 1,
              const Scalar& alpha = 1);
const Tensor& addmm_(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta = 1,
                     const Scalar& alpha = 1);
const Tensor& addmv_(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta = 1,
                     const Scalar& alpha = 1);
const Tensor& baddbmm_(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta = 1,
                       const Scalar& alpha = 1);
const Tensor& matmul_out(const Tensor& out, const Tensor& self, const Tensor& other);
const Tensor& mm_out(const Tensor& out, const Tensor& self, const Tensor& mat2);
const Tensor& mv_out(const Tensor& out, const Tensor& self, const Tensor& vec);
const Tensor& dot_out(const Tensor& out, const Tensor& self, const Tensor& other);
const Tensor& bmm_out(const Tensor& out, const Tensor& self, const Tensor& mat2);
const Tensor& outer_out(const Tensor& out, const Tensor& self, const Tensor& vec2);
const Tensor& inner_out(const Tensor& out, const Tensor& self, const Tensor& other);
const Tensor& addmm_out(const Tensor& out, const Tensor& self, const Tensor& mat1, const Tensor& mat2,
                        const Scalar& beta = 1, const Scalar& alpha = 1);

// ---- indexing (index.cpp: lists of indices; index_dim.cpp: slices along a dim; scatter.cpp: elements along a dim;
// mask.cpp: by masks). Indices are int64 or int32. Only index, index_put, index_fill, take and put accept negative
// ones.
Tensor index_select(const Tensor& self, int64_t dim, const Tensor& index);
const Tensor& index_select_out(const Tensor& out, const Tensor& self, int64_t dim, const Tensor& index);
Tensor gather(const Tensor& self, int64_t dim, const Tensor& index);
const Tensor& gather_out(const Tensor& out, const Tensor& self, int64_t dim, const Tensor& index);
// reduce: "" (the last one wins), "add" or "multiply"
Tensor scatter(const Tensor& self, int64_t dim, const Tensor& index, const Operand& source,
               std::string_view reduce = {});
const Tensor& scatter_(const Tensor& self, int64_t dim, const Tensor& index, const Operand& source,
                       std::string_view reduce = {});
Tensor scatter_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source);
const Tensor& scatter_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source);
// self[index] += alpha * source, slice by slice along dim
Tensor index_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha = 1);
const Tensor& index_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                         const Scalar& alpha = 1);
Tensor index_copy(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source);
const Tensor& index_copy_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source);
Tensor index_fill(const Tensor& self, int64_t dim, const Tensor& index, const Operand& value);
const Tensor& index_fill_(const Tensor& self, int64_t dim, const Tensor& index, const Operand& value);
// Elements by their row-major position.
Tensor take(const Tensor& self, const Tensor& index);
const Tensor& take_out(const Tensor& out, const Tensor& self, const Tensor& index);
Tensor put(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate = false);
const Tensor& put_(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate = false);
// indices[d] indexes dim d; undefined ones keep the whole dim. Bool tensors stand for their nonzero().
Tensor index(const Tensor& self, std::span<const Tensor> indices);
Tensor index_put(const Tensor& self, std::span<const Tensor> indices, const Tensor& values, bool accumulate = false);
const Tensor& index_put_(const Tensor& self, std::span<const Tensor> indices, const Tensor& values,
                         bool accumulate = false);
Tensor masked_select(const Tensor& self, const Tensor& mask);
const Tensor& masked_select_out(const Tensor& out, const Tensor& self, const Tensor& mask);
const Tensor& masked_fill_(const Tensor& self, const Tensor& mask, const Operand& value);
// The elements of source, in order, go where mask is true.
Tensor masked_scatter(const Tensor& self, const Tensor& mask, const Tensor& source);
const Tensor& masked_scatter_(const Tensor& self, const Tensor& mask, const Tensor& source);
const Tensor& where_out(const Tensor& out, const Tensor& condition, const Operand& self, const Operand& other);
// int64 [count, dim]: the indices of the elements that are not 0, row-major; column-major in memory.
Tensor nonzero(const Tensor& self);
const Tensor& nonzero_out(const Tensor& out, const Tensor& self);

// ---- neural network functions (nn.cpp, loss.cpp). reduction: 0 none, 1 mean, 2 sum
// input @ weight.T + bias: [*, in], [out, in], [out] -> [*, out]
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias = {});
Tensor leaky_relu(const Tensor& self, const Scalar& negative_slope = 0.01);
const Tensor& leaky_relu_(const Tensor& self, const Scalar& negative_slope = 0.01);
// Zeroes elements with probability p and scales the others by 1 / (1 - p), if `train`.
Tensor dropout(const Tensor& input, double p, bool train);
// Rows of weight [n, d] by int64 or int32 indices: [*] -> [*, d]. Row padding_idx gets no gradient; -1: none.
Tensor embedding(const Tensor& weight, const Tensor& indices, int64_t padding_idx = -1);
Tensor mse_loss(const Tensor& input, const Tensor& target, int64_t reduction = 1);
Tensor l1_loss(const Tensor& input, const Tensor& target, int64_t reduction = 1);
// input: log-probabilities [C], [N, C] or [N, C, d1, ...]; target: classes [], [N] or [N, d1, ...], int64 or uint8;
// weight: [C]. Elements whose target is ignore_index do not count.
Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight = {}, int64_t reduction = 1,
                int64_t ignore_index = -100);
// The same of log_softmax(input); a floating-point target of the input's shape holds class probabilities.
Tensor cross_entropy_loss(const Tensor& input, const Tensor& target, const Tensor& weight = {}, int64_t reduction = 1,
                          int64_t ignore_index = -100, double label_smoothing = 0);
// input: probabilities; logarithms are cut off at -100.
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                            int64_t reduction = 1);
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                                        const Tensor& pos_weight = {}, int64_t reduction = 1);

}  // namespace rushlight

#pragma GCC visibility pop
