// Tensors whose memory is a file.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "layout/layout.h"
#include "rushlight/creation.h"
#include "rushlight/shared_memory.h"

namespace rushlight {

namespace {

// Closes the file at the end of the scope: a mapping does not need it.
struct File {
  int descriptor;
  ~File() {
    if (descriptor >= 0) close(descriptor);
  }
};

[[noreturn, gnu::cold]] void fail_system(const char* what, const std::string& path, const char* how = "") {
  const int code = errno;
  fail("unable to ", what, " file <", path, ">", how, ": ", std::strerror(code), " (", code, ")");
}

}  // namespace

std::string mapped_filename(const Storage& storage) { return SharedMemory::file(storage); }

Tensor from_file(const std::string& path, bool shared, int64_t size, OptDType dtype) {
  const DType d = dtype.value_or(default_dtype());
  const int64_t bytes = layout::checked_numel(IntSpan(&size, 1), item_size(d)) * item_size(d);
  const File file{open(path.c_str(), shared ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600)};
  if (file.descriptor < 0) fail_system("open", path, shared ? " in read-write mode" : " in read-only mode");
  struct stat status;
  if (fstat(file.descriptor, &status) < 0) fail_system("stat", path);
  if (!S_ISREG(status.st_mode)) fail("unable to mmap file <", path, ">: not a regular file");
  if (status.st_size < bytes) {
    if (!shared)
      fail("file <", path, "> size <", status.st_size, "> is smaller than the required mapping size <", bytes, ">");
    if (ftruncate(file.descriptor, bytes) < 0) fail_system("resize", path);
  }
  if (bytes == 0) return empty(DimVector{0}, d);
  void* const data = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                          shared ? MAP_SHARED : MAP_PRIVATE, file.descriptor, 0);
  if (data == MAP_FAILED) fail_system("mmap", path);
  const int64_t one = 1;
  Tensor t = from_blob(data, IntSpan(&size, 1), IntSpan(&one, 1), d, [](void*, void* memory, size_t n) {
    SharedMemory::forget(memory);
    munmap(memory, n);
  });
  if (shared) SharedMemory::add_file(t.storage(), path, status.st_dev, status.st_ino);
  return t;
}

}  // namespace rushlight
