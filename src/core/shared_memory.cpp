#include "rushlight/shared_memory.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "rushlight/error.h"

namespace rushlight {

// What is known of shared memory, by the address of the data.
struct SharedMemory::Block {
  Storage* storage = nullptr;
  int descriptor = -1;
  dev_t device = 0;
  ino_t inode = 0;
  std::string path;  // of a mapped file
  std::atomic<int>* messages = nullptr;
  size_t mapped = 0;
};

struct SharedMemory::Registry {
  std::mutex mutex;
  std::unordered_map<const void*, Block*> by_address;
  std::map<std::pair<dev_t, ino_t>, Block*> by_inode;  // without mapped files
};

SharedMemory::Registry& SharedMemory::registry() {
  // Outlives the last tensor. A child must not be born while another thread holds the lock.
  static Registry* const r = [] {
    auto* made = new Registry;
    pthread_atfork([] { registry().mutex.lock(); }, [] { registry().mutex.unlock(); },
                   [] { registry().mutex.unlock(); });
    return made;
  }();
  return *r;
}

namespace {

[[noreturn, gnu::cold]] void fail_system(const char* what) {
  const int code = errno;
  fail("unable to ", what, " shared memory: ", std::strerror(code), " (", code, ")");
}

// Closed at the end of the scope unless somebody takes it.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  int take() { return std::exchange(fd, -1); }
};

// Unlike a file below /dev/shm, memory without a name is not limited by the size of that file system.
int make_memory() {
#if defined(__linux__)
  return memfd_create("rushlight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
#else
  static std::atomic<int> count{0};
  const std::string name = "/rushlight_" + std::to_string(getpid()) + "_" + std::to_string(count++);
  const int fd = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd >= 0) shm_unlink(name.c_str());
  return fd;
#endif
}

// Lies behind the data, up to the end of the memory.
struct Trailer {
  static constexpr uint64_t kMagic = 0x79726f6d656d6c72;
  uint64_t magic;
  std::atomic<int> messages;
};
size_t size_with_trailer(size_t nbytes) { return (nbytes + 7) / 8 * 8 + sizeof(Trailer); }
Trailer* trailer_of(char* memory, size_t size) { return reinterpret_cast<Trailer*>(memory + size - sizeof(Trailer)); }

char* map_memory(int fd, size_t nbytes) {
  void* const data = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) fail_system("map");
  return static_cast<char*>(data);
}

}  // namespace

// `storage` has the memory of `block` already.
void SharedMemory::adopt(const Ref<Storage>& storage, Block* block) {
  block->storage = storage.get();
  storage->shared_ = true;
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  r.by_address[storage->data()] = block;
  if (block->path.empty()) r.by_inode[{block->device, block->inode}] = block;
}

void SharedMemory::release(void*, void* data, size_t) {
  Block* block;
  {
    Registry& r = registry();
    const std::lock_guard lock(r.mutex);
    const auto found = r.by_address.find(data);
    block = found->second;
    r.by_address.erase(found);
    if (const auto same = r.by_inode.find({block->device, block->inode}); same != r.by_inode.end())
      if (same->second == block) r.by_inode.erase(same);
  }
  munmap(data, block->mapped);
  close(block->descriptor);
  delete block;
}

void SharedMemory::share(const Ref<Storage>& storage) {
  if (storage->is_shared()) return;
  if (!storage->device().is_cpu()) fail("_share_fd_: only available on CPU");
  // Tensors may see more than nbytes() after a shrink.
  const size_t nbytes = storage->deleter_ ? storage->nbytes_ : storage->capacity_, size = size_with_trailer(nbytes);
  Descriptor memory{make_memory()};
  if (memory.fd < 0) fail_system("make");
  if (ftruncate(memory.fd, static_cast<off_t>(size)) < 0) fail_system("resize");
#if defined(__linux__)
  fcntl(memory.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);  // nobody takes pages away from under a mapping
#endif
  struct stat status;
  if (fstat(memory.fd, &status) < 0) fail_system("stat");
  char* const data = map_memory(memory.fd, size);
  if (nbytes) std::memcpy(data, storage->data(), nbytes);
  auto* block = new Block;
  block->descriptor = memory.take();
  block->device = status.st_dev;
  block->inode = status.st_ino;
  Trailer* const trailer = trailer_of(data, size);
  trailer->magic = Trailer::kMagic;
  block->messages = &trailer->messages;
  block->mapped = size;
  storage->move_to(data, release, nullptr);
  adopt(storage, block);
}

Ref<Storage> SharedMemory::open(int descriptor, size_t nbytes) {
  struct stat status;
  if (fstat(descriptor, &status) < 0) fail_system("stat");
  if (static_cast<uint64_t>(status.st_size) < nbytes)
    fail("the shared memory has ", static_cast<int64_t>(status.st_size), " bytes, but ", static_cast<int64_t>(nbytes),
         " are asked for");
  {
    Registry& r = registry();
    const std::lock_guard lock(r.mutex);
    const auto found = r.by_inode.find({status.st_dev, status.st_ino});
    if (found != r.by_inode.end() && found->second->storage->nbytes() == nbytes && found->second->storage->try_retain())
      return Ref<Storage>::adopt(found->second->storage);
  }
  if (nbytes == 0 && status.st_size == 0) return Storage::allocate(0);
  Descriptor own{fcntl(descriptor, F_DUPFD_CLOEXEC, 0)};
  if (own.fd < 0) fail_system("duplicate the descriptor of");
  // Files that others made have no trailer.
  const size_t size = static_cast<size_t>(status.st_size);
  char* const data = map_memory(own.fd, size);
  Trailer* const trailer = size % 8 == 0 && size >= size_with_trailer(nbytes) ? trailer_of(data, size) : nullptr;
  auto* block = new Block;
  block->descriptor = own.take();
  block->device = status.st_dev;
  block->inode = status.st_ino;
  if (trailer && trailer->magic == Trailer::kMagic) block->messages = &trailer->messages;
  block->mapped = size;
  const Ref<Storage> storage = Storage::wrap(data, nbytes, {}, release, nullptr);
  adopt(storage, block);
  return storage;
}

int SharedMemory::descriptor(const Storage& storage) {
  if (!storage.is_shared()) return -1;
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto found = r.by_address.find(storage.data());
  if (found == r.by_address.end()) return -1;
  Block& block = *found->second;
  if (block.descriptor < 0) {  // a mapped file is opened when it is asked for: it costs no descriptor before
    Descriptor again{::open(block.path.c_str(), O_RDWR | O_CLOEXEC)};
    struct stat status;
    if (again.fd < 0 || fstat(again.fd, &status) < 0) fail_system("open the file of");
    if (status.st_dev != block.device || status.st_ino != block.inode)
      fail("file <", block.path, "> is another one than that which is mapped: it cannot be shared");
    block.descriptor = again.take();
  }
  return block.descriptor;
}

int SharedMemory::count_messages(const Storage& storage, int change) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto found = r.by_address.find(storage.data());
  if (found == r.by_address.end() || !found->second->messages) return 0;
  return found->second->messages->fetch_add(change) + change;
}

void SharedMemory::add_file(const Ref<Storage>& storage, const std::string& path, dev_t device, ino_t inode) {
  auto* block = new Block;
  block->device = device;
  block->inode = inode;
  block->path = path;
  adopt(storage, block);
}

std::string SharedMemory::file(const Storage& storage) {
  if (!storage.is_shared()) return {};
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto found = r.by_address.find(storage.data());
  return found == r.by_address.end() ? std::string() : found->second->path;
}

void SharedMemory::forget(const void* data) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto found = r.by_address.find(data);
  if (found == r.by_address.end()) return;
  if (found->second->descriptor >= 0) close(found->second->descriptor);
  delete found->second;
  r.by_address.erase(found);
}

}  // namespace rushlight
