#include "rushlight/tensor.h"

#include <new>

#include "core/parked.h"
#include "core/unwinding.h"
#include "layout/layout.h"
#include "rushlight/autograd.h"
#include "rushlight/memory.h"

namespace rushlight {

void (*release_parked)(void* python) = nullptr;

std::atomic<int64_t> TensorImpl::lazy_tensors_{0};

TensorImpl* TensorImpl::create(Ref<Storage> storage, DType dtype, IntSpan sizes, IntSpan strides, int64_t offset) {
  TensorImpl* t = new (allocate(sizeof(TensorImpl))) TensorImpl;
  t->version = &storage->version();
  t->storage = std::move(storage);
  t->dtype = dtype;
  t->inference = InferenceMode::enabled();
  t->set_geometry(sizes, strides, offset);
  return t;
}

TensorImpl* TensorImpl::create_contiguous(Ref<Storage> storage, DType dtype, IntSpan sizes, int64_t numel) {
  const int32_t n = static_cast<int32_t>(sizes.size());
  if (n > kInlineDims) return create(std::move(storage), dtype, sizes, layout::contiguous_strides(sizes), 0);
  TensorImpl* t = new (allocate(sizeof(TensorImpl))) TensorImpl;
  t->version = &storage->version();
  t->storage = std::move(storage);
  t->dtype = dtype;
  t->inference = InferenceMode::enabled();
  t->ndim_ = n;
  t->numel = numel;
  int64_t step = 1;
  for (int32_t i = n - 1; i >= 0; --i) {
    t->inline_[i] = sizes[i];
    t->inline_[n + i] = step;
    step = static_cast<int64_t>(static_cast<uint64_t>(step) * static_cast<uint64_t>(sizes[i] > 0 ? sizes[i] : 1));
  }
  return t;
}

void TensorImpl::set_geometry(IntSpan sizes, IntSpan strides, int64_t new_offset) {
  if (static_cast<int64_t>(sizes.size()) > kMaxDims) [[unlikely]]
    fail("tensors have at most ", kMaxDims, " dimensions, got ", sizes.size());
  const int32_t n = static_cast<int32_t>(sizes.size());
  int64_t* dims = n <= kInlineDims ? inline_ : new int64_t[2 * static_cast<size_t>(n)];
  uint64_t count = 1;  // overflows only where some size is 0
  // The arguments may point into this very object.
  int64_t copy[2 * kMaxDims];
  for (int32_t i = 0; i < n; ++i) {
    copy[i] = sizes[i];
    copy[n + i] = strides[i];
    count *= static_cast<uint64_t>(sizes[i]);
  }
  if (n) std::memcpy(dims, copy, 2 * sizeof(int64_t) * static_cast<size_t>(n));
  if (dims_ != inline_) delete[] dims_;
  dims_ = dims;
  ndim_ = n;
  offset = new_offset;
  numel = static_cast<int64_t>(count);
  refresh_contiguous();
}

void TensorImpl::refresh_contiguous() { contiguous = layout::is_contiguous(sizes(), strides(), numel); }

void forget_retained(TensorImpl& t);  // autograd/history.cpp

// Gradients and attributes may be the last owners of other tensors.
void TensorImpl::destroy() {
  if (autograd || python) [[unlikely]]
    Unwinding::free<drop_owned>(this);
  else
    end(this);
}

void TensorImpl::drop_owned(TensorImpl* t) {
  if (t->autograd) {
    forget_retained(*t);
    delete t->autograd;
  }
  if (t->python) release_parked(t->python);
  end(t);
}

void TensorImpl::end(TensorImpl* t) {
  if (t->base) t->base->release();
  t->set_lazy(0);
  if (t->dims_ != t->inline_) delete[] t->dims_;
  if (t->version != &t->storage->version() && t->version->owners.fetch_sub(1) == 1) delete t->version;
  t->~TensorImpl();
  deallocate(t, sizeof(TensorImpl));
}

Tensor share(const Tensor& t) {
  TensorImpl* impl = TensorImpl::create(t.storage(), t.dtype(), t.sizes(), t.strides(), t.storage_offset());
  impl->version = t.impl()->version;
  impl->inference = t.impl()->inference;
  impl->set_lazy(t.impl()->lazy());
  if (impl->version != &t.storage()->version()) impl->version->owners.fetch_add(1);
  return Tensor::adopt(impl);
}

void Tensor::fail_undefined() { fail("expected a tensor, but got one that is undefined"); }

void Tensor::fail_dtype(DType expected) const { fail("expected scalar type ", expected, " but found ", dtype()); }

void Tensor::fail_lazy() const {
  if (is_conj()) fail("the memory of a tensor that has the conjugate bit set was asked for; call resolve_conj() first");
  fail("the memory of a tensor that has the negative bit set was asked for; call resolve_neg() first");
}

int64_t wrap_dim(int64_t dim, int64_t ndim) {
  const int64_t n = ndim > 0 ? ndim : 1;
  if (dim < -n || dim >= n)
    fail<IndexError>("Dimension out of range (expected to be in range of [", -n, ", ", n - 1, "], but got ", dim, ")");
  return dim < 0 ? dim + n : dim;
}

int64_t Tensor::size(int64_t d) const {
  if (dim() == 0) fail<IndexError>("Dimension specified as ", d, " but tensor has no dimensions");
  return sizes()[wrap_dim(d, dim())];
}

int64_t Tensor::stride(int64_t d) const {
  if (dim() == 0) fail<IndexError>("Dimension specified as ", d, " but tensor has no dimensions");
  return strides()[wrap_dim(d, dim())];
}

bool Tensor::is_non_overlapping_and_dense() const {
  return is_contiguous() || layout::is_non_overlapping_and_dense(sizes(), strides());
}

}  // namespace rushlight
