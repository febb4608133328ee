#include "rushlight/storage.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "core/retired.h"
#include "core/unwinding.h"
#include "rushlight/error.h"
#include "rushlight/memory.h"

namespace rushlight {

namespace {
// Header and data of a small storage share one block. 64 keeps the data aligned for every vector width.
constexpr size_t kHeader = (sizeof(Storage) + 63) & ~size_t{63};
static_assert(kHeader == 64);
constexpr size_t kInlineLimit = 4096 - kHeader;

// Whole pages between two addresses go back to the system and read as zeros from then on.
void give_back_pages(char* begin, char* end) {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) & ~(page - 1);
  const uintptr_t last = reinterpret_cast<uintptr_t>(end) & ~(page - 1);
  if (last > first + 16 * page) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}
}  // namespace

Ref<Storage> Storage::allocate(size_t nbytes, Device device) {
  if (device.is_cpu() && nbytes <= kInlineLimit) [[likely]] {
    char* block = static_cast<char*>(rushlight::allocate(kHeader + nbytes));
    Storage* s = new (block) Storage;
    s->inline_ = true;
    s->block_bytes_ = static_cast<uint32_t>(nbytes);
    s->data_ = block + kHeader;
    s->nbytes_ = s->capacity_ = nbytes;
    return Ref<Storage>::adopt(s);
  }
  const Backend& backend = require_backend(device);
  if (device.type != DeviceType::CPU && device.index < 0) device.index = 0;
  char* data = static_cast<char*>(backend.allocate(nbytes, device.index));
  Storage* s = new (rushlight::allocate(kHeader)) Storage;
  s->device_ = device;
  s->data_ = data;
  s->nbytes_ = s->capacity_ = nbytes;
  return Ref<Storage>::adopt(s);
}

Ref<Storage> Storage::wrap(void* data, size_t nbytes, Device device, Deleter deleter, void* context, bool read_only) {
  Storage* s = new (rushlight::allocate(kHeader)) Storage;
  s->device_ = device;
  s->data_ = static_cast<char*>(data);
  s->nbytes_ = nbytes;
  s->deleter_ = deleter;
  s->context_ = context;
  s->read_only_ = read_only;
  return Ref<Storage>::adopt(s);
}

void Storage::free_data() {
  if (deleter_)
    deleter_(context_, data_, nbytes_);
  else if (!inline_)
    require_backend(device_).deallocate(data_, capacity_, device_.index);
}

// The owner of foreign memory may let go of the last tensor on other memory.
void Storage::destroy() {
  if (deleter_) [[unlikely]]
    Unwinding::free<end>(this);
  else
    end(this);
}

void Storage::end(Storage* s) {
  const size_t block = kHeader + s->block_bytes_;
  s->free_data();
  s->~Storage();
  rushlight::deallocate(s, block);
}

bool Storage::try_retain() {
  uint32_t owners = refs_.load(std::memory_order_relaxed);
  while (owners)
    if (refs_.compare_exchange_weak(owners, owners + 1, std::memory_order_relaxed)) return true;
  return false;
}

namespace {
// New memory beside the old one, whose address somebody outside still has.
struct Moved {
  Storage::Deleter deleter, old_deleter;
  void *context, *old_context, *old_data;
  size_t old_nbytes;
};
}  // namespace

void Storage::move_to(void* data, Deleter deleter, void* context) {
  if (pinned_ && !inline_) {
    auto* both =
        new Moved{deleter, deleter_, context, deleter_ ? context_ : nullptr, data_, deleter_ ? nbytes_ : capacity_};
    deleter = [](void* context, void* data, size_t nbytes) {
      const Moved* const m = static_cast<Moved*>(context);
      m->deleter(m->context, data, nbytes);
      if (m->old_deleter)
        m->old_deleter(m->old_context, m->old_data, m->old_nbytes);
      else
        require_backend({}).deallocate(m->old_data, m->old_nbytes, -1);
      delete m;
    };
    context = both;
  } else {
    free_data();  // nothing where the data lie behind this header
  }
  inline_ = false;
  data_ = static_cast<char*>(data);
  deleter_ = deleter;
  context_ = context;
}

void Storage::resize(size_t nbytes) {
  if (!resizable()) fail("Trying to resize storage that is not resizable");
  if (nbytes <= capacity_) {
    if (nbytes < nbytes_ && device_.is_cpu() && !inline_) give_back_pages(data_ + nbytes, data_ + capacity_);
    nbytes_ = nbytes;
    return;
  }
  const Backend& backend = require_backend(device_);
  void* header = inline_ ? nullptr : rushlight::allocate(kHeader);
  char* data;
  try {
    data = static_cast<char*>(backend.allocate(nbytes, device_.index));
  } catch (...) {
    rushlight::deallocate(header, kHeader);
    throw;
  }
  // Everything, not nbytes_ only: tensors may see more than that after a shrink.
  if (device_.is_cpu() && capacity_) std::memcpy(data, data_, capacity_);
  Ref<Storage> old;
  if (inline_) {
    inline_ = false;
  } else {
    // Kernels of other threads may be at work there.
    Storage* s = new (header) Storage;
    s->device_ = device_;
    s->data_ = data_;
    s->nbytes_ = s->capacity_ = capacity_;
    old = Ref<Storage>::adopt(s);
  }
  data_ = data;
  nbytes_ = capacity_ = nbytes;
  if (old) retire(std::move(old));
}

}  // namespace rushlight
