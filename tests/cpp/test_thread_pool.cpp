// The thread pool: chunks, nesting, exceptions, concurrent callers, fork.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "core/thread_pool.h"
#include "rushlight/error.h"

using namespace rushlight;

namespace {

using Chunks = std::set<std::pair<int64_t, int64_t>>;

Chunks chunks_of(int64_t begin, int64_t end, int64_t grain) {
  Chunks chunks;
  std::mutex mutex;
  parallel_for(begin, end, grain, [&](int64_t b, int64_t e) {
    std::lock_guard<std::mutex> lock(mutex);
    CHECK(chunks.emplace(b, e).second);
  });
  return chunks;
}

void test_chunks() {
  const int64_t cases[][3] = {{0, 0, 1},
                              {5, 3, 1},
                              {0, 1, 1},
                              {0, 10, 3},
                              {-7, 100, 9},
                              {0, 100, 100},
                              {0, 101, 50},
                              {3, 1000, 1},
                              {0, 5, 0},
                              {0, 5, -3},
                              {0, 12345, 7},
                              {0, 8, INT64_MAX},
                              {INT64_MIN, INT64_MAX, INT64_MAX / 3},
                              {INT64_MAX - 10, INT64_MAX, 3}};
  for (const auto& c : cases) {
    Chunks expected;
    const int64_t grain = c[2] < 1 ? 1 : c[2];
    for (int64_t b = c[0]; b < c[1];) {
      const bool last = static_cast<uint64_t>(c[1]) - static_cast<uint64_t>(b) <= static_cast<uint64_t>(grain);
      const int64_t e = last ? c[1] : b + grain;
      expected.emplace(b, e);
      b = e;
    }
    for (int n : {1, 2, 3, 8}) {
      set_num_threads(n);
      CHECK(chunks_of(c[0], c[1], c[2]) == expected);
    }
  }
}

void test_settings() {
  CHECK(get_num_threads() >= 1);
  CHECK_THROWS(Error, set_num_threads(0));
  CHECK_THROWS(Error, set_num_threads(-5));
  set_num_threads(3);
  CHECK(get_num_threads() == 3);
}

void test_stress() {
  for (int n : {1, 2, 4, 7}) {
    set_num_threads(n);
    for (int round = 0; round < 1000; ++round) {
      const int64_t size = 1 + (round * 37) % 500;
      std::vector<int> hits(static_cast<size_t>(size), 0);
      parallel_for(0, size, 1 + round % 11, [&](int64_t b, int64_t e) {
        for (int64_t i = b; i < e; ++i) ++hits[static_cast<size_t>(i)];
      });
      for (int h : hits) CHECK(h == 1);
    }
  }
}

// Several threads do take part: each chunk waits until a second thread has arrived.
void test_parallel() {
  set_num_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  parallel_for(0, 2, 1, [&](int64_t, int64_t) {
    CHECK(in_parallel_region());
    for (int i = 0; i < 5000; ++i) {
      {
        std::lock_guard<std::mutex> lock(mutex);
        ids.insert(std::this_thread::get_id());
        if (ids.size() == 2) break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  CHECK(ids.size() == 2);
  CHECK(!in_parallel_region());
}

void test_nested() {
  set_num_threads(4);
  std::atomic<int64_t> sum{0};
  parallel_for(0, 20, 1, [&](int64_t b, int64_t) {
    const auto id = std::this_thread::get_id();
    parallel_for(0, 100, 7, [&](int64_t x, int64_t y) {
      CHECK(std::this_thread::get_id() == id);
      for (int64_t i = x; i < y; ++i) sum += b * 100 + i;
    });
    CHECK(in_parallel_region());
  });
  CHECK(sum == 2000 * 1999 / 2);
  CHECK(!in_parallel_region());
}

void test_exceptions() {
  for (int n : {1, 2, 4}) {
    set_num_threads(n);
    for (int round = 0; round < 200; ++round) {
      bool caught = false;
      try {
        parallel_for(0, 100, 1, [&](int64_t b, int64_t) {
          if (b == round % 100) throw std::invalid_argument("chunk");
        });
      } catch (const std::invalid_argument& e) {
        caught = std::string(e.what()) == "chunk";
      }
      CHECK(caught);
      CHECK(!in_parallel_region());
    }
    // All of them throw: one arrives.
    CHECK_THROWS(std::runtime_error, parallel_for(0, 50, 1, [](int64_t, int64_t) { throw std::runtime_error("x"); }));
  }
  CHECK(chunks_of(0, 100, 10).size() == 10);
}

void test_callers() {
  set_num_threads(3);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int round = 0; round < 500; ++round) {
        std::atomic<int64_t> sum{0};
        parallel_for(0, 300, 10, [&](int64_t b, int64_t e) {
          for (int64_t i = b; i < e; ++i) sum += i;
        });
        CHECK(sum == 300 * 299 / 2);
      }
    });
  for (int i = 0; i < 50; ++i) set_num_threads(1 + i % 5);
  for (auto& t : threads) t.join();
}

void test_fork() {
  if (kThreadSanitizer) return;  // it does not support new threads after a fork
  set_num_threads(4);
  chunks_of(0, 100, 1);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) parallel_for(0, 100, 1, [](int64_t, int64_t) {});
  });
  for (int i = 0; i < 10; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      for (int k = 0; k < 100; ++k) CHECK(chunks_of(0, 100, 3).size() == 34);
      test_parallel();
      _exit(check_result());
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  stop = true;
  other.join();
}

void test_single_chunk() {
  set_num_threads(4);
  const auto id = std::this_thread::get_id();
  int calls = 0;
  parallel_for(5, 10, 5, [&](int64_t b, int64_t e) {
    CHECK(std::this_thread::get_id() == id && b == 5 && e == 10 && !in_parallel_region());
    ++calls;
  });
  CHECK(calls == 1);
}

}  // namespace

int main() {
  test_settings();
  test_chunks();
  test_single_chunk();
  test_stress();
  test_parallel();
  test_nested();
  test_exceptions();
  test_callers();
  test_fork();
  return check_result();
}
