#include "rushlight/storage.h"

#include <cstring>
#include <new>

#include "rushlight/error.h"
#include "rushlight/memory.h"

namespace rushlight {

namespace {
// Header and data of a small storage share one block. 64 keeps the data aligned for every vector width.
constexpr size_t kHeader = (sizeof(Storage) + 63) & ~size_t{63};
constexpr size_t kInlineLimit = 4096 - kHeader;
}  // namespace

Ref<Storage> Storage::allocate(size_t nbytes, Device device) {
  if (device.is_cpu() && nbytes <= kInlineLimit) [[likely]] {
    char* block = static_cast<char*>(rushlight::allocate(kHeader + nbytes));
    Storage* s = new (block) Storage;
    s->inline_ = true;
    s->block_bytes_ = static_cast<uint32_t>(nbytes);
    s->data_ = block + kHeader;
    s->nbytes_ = nbytes;
    return Ref<Storage>::adopt(s);
  }
  const Backend& backend = require_backend(device);
  if (device.type != DeviceType::CPU && device.index < 0) device.index = 0;
  char* data = static_cast<char*>(backend.allocate(nbytes, device.index));
  Storage* s = new (rushlight::allocate(kHeader)) Storage;
  s->device_ = device;
  s->data_ = data;
  s->nbytes_ = nbytes;
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
    require_backend(device_).deallocate(data_, nbytes_, device_.index);
}

void Storage::destroy() {
  const size_t block = kHeader + block_bytes_;
  free_data();
  this->~Storage();
  rushlight::deallocate(this, block);
}

void Storage::resize(size_t nbytes) {
  if (!resizable()) fail("Trying to resize storage that is not resizable");
  if (nbytes == nbytes_) return;
  const Backend& backend = require_backend(device_);
  char* data = static_cast<char*>(backend.allocate(nbytes, device_.index));
  if (device_.is_cpu() && nbytes && nbytes_) std::memcpy(data, data_, nbytes < nbytes_ ? nbytes : nbytes_);
  if (inline_) {
    inline_ = false;
  } else {
    free_data();
  }
  data_ = data;
  nbytes_ = nbytes;
}

}  // namespace rushlight
