#include "cpu/blas.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

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

std::vector<std::string> candidates() {
  std::vector<std::string> paths;
  if (const char* env = std::getenv("RUSHLIGHT_OPENBLAS"); env && *env) paths.emplace_back(env);
  if (const std::string folder = own_folder(); !folder.empty()) {
    paths.push_back(folder + kFileName);
    paths.push_back(folder + "lib/" + kFileName);
  }
#ifdef RUSHLIGHT_OPENBLAS_PATH
  paths.emplace_back(RUSHLIGHT_OPENBLAS_PATH);
#endif
  return paths;
}

template <class F>
void resolve(const Blas& library, const char* name, F& function) {
  void* address = library.symbol(name);
  if (!address) throw std::runtime_error(std::string("it has no function ") + library.prefix + name + "64_");
  function = reinterpret_cast<F>(address);
}

// Throws std::runtime_error when a function is missing.
void resolve_all(Blas& b) {
  resolve(b, "cblas_sgemm", b.sgemm);
  resolve(b, "cblas_dgemm", b.dgemm);
  resolve(b, "cblas_cgemm", b.cgemm);
  resolve(b, "cblas_zgemm", b.zgemm);
  resolve(b, "cblas_sgemv", b.sgemv);
  resolve(b, "cblas_dgemv", b.dgemv);
  resolve(b, "cblas_cgemv", b.cgemv);
  resolve(b, "cblas_zgemv", b.zgemv);
  resolve(b, "cblas_sdot", b.sdot);
  resolve(b, "cblas_ddot", b.ddot);
  resolve(b, "cblas_cdotu_sub", b.cdotu);
  resolve(b, "cblas_cdotc_sub", b.cdotc);
  resolve(b, "cblas_zdotu_sub", b.zdotu);
  resolve(b, "cblas_zdotc_sub", b.zdotc);
  resolve(b, "cblas_saxpy", b.saxpy);
  resolve(b, "cblas_daxpy", b.daxpy);
  resolve(b, "cblas_caxpy", b.caxpy);
  resolve(b, "cblas_zaxpy", b.zaxpy);
  resolve(b, "openblas_set_num_threads", b.set_num_threads);
  resolve(b, "openblas_get_num_threads", b.get_num_threads);
}

const Blas* load() {
  std::string tried;
  for (const std::string& path : candidates()) {
    std::string reason;
    if (void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL)) {
      static Blas library;  // filled once: the caller holds the lock
      library = Blas{};
      library.handle = handle;
      library.prefix = dlsym(handle, "scipy_cblas_sgemm64_") ? "scipy_" : "";
      try {
        resolve_all(library);
        return &library;
      } catch (const std::runtime_error& error) {
        reason = error.what();
      }
      dlclose(handle);
    } else if (const char* error = dlerror()) {
      reason = error;
    }
    tried += "\n  " + path + ": " + reason;
  }
  throw std::runtime_error("cannot load OpenBLAS; tried:" + (tried.empty() ? std::string(" nothing") : tried));
}

}  // namespace

void* Blas::symbol(const char* name) const { return dlsym(handle, (std::string(prefix) + name + "64_").c_str()); }

const Blas* blas() {
  if (const Blas* loaded = g_blas.load(std::memory_order_acquire)) return loaded;
  std::lock_guard lock(g_mutex);
  if (const Blas* loaded = g_blas.load(std::memory_order_relaxed)) return loaded;
  const Blas* library = load();
  if (const int count = g_threads.load()) library->set_num_threads(count);
  g_blas.store(library, std::memory_order_release);
  return library;
}

void set_blas_threads(int count) {
  if (count < 1)
    throw std::invalid_argument("set_blas_threads: expected at least 1 thread, got " + std::to_string(count));
  std::lock_guard lock(g_mutex);
  if (g_threads.exchange(count) == count) return;
  if (const Blas* loaded = g_blas.load(std::memory_order_relaxed)) loaded->set_num_threads(count);
}

int blas_threads() { return g_threads.load(); }

}  // namespace rushlight::cpu
