#include "cpu/blas.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "rushlight/error.h"

namespace rushlight::cpu {
namespace {

#if defined(__APPLE__)
constexpr const char* kFileName = "libscipy_openblas64_.dylib";
#else
constexpr const char* kFileName = "libscipy_openblas64_.so";
#endif

std::atomic<const Blas*> g_blas{nullptr};
std::atomic<int> g_threads{0};
std::mutex g_mutex;

// Folder of the shared library (or program) that this code is in, with a trailing slash; empty if unknown.
std::string own_folder() {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<void*>(&set_blas_threads), &info) || !info.dli_fname) return {};
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string("./") : path.substr(0, slash + 1);
}

// The files that a library may have: a path or file name stands for itself, "openblas" for libopenblas.so and what
// systems without its development files call it.
void add_names(std::vector<std::string>& paths, const std::string& name) {
  if (name.find('/') != std::string::npos || name.find(".so") != std::string::npos || name.ends_with(".dylib")) {
    paths.push_back(name);
    return;
  }
#if defined(__APPLE__)
  paths.push_back("lib" + name + ".dylib");
#else
  for (const char* ending : {".so", ".so.0", ".so.3"}) paths.push_back("lib" + name + ending);
#endif
}

std::vector<std::string> candidates() {
  std::vector<std::string> paths;
  if (const char* env = std::getenv("RUSHLIGHT_BLAS"); env && *env) {
    add_names(paths, env);
    return paths;  // who names one wants no other
  }
  if (const std::string folder = own_folder(); !folder.empty()) {
    paths.push_back(folder + kFileName);
    paths.push_back(folder + "lib/" + kFileName);
  }
#ifdef RUSHLIGHT_BLAS
  add_names(paths, RUSHLIGHT_BLAS);
#endif
  for (const char* usual : {"openblas64_", "openblas64", "openblas", "blas"}) add_names(paths, usual);
  return paths;
}

template <class F>
bool resolve(const Blas& library, const char* name, F& function) {
  function = reinterpret_cast<F>(library.symbol(name));
  return function != nullptr;
}

// OpenBLAS with 64-bit integers is called as it is.
bool use_openblas(Blas& b) {
  return b.wide && resolve(b, "openblas_set_num_threads", b.set_num_threads) && resolve(b, "cblas_sgemm", b.sgemm) &&
         resolve(b, "cblas_dgemm", b.dgemm) && resolve(b, "cblas_cgemm", b.cgemm) &&
         resolve(b, "cblas_zgemm", b.zgemm) && resolve(b, "cblas_cgemv", b.cgemv) && resolve(b, "cblas_zgemv", b.zgemv);
}

// Whether the library's integers have 64 bits. Read as 32 bits the length is 1, as 64 bits it is negative: the sum over
// an empty vector.
bool has_wide_integers(const Blas& library) {
  double (*dot)(const int64_t*, const double*, const int64_t*, const double*, const int64_t*);
  if (!resolve(library, "ddot_", dot)) return false;
  const int64_t n = static_cast<int64_t>(0xFFFFFFFF00000001), step = 1;
  const double one = 1;
  return dot(&n, &one, &step, &one, &step) == 0;
}

bool fill(Blas& library) {
  for (const auto& [prefix, suffix] : {std::pair("scipy_", "64_"), {"", "64_"}, {"", ""}, {"scipy_", ""}}) {
    library.prefix = prefix;
    library.suffix = suffix;
    if (!library.symbol("dgemm_")) continue;
    library.wide = has_wide_integers(library);
    return use_openblas(library) || use_fortran_blas(library);
  }
  return false;
}

// What a buffer takes on the processors that have the largest, and what loading takes beside the first one.
constexpr size_t kBufferBytes = (size_t{128} << 20) + (size_t{1} << 20);
constexpr size_t kLibraryBytes = size_t{64} << 20;

std::atomic<int> g_running{0};

void check_memory(size_t nbytes) {
  void* p = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    fail<OutOfMemoryError>("DefaultCPUAllocator: can't allocate memory: OpenBLAS needs ",
                           static_cast<unsigned long long>(nbytes), " bytes for a product of matrices");
  munmap(p, nbytes);
}

// By a product that is too large to do without one.
void make_first_buffer(const Blas& library) {
  if (library.set_num_threads) library.set_num_threads(1);
  constexpr int64_t n = 128;
  const std::vector<double> a(n * n), b(n * n);
  std::vector<double> c(n * n);
  library.dgemm(kBlasRowMajor, kBlasNoTrans, kBlasNoTrans, n, n, n, 1, a.data(), n, b.data(), n, 0, c.data(), n);
}

const Blas* load() {
  check_memory(kBufferBytes + kLibraryBytes);
  std::string tried;
  for (const std::string& path : candidates()) {
    std::string reason;
    if (void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL)) {
      static Blas library;  // filled once: the caller holds the lock
      library = Blas{};
      library.handle = handle;
      if (fill(library)) {
        make_first_buffer(library);
        return &library;
      }
      reason = "it lacks functions of BLAS";
      dlclose(handle);
    } else if (const char* error = dlerror()) {
      reason = error;
    }
    tried += "\n  " + path + ": " + reason;
  }
  throw std::runtime_error("cannot load a BLAS; tried:" + tried);
}

}  // namespace

void* Blas::symbol(const char* name) const { return dlsym(handle, (prefix + std::string(name) + suffix).c_str()); }

const Blas* blas() {
  if (const Blas* loaded = g_blas.load(std::memory_order_acquire)) return loaded;
  std::lock_guard lock(g_mutex);
  if (const Blas* loaded = g_blas.load(std::memory_order_relaxed)) return loaded;
  const Blas* library = load();
  if (const int count = g_threads.load()) library->set_num_threads(count);
  g_blas.store(library, std::memory_order_release);
  return library;
}

BlasBuffer::BlasBuffer() {
  blas();
  const int others = g_running.fetch_add(1);
  if (others == 0) [[likely]]  // the first buffer is there
    return;
  try {
    check_memory(kBufferBytes * static_cast<size_t>(others));
  } catch (...) {
    g_running.fetch_sub(1);
    throw;
  }
}

BlasBuffer::~BlasBuffer() { g_running.fetch_sub(1); }

void set_blas_threads(int count) {
  if (count < 1)
    throw std::invalid_argument("set_blas_threads: expected at least 1 thread, got " + std::to_string(count));
  std::lock_guard lock(g_mutex);
  if (g_threads.exchange(count) == count) return;
  if (const Blas* loaded = g_blas.load(std::memory_order_relaxed)) loaded->set_num_threads(count);
}

int blas_threads() { return g_threads.load(); }

}  // namespace rushlight::cpu
