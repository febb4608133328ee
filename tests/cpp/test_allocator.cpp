// The caching CPU allocator: alignment, reuse, limits, statistics, threads, fork, failure.
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "rushlight/memory.h"

constexpr bool kCaching = !kAddressSanitizer;
constexpr int kRounds = kThreadSanitizer ? 20000 : 100000;

using namespace rushlight;

namespace {

struct Block {
  unsigned char* p;
  size_t n;
};

// The first and last bytes tell whether two blocks overlap.
Block make(size_t n, unsigned char tag) {
  Block b{static_cast<unsigned char*>(allocate(n)), n};
  CHECK(b.p && reinterpret_cast<uintptr_t>(b.p) % 64 == 0);
  b.p[0] = b.p[n - 1] = b.p[n / 2] = tag;
  return b;
}
void drop(Block b) {
  CHECK(b.p[0] == b.p[b.n - 1] && b.p[0] == b.p[b.n / 2]);
  deallocate(b.p, b.n);
}

size_t random_size(std::mt19937& rng) {
  const size_t limits[] = {64, 512, 4096, 4096, 20000, 300000, 2000000, 6000000};
  const size_t k = rng() % 1000;
  return 1 + rng() % limits[k < 900 ? k % 4 : k < 990 ? 4 + k % 2 : k % 2 + 6];
}

void test_sizes() {
  CHECK(allocate(0) == nullptr);
  deallocate(nullptr, 0);
  deallocate(nullptr, 64);
  deallocate(nullptr, 100000);
  std::vector<Block> blocks;
  for (size_t n = 1; n <= 5000; ++n) blocks.push_back(make(n, static_cast<unsigned char>(n)));
  for (size_t n = 5000; n < (size_t{1} << 27); n += n / 7) {
    blocks.push_back(make(n, static_cast<unsigned char>(n)));
    blocks.push_back(make(size_t{1} << (n % 24), 1));
  }
  for (Block b : blocks) {
    CHECK(b.p[0] == b.p[b.n - 1]);
    std::memset(b.p, 0xab, b.n);
  }
  for (Block b : blocks) drop(b);
}

void test_waste() {
  if (!kCaching) return;
  for (size_t n : {4097u, 5000u, 8193u, 100000u, 1048576u, 1048577u, 40000000u}) {
    const int64_t before = memory_stats().allocated_bytes;
    void* p = allocate(n);
    const int64_t size = memory_stats().allocated_bytes - before;
    CHECK(size >= static_cast<int64_t>(n) && static_cast<double>(size) <= 1.126 * static_cast<double>(n));
    deallocate(p, n);
  }
}

void test_reuse() {
  if (!kCaching) return;
  for (size_t n : {1u, 64u, 100u, 512u, 513u, 4096u, 4097u, 70000u, 1048576u, 3000000u, 4194304u, 40000000u}) {
    void* p = allocate(n);
    deallocate(p, n);
    const int64_t calls = memory_stats().system_allocations;
    void* q = allocate(n);
    CHECK(p == q);
    CHECK(memory_stats().system_allocations == calls);
    deallocate(q, n);
  }
}

void test_failure() {
  for (size_t n : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 2 + 1, size_t{1} << 62, (size_t{1} << 62) + 1}) {
    try {
      allocate(n);
      CHECK(false);
    } catch (const OutOfMemoryError& e) {
      CHECK(std::string(e.what()) == "DefaultCPUAllocator: can't allocate memory: you tried to allocate " +
                                         std::to_string(n) + " bytes. Error code 12 (Cannot allocate memory)");
    }
  }
  CHECK_THROWS(OutOfMemoryError, allocate(size_t{1} << 50));
  drop(make(1000, 1));
}

void test_statistics() {
  empty_cache();
  const MemoryStats start = memory_stats();
  CHECK(start.allocated_bytes == 0);
  CHECK(start.reserved_bytes == start.allocated_bytes + start.cached_bytes);
  if (kCaching) CHECK(start.cached_bytes == 0);
  reset_peak_memory_stats();
  CHECK(memory_stats().peak_allocated_bytes == 0);
  const size_t mib = size_t{1} << 20;
  void* a = allocate(8 * mib);
  void* b = allocate(mib / 2);
  void* c = allocate(128);
  const int64_t all = static_cast<int64_t>(8 * mib + mib / 2 + 128);
  MemoryStats s = memory_stats();
  CHECK(s.allocated_bytes == all && s.peak_allocated_bytes == all);
  CHECK(s.allocations == start.allocations + 3);
  deallocate(c, 128);
  deallocate(b, mib / 2);
  deallocate(a, 8 * mib);
  s = memory_stats();
  CHECK(s.allocated_bytes == 0 && s.peak_allocated_bytes == all);
  if (kCaching) CHECK(s.cached_bytes >= all);
  reset_peak_memory_stats();
  // A block from the thread's own cache counts as well.
  deallocate(allocate(mib / 2), mib / 2);
  CHECK(memory_stats().peak_allocated_bytes == static_cast<int64_t>(mib / 2));
  empty_cache();
  CHECK(memory_stats().cached_bytes == 0);
}

void test_limit() {
  if (!kCaching) return;
  const size_t mib = size_t{1} << 20;
  const size_t old = static_cast<size_t>(memory_stats().cache_limit);
  CHECK(old > 0);
  empty_cache();
  set_cache_limit(40 * mib);
  CHECK(memory_stats().cache_limit == static_cast<int64_t>(40 * mib));
  void* p[6];
  for (size_t i = 0; i < 6; ++i) p[i] = allocate((10 + 2 * i) * mib);
  for (size_t i = 0; i < 6; ++i) deallocate(p[i], (10 + 2 * i) * mib);
  CHECK(memory_stats().cached_bytes <= static_cast<int64_t>(43 * mib));
  void* last = allocate(20 * mib);  // freed last, so kept
  CHECK(last == p[5]);
  deallocate(last, 20 * mib);
  deallocate(allocate(50 * mib), 50 * mib);
  CHECK(memory_stats().cached_bytes <= static_cast<int64_t>(43 * mib));
  set_cache_limit(0);
  CHECK(memory_stats().cached_bytes <= static_cast<int64_t>(3 * mib));
  // Small blocks go back to the system too.
  std::vector<void*> small;
  for (int i = 0; i < 20000; ++i) small.push_back(allocate(1000));
  CHECK(memory_stats().reserved_bytes > 20000 * 1000);
  for (void* q : small) deallocate(q, 1000);
  CHECK(memory_stats().reserved_bytes <= static_cast<int64_t>(3 * mib));
  set_cache_limit(old);
}

void stress(unsigned seed, std::mutex& mutex, std::vector<Block>& shared) {
  std::mt19937 rng(seed);
  std::vector<Block> mine;
  for (int i = 0; i < kRounds; ++i) {
    const unsigned k = rng() % 100;
    if (k < 50) {
      mine.push_back(make(random_size(rng), static_cast<unsigned char>(rng())));
    } else if (k < 95) {
      if (mine.empty()) continue;
      std::swap(mine[rng() % mine.size()], mine.back());
      drop(mine.back());
      mine.pop_back();
    } else {  // hand a block to another thread, take one from it
      std::lock_guard<std::mutex> lock(mutex);
      if (!mine.empty()) std::swap(mine.back(), shared[rng() % shared.size()]);
    }
    if (i % 5000 == 0) {
      if (i % 20000 == 0) empty_cache();
      const MemoryStats s = memory_stats();
      CHECK(s.peak_allocated_bytes >= s.allocated_bytes);
    }
    while (mine.size() > 2000) {
      drop(mine.back());
      mine.pop_back();
    }
  }
  for (Block b : mine) drop(b);
}

void test_threads() {
  empty_cache();
  const int64_t before = memory_stats().allocated_bytes;
  const int64_t calls = memory_stats().allocations;
  std::mutex mutex;
  std::vector<Block> shared;
  for (int i = 0; i < 50; ++i) shared.push_back(make(100 + static_cast<size_t>(i) * 300, 1));
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) threads.emplace_back([&, t] { stress(t, mutex, shared); });
  for (auto& t : threads) t.join();
  for (Block b : shared) drop(b);
  CHECK(memory_stats().allocated_bytes == before);
  CHECK(memory_stats().allocations > calls);
  empty_cache();
  CHECK(memory_stats().cached_bytes == 0);
}

// Freed by another thread than the one that allocated, until both caches overflow.
void test_producer_consumer() {
  for (size_t n : {64u, 4000u, 100000u}) {
    std::vector<Block> blocks;
    for (int i = 0; i < 3000; ++i) blocks.push_back(make(n, 7));
    std::thread([&] {
      for (Block b : blocks) drop(b);
    }).join();
  }
  CHECK(memory_stats().allocated_bytes == 0);
}

void test_fork() {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 rng(t);
      while (!stop) drop(make(random_size(rng), 3));
    });
  for (int i = 0; i < 10; ++i) {
    Block kept = make(5000, 9);
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      std::mt19937 rng(5);
      for (int k = 0; k < 2000; ++k) drop(make(random_size(rng), 4));
      drop(kept);
      const MemoryStats s = memory_stats();
      empty_cache();
      _exit(check_result() != 0 || s.peak_allocated_bytes < s.allocated_bytes);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    drop(kept);
  }
  stop = true;
  for (auto& t : threads) t.join();
}

// Memory given back after the caches of the thread are gone.
struct Late {
  Block small{nullptr, 0}, medium{nullptr, 0}, large{nullptr, 0};
  ~Late() {
    if (!small.p) return;
    drop(small);
    drop(medium);
    drop(large);
    drop(make(77, 1));
    drop(make(77777, 1));
  }
};
thread_local Late t_late;
Late g_late;

void fill(Late& late) {
  late.small = make(64, 1);
  late.medium = make(9999, 2);
  late.large = make(5000000, 3);
}

void test_exit() {
  std::thread([] { fill(t_late); }).join();
  CHECK(memory_stats().allocated_bytes == 0);
}

}  // namespace

int main() {
  fill(t_late);
  drop(t_late.small);
  drop(t_late.medium);
  drop(t_late.large);
  t_late.small.p = nullptr;
  test_sizes();
  test_waste();
  test_reuse();
  test_failure();
  test_statistics();
  test_limit();
  test_producer_consumer();
  test_exit();
  if (!kAddressSanitizer) test_fork();  // its own malloc does not survive a fork among threads
  test_threads();
  fill(t_late);
  fill(g_late);
  return check_result();
}
