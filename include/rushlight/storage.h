// Memory behind tensors, with the counter of in-place changes that its views share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "rushlight/device.h"

#pragma GCC visibility push(default)

namespace rushlight {

// Pointer to an object that counts its owners: T has retain() and release().
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(T* pointer) : pointer_(pointer) {
    if (pointer_) pointer_->retain();
  }
  Ref(const Ref& other) : Ref(other.pointer_) {}
  Ref(Ref&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~Ref() {
    if (pointer_) pointer_->release();
  }
  // Takes over a count that the caller holds.
  static Ref adopt(T* pointer) {
    Ref r;
    r.pointer_ = pointer;
    return r;
  }
  T* detach() { return std::exchange(pointer_, nullptr); }
  T* get() const { return pointer_; }
  T* operator->() const { return pointer_; }
  T& operator*() const { return *pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.pointer_ == b.pointer_; }

 private:
  T* pointer_ = nullptr;
};

// Counts in-place changes; `operation` names the last one, for the message of a failed backward.
struct VersionCounter {
  std::atomic<uint32_t> value{0};
  std::atomic<uint32_t> owners{0};  // used only by counters allocated on their own (Tensor.data)
  std::atomic<const char*> operation{nullptr};
};

class Storage {
 public:
  using Deleter = void (*)(void* context, void* data, size_t nbytes);

  // Uninitialised memory on `device`. Small CPU blocks lie behind this header in one allocation.
  static Ref<Storage> allocate(size_t nbytes, Device device = {});
  // Memory of somebody else: `deleter` is called once when the last tensor lets go of it.
  static Ref<Storage> wrap(void* data, size_t nbytes, Device device, Deleter deleter, void* context,
                           bool read_only = false);

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }
  // For who knows the storage without owning it: false where its last owner has let go.
  bool try_retain();
  uint32_t use_count() const { return refs_.load(std::memory_order_relaxed); }

  char* data() const { return data_; }
  size_t nbytes() const { return nbytes_; }
  Device device() const { return device_; }
  bool read_only() const { return read_only_; }
  bool resizable() const { return deleter_ == nullptr && !pinned_; }
  // Grows or shrinks, keeping the common part. Shrinking gives back pages but no addresses, so that tensors which see
  // the part cut off stay within the memory. Growing moves the memory: callers go through TensorImpl, which does not
  // cache pointers.
  void resize(size_t nbytes);
  // The address has been handed out (NumPy, DLPack, buffers): resize() is refused from now on.
  void pin() { pinned_ = true; }
  // Goes on with other memory of the same size that holds the same bytes, as wrap() takes it. The old memory is freed,
  // at the end where its address has been handed out.
  void move_to(void* data, Deleter deleter, void* context);
  // Other processes can map the memory (shared_memory.h).
  bool is_shared() const { return shared_; }
  VersionCounter& version() { return version_; }

 private:
  Storage() = default;
  void destroy();
  static void end(Storage* storage);
  void free_data();

  std::atomic<uint32_t> refs_{1};
  Device device_;
  bool inline_ = false;  // the data lies behind this header
  bool read_only_ = false;
  bool pinned_ = false;
  bool shared_ = false;
  uint32_t block_bytes_ = 0;  // room behind the header in its own allocation
  char* data_ = nullptr;
  size_t nbytes_ = 0;
  Deleter deleter_ = nullptr;
  union {
    void* context_ = nullptr;  // of the deleter
    size_t capacity_;          // without one: bytes at data_, never less than nbytes_ and never falling
  };
  VersionCounter version_;
  friend class SharedMemory;
};

}  // namespace rushlight

#pragma GCC visibility pop
