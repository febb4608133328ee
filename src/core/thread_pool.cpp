// Each worker has an inbox for one job. A job's chunks are dealt out evenly, one contiguous share per participant, and
// who is done early takes from the shares of others. Jobs that a sleeping worker did not fetch in time are taken back,
// so a loop never waits for a wake-up.
#include "core/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

#include "rushlight/error.h"

namespace rushlight {

namespace {

constexpr int kMaxWorkers = 1023;
constexpr auto kSpin = std::chrono::microseconds(20);

constinit thread_local bool t_in_region = false;

int available_cores() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// 0 unless the variable starts with a positive number.
int threads_from(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text) return 0;
  const long n = std::strtol(text, nullptr, 10);
  return n >= 1 && n <= 1 << 16 ? static_cast<int>(n) : 0;
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count = [] {
    if (int n = threads_from("RUSHLIGHT_NUM_THREADS")) return n;
    if (int n = threads_from("OMP_NUM_THREADS")) return n;
    return available_cores();
  }();
  return count;
}

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits a short while for done(); false when time ran out.
template <class F>
bool spin(bool allowed, F&& done) {
  if (done()) return true;
  if (!allowed) return false;
  const auto until = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

struct Range {
  int64_t begin, end, grain;
  detail::ChunkFunction function;
  void* context;

  uint64_t count() const {
    return (static_cast<uint64_t>(end) - static_cast<uint64_t>(begin) - 1) / static_cast<uint64_t>(grain) + 1;
  }
  void call(uint64_t chunk) const {
    const uint64_t b = static_cast<uint64_t>(begin) + chunk * static_cast<uint64_t>(grain);
    const uint64_t left = static_cast<uint64_t>(end) - b;
    const uint64_t e = b + std::min(left, static_cast<uint64_t>(grain));
    function(context, static_cast<int64_t>(b), static_cast<int64_t>(e));
  }
};

struct alignas(64) Share {
  std::atomic<uint64_t> next{0};
  uint64_t end = 0;
};

struct Job {
  Range range;
  std::vector<Share>& shares;
  uint64_t participants;
  uint64_t batch;  // chunks taken at once
  std::atomic<bool> stop{false};
  std::exception_ptr error{};        // written by the one who set `stop`
  std::atomic<int> unfinished{0};    // workers that have or may fetch the job
  std::atomic<bool> waiting{false};  // the caller sleeps until unfinished == 0

  void work(uint64_t self) {
    t_in_region = true;
    try {
      for (uint64_t i = 0; i < participants; ++i) drain(shares[(self + i) % participants]);
    } catch (...) {
      if (!stop.exchange(true)) error = std::current_exception();
    }
    t_in_region = false;
  }

 private:
  void drain(Share& share) {
    while (share.next.load(std::memory_order_relaxed) < share.end) {
      const uint64_t first = share.next.fetch_add(batch, std::memory_order_relaxed);
      const uint64_t last = std::min(share.end, first + batch);
      for (uint64_t chunk = first; chunk < last; ++chunk) {
        if (stop.load(std::memory_order_relaxed)) return;
        poll_interrupts();
        range.call(chunk);
      }
    }
  }
};

class Pool {
 public:
  // False when another thread's loop is running.
  bool run(const Range& range, int threads) {
    std::unique_lock<std::mutex> busy(busy_, std::try_to_lock);
    if (!busy) return false;
    const uint64_t chunks = range.count();
    const int wanted = static_cast<int>(std::min<uint64_t>(chunks, static_cast<uint64_t>(threads)));
    const int workers = std::min(wanted - 1, start_workers(wanted - 1));
    const uint64_t n = static_cast<uint64_t>(workers) + 1;
    spin_ = threads <= cores_;
    if (shares_.size() < n) shares_ = std::vector<Share>(n);
    for (uint64_t i = 0; i < n; ++i) {
      shares_[i].next.store(chunks / n * i + std::min(i, chunks % n), std::memory_order_relaxed);
      shares_[i].end = chunks / n * (i + 1) + std::min(i + 1, chunks % n);
    }
    Job job{range, shares_, n, std::max<uint64_t>(1, chunks / (n * 16))};
    job.unfinished.store(workers, std::memory_order_relaxed);
    for (int i = 0; i < workers; ++i) post(*workers_[static_cast<size_t>(i)], &job);
    job.work(0);
    for (int i = 0; i < workers; ++i) {
      Job* expected = &job;
      if (workers_[static_cast<size_t>(i)]->inbox.compare_exchange_strong(expected, nullptr))
        job.unfinished.fetch_sub(1);
    }
    if (!spin(spin_, [&] { return job.unfinished.load() == 0; })) {
      std::unique_lock<std::mutex> lock(done_mutex_);
      job.waiting.store(true);
      done_.wait(lock, [&] { return job.unfinished.load() == 0; });
    }
    busy.unlock();
    if (job.error) std::rethrow_exception(job.error);
    return true;
  }

 private:
  struct alignas(64) Worker {
    std::atomic<Job*> inbox{nullptr};
    std::atomic<bool> asleep{false};
    std::mutex mutex;
    std::condition_variable wake;
  };

  void post(Worker& worker, Job* job) {
    worker.inbox.store(job);
    if (worker.asleep.load()) {
      {
        std::lock_guard<std::mutex> lock(worker.mutex);
      }
      worker.wake.notify_one();
    }
  }

  // Starts workers up to `count` and returns how many there are: fewer if the system has no more threads.
  int start_workers(int count) {
    count = std::min(count, kMaxWorkers);
    if (static_cast<int>(workers_.size()) >= count) return count;
    // Signals belong to the threads of the program.
    sigset_t all, old;
    sigfillset(&all);
    const bool masked = pthread_sigmask(SIG_SETMASK, &all, &old) == 0;
    try {
      while (static_cast<int>(workers_.size()) < count) {
        auto worker = std::make_unique<Worker>();
        workers_.reserve(workers_.size() + 1);
        const uint64_t self = workers_.size() + 1;
        std::thread([this, w = worker.get(), self] { loop(*w, self); }).detach();
        workers_.push_back(std::move(worker));
      }
    } catch (const std::exception&) {
    }
    if (masked) pthread_sigmask(SIG_SETMASK, &old, nullptr);
    return static_cast<int>(workers_.size());
  }

  void loop(Worker& worker, uint64_t self) {
    for (;;) {
      if (!spin(spin_.load(std::memory_order_relaxed), [&] { return worker.inbox.load(std::memory_order_relaxed); })) {
        std::unique_lock<std::mutex> lock(worker.mutex);
        worker.asleep.store(true);
        worker.wake.wait(lock, [&] { return worker.inbox.load() != nullptr; });
        worker.asleep.store(false);
      }
      Job* job = worker.inbox.exchange(nullptr);
      if (!job) continue;  // taken back
      job->work(self);
      // After the count drops to zero the job may be gone, unless its caller waits for the signal.
      finish(*job);
    }
  }

  void finish(Job& job) {
    // The lock keeps the caller, once it waits, from leaving before the last look at the job.
    std::lock_guard<std::mutex> lock(done_mutex_);
    const bool waiting = job.waiting.load();
    if (job.unfinished.fetch_sub(1) == 1 && waiting) done_.notify_one();
  }

  std::mutex busy_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Share> shares_;
  std::mutex done_mutex_;
  std::condition_variable done_;
  std::atomic<bool> spin_{false};
  const int cores_ = available_cores();
};

// Never destroyed: workers may outlive static destructors. After fork the child has none of the parent's workers and
// starts anew; the old pool is left alone.
constinit std::atomic<Pool*> g_pool{nullptr};

Pool& pool() {
  Pool* current = g_pool.load(std::memory_order_acquire);
  if (current) return *current;
  static const int registered = pthread_atfork(nullptr, nullptr, [] {
    g_pool.store(nullptr);
    t_in_region = false;
  });
  static_cast<void>(registered);
  auto fresh = std::make_unique<Pool>();
  if (g_pool.compare_exchange_strong(current, fresh.get())) return *fresh.release();
  return *current;
}

}  // namespace

constinit thread_local detail::Callback detail::between_chunks RUSHLIGHT_TLS_INITIAL_EXEC = nullptr;

constinit detail::Callback detail::between_nodes = nullptr;

int get_num_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_num_threads(int n) {
  check(n >= 1, "Expected positive number of threads");
  thread_count().store(n, std::memory_order_relaxed);
}

bool in_parallel_region() { return t_in_region; }

void detail::run_chunks(int64_t begin, int64_t end, int64_t grain, ChunkFunction function, void* context) {
  const Range range{begin, end, std::max<int64_t>(grain, 1), function, context};
  if (!t_in_region) {
    const int threads = get_num_threads();
    if (threads > 1 && pool().run(range, threads)) return;
  }
  for (uint64_t chunk = 0, count = range.count(); chunk < count; ++chunk) {
    poll_interrupts();
    range.call(chunk);
  }
}

}  // namespace rushlight
