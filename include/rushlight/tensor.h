// Tensor: a counted handle to sizes, strides, dtype and a storage.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "rushlight/device.h"
#include "rushlight/dtype.h"
#include "rushlight/error.h"
#include "rushlight/scalar.h"
#include "rushlight/small_vector.h"
#include "rushlight/storage.h"

#pragma GCC visibility push(default)

namespace rushlight {

class Tensor;
class Node;
struct AutogradMeta;

inline constexpr int64_t kMaxDims = 72;

// How a view was made, where that forbids in-place changes that would be differentiated. Gradients do not flow through
// views from NoGrad on.
enum class ViewOrigin : uint8_t { Plain, CustomFunction, MultipleViews, NoGrad, Inference };

class TensorImpl {
 public:
  static constexpr int kInlineDims = 6;

  // Takes over the storage. Sizes and strides must have been checked against it.
  static TensorImpl* create(Ref<Storage> storage, DType dtype, IntSpan sizes, IntSpan strides, int64_t offset);
  // Row-major strides; numel is the product of the sizes.
  static TensorImpl* create_contiguous(Ref<Storage> storage, DType dtype, IntSpan sizes, int64_t numel);

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }
  // Counts a new owner unless the last one is gone already.
  bool try_retain() {
    uint32_t count = refs_.load(std::memory_order_relaxed);
    while (count)
      if (refs_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) return true;
    return false;
  }
  uint32_t use_count() const { return refs_.load(std::memory_order_relaxed); }

  IntSpan sizes() const { return {dims_, static_cast<size_t>(ndim_)}; }
  IntSpan strides() const { return {dims_ + ndim_, static_cast<size_t>(ndim_)}; }
  // Replaces geometry; the caller has checked that it stays within the storage.
  void set_geometry(IntSpan sizes, IntSpan strides, int64_t offset);

  Ref<Storage> storage;
  int64_t offset = 0;  // elements
  int64_t numel = 0;
  VersionCounter* version = nullptr;
  AutogradMeta* autograd = nullptr;  // owned; null for tensors that need none
  TensorImpl* base = nullptr;        // owned count: the tensor this one is a view of, for autograd
  void* python = nullptr;            // borrowed: the Python object of this tensor while it lives
  DType dtype = DType::Float32;
  bool contiguous = true;
  ViewOrigin origin = ViewOrigin::Plain;
  bool inference = false;  // made in inference mode
  uint16_t made_at = 0;    // of a view: the version then, modulo 2^16

  // The lazy bits: the elements are the conjugates, the negatives or both of what the memory holds.
  static constexpr uint8_t kConj = 1, kNeg = 2;
  uint8_t lazy() const { return lazy_; }
  void set_lazy(uint8_t bits) {
    if (const int change = (bits != 0) - (lazy_ != 0)) lazy_tensors_.fetch_add(change, std::memory_order_relaxed);
    lazy_ = bits;
  }
  // Whether any tensor has such a bit: callers that must resolve them look here first.
  static bool any_lazy() { return lazy_tensors_.load(std::memory_order_relaxed) != 0; }

 private:
  TensorImpl() = default;
  ~TensorImpl() = default;
  void destroy();
  static void drop_owned(TensorImpl* t);
  static void end(TensorImpl* t);
  void refresh_contiguous();
  friend class Tensor;

  uint8_t lazy_ = 0;
  static std::atomic<int64_t> lazy_tensors_;  // not inline: extension modules must see the library's
  std::atomic<uint32_t> refs_{1};
  int32_t ndim_ = 0;
  int64_t* dims_ = inline_;  // sizes, then strides
  int64_t inline_[2 * kInlineDims];
};

// Beside those of dtype.h, for data_ptr().
template <>
struct DTypeOf<uint16_t> : std::integral_constant<DType, DType::UInt16> {};
template <>
struct DTypeOf<uint32_t> : std::integral_constant<DType, DType::UInt32> {};
template <>
struct DTypeOf<uint64_t> : std::integral_constant<DType, DType::UInt64> {};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}
  static Tensor adopt(TensorImpl* impl) { return Tensor(Ref<TensorImpl>::adopt(impl)); }

  bool defined() const { return static_cast<bool>(impl_); }
  TensorImpl* impl() const { return impl_.get(); }
  TensorImpl* release() { return impl_.detach(); }
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }

  int64_t dim() const { return static_cast<int64_t>(get().sizes().size()); }
  IntSpan sizes() const { return get().sizes(); }
  IntSpan strides() const { return get().strides(); }
  // Negative dims count from the end; IndexError outside.
  int64_t size(int64_t dim) const;
  int64_t stride(int64_t dim) const;
  int64_t numel() const { return get().numel; }
  DType dtype() const { return get().dtype; }
  int64_t item_size() const { return rushlight::item_size(get().dtype); }
  int64_t nbytes() const { return numel() * item_size(); }
  Device device() const { return get().storage->device(); }
  const Ref<Storage>& storage() const { return get().storage; }
  int64_t storage_offset() const { return get().offset; }
  // The values are the conjugates (negatives) of the memory; conj.h makes such tensors and plain ones of them.
  bool is_conj() const { return get().lazy() & TensorImpl::kConj; }
  bool is_neg() const { return get().lazy() & TensorImpl::kNeg; }
  bool is_lazy() const { return get().lazy() != 0; }
  // First element; for tensors without elements any address. RuntimeError where a lazy bit is set: kernels would read
  // values that are not the tensor's.
  char* data() const {
    if (is_lazy()) [[unlikely]]
      fail_lazy();
    return raw_data();
  }
  // The same for callers that mind the lazy bits themselves.
  char* raw_data() const { return get().storage->data() + get().offset * item_size(); }
  // The same as elements of T, which must be the C++ type of the dtype.
  template <class T>
  T* data_ptr() const {
    constexpr DType expected = DTypeOf<std::remove_cv_t<T>>::value;
    if (dtype() != expected) [[unlikely]]
      fail_dtype(expected);
    return reinterpret_cast<T*>(data());
  }
  // Row-major without gaps.
  bool is_contiguous() const { return get().contiguous; }
  bool is_non_overlapping_and_dense() const;

  uint32_t version() const { return get().version->value.load(std::memory_order_relaxed); }
  // Called by every operation that writes: `operation` must be a string literal.
  void bump_version(const char* operation) const {
    get().version->operation.store(operation, std::memory_order_relaxed);
    get().version->value.fetch_add(1, std::memory_order_relaxed);
  }

  // ---- autograd
  bool requires_grad() const;
  const Tensor& set_requires_grad(bool value) const;
  bool is_leaf() const;
  Tensor grad() const;
  void set_grad(const Tensor& grad) const;
  Ref<Node> grad_fn() const;
  void backward(const Tensor& gradient = {}, bool retain_graph = false, bool create_graph = false) const;

  // ---- the calls that C++ programs reach for; everything else is a free function of ops.h
  Tensor operator[](int64_t index) const;
  Tensor slice(int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end, int64_t step = 1) const;
  Tensor to(DType dtype) const;
  Tensor contiguous() const;
  Tensor clone() const;
  Tensor detach() const;
  Tensor view(IntSpan sizes) const;
  Tensor reshape(IntSpan sizes) const;
  Tensor t() const;
  Tensor sum() const;
  Tensor mean() const;
  Tensor matmul(const Tensor& other) const;
  // The value of a tensor of one element.
  Scalar item() const;
  template <class T>
  T item() const {
    const Scalar value = item();
    if constexpr (std::is_same_v<T, bool>)
      return value.to_bool();
    else if constexpr (std::is_floating_point_v<T>)
      return static_cast<T>(value.to_double());
    else
      return static_cast<T>(value.to_int());
  }

 private:
  // Whatever looks at a tensor comes through here: Error where it is undefined.
  TensorImpl& get() const {
    if (!impl_) [[unlikely]]
      fail_undefined();
    return *impl_.get();
  }
  [[noreturn, gnu::cold]] static void fail_undefined();
  [[noreturn]] void fail_lazy() const;
  [[noreturn, gnu::cold]] void fail_dtype(DType expected) const;
  Ref<TensorImpl> impl_;
};

using TensorList = std::vector<Tensor>;

// The same memory and version counter in a new tensor without history.
Tensor share(const Tensor& tensor);

// Maps a dim in [-ndim, ndim) to [0, ndim); a 0-d tensor is treated as 1-d. IndexError with torch's text otherwise.
int64_t wrap_dim(int64_t dim, int64_t ndim);

}  // namespace rushlight

#pragma GCC visibility pop
