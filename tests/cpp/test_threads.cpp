// What several threads may do at once with one generator, one storage and one tensor. Meant for ThreadSanitizer
// (-DRUSHLIGHT_SANITIZE=thread); the counts are checked without it as well.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "check.h"
#include "core/thread_pool.h"
#include "rushlight/rushlight.h"

using namespace rushlight;

namespace {

constexpr int kThreads = 4;
constexpr int kRounds = kThreadSanitizer ? 200 : 1000;

void on_threads(const std::function<void(int)>& run) {
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(run, t);
  for (auto& t : threads) t.join();
}

// First of all tests: tables and the default generator are made by whichever thread comes first.
void test_first_use() {
  std::vector<double> sums(kThreads);
  on_threads([&](int t) {
    const Tensor x = arange(0, 100, 1, DType::Float64);
    sums[static_cast<size_t>(t)] = add(mul(x, x), exp(mul(x, 0))).sum().item<double>();
    CHECK(rand(DimVector{3}).numel() == 3);
    CHECK(std::get<0>(sort(x, 0, true)).numel() == 100);
    CHECK(matmul(ones(DimVector{70, 70}), ones(DimVector{70, 70})).sum().item<float>() == 70 * 70 * 70);
  });
  for (const double s : sums) CHECK(s == 328350 + 100);
}

// Every number of the stream is drawn exactly once, whoever draws it.
void test_generator_draws() {
  constexpr int64_t kEach = 64;
  Generator g(7);
  std::vector<std::vector<int64_t>> drawn(kThreads);
  on_threads([&](int t) {
    for (int i = 0; i < kRounds; ++i) {
      const Tensor numbers = randint(0, int64_t{1} << 31, DimVector{kEach}, DType::Int64, g);
      const int64_t* p = numbers.data_ptr<int64_t>();
      drawn[static_cast<size_t>(t)].insert(drawn[static_cast<size_t>(t)].end(), p, p + kEach);
    }
  });
  std::vector<int64_t> all;
  for (const auto& part : drawn) all.insert(all.end(), part.begin(), part.end());
  Generator again(7);
  const Tensor expected = randint(0, int64_t{1} << 31, DimVector{kThreads * kRounds * kEach}, DType::Int64, again);
  std::vector<int64_t> sequence(expected.data_ptr<int64_t>(), expected.data_ptr<int64_t>() + expected.numel());
  std::sort(all.begin(), all.end());
  std::sort(sequence.begin(), sequence.end());
  CHECK(all == sequence);
}

// States that are saved, loaded, cloned and seeded while others draw are whole.
void test_generator_states() {
  Generator g(1);
  on_threads([&](int t) {
    for (int i = 0; i < kRounds; ++i) {
      switch ((t + i) % 5) {
        case 0: g.manual_seed(static_cast<uint64_t>(i)); break;
        case 1: {
          Generator copy;
          copy.set_state(g.get_state());
          CHECK(rand(DimVector{5}, {}, copy).numel() == 5);
          break;
        }
        case 2: g.set_state(Generator(3).get_state()); break;
        case 3: CHECK(randn(DimVector{33}, {}, g.clone()).numel() == 33); break;
        default:
          CHECK(randn(DimVector{33}, {}, g).numel() == 33);
          CHECK(g.initial_seed() <= static_cast<uint64_t>(kRounds));
      }
    }
  });
}

void test_storage_owners() {
  const Tensor x = arange(0, 1000, 1, DType::Float32);
  on_threads([&](int t) {
    std::vector<Tensor> views;
    for (int i = 0; i < kRounds; ++i) {
      const Tensor v = slice(x, 0, t, 1000, 1 + i % 7);
      CHECK(v.data_ptr<float>()[0] == static_cast<float>(t));
      views.push_back(i % 2 ? v.detach() : v);
      if (views.size() > 50) views.clear();
    }
  });
  CHECK(x.storage()->use_count() == 1);
}

// A storage made on one thread is freed on another, small and large ones.
void test_storage_handover() {
  for (const int64_t n : {3, 2000, 100000, 1000000}) {
    std::vector<Tensor> made(kThreads * 8);
    on_threads([&](int t) {
      for (int i = 0; i < 8; ++i) made[static_cast<size_t>(t * 8 + i)] = full(DimVector{n}, t * 8 + i, DType::Float32);
    });
    on_threads([&](int t) {
      for (int i = 0; i < 8; ++i) {
        Tensor& m = made[static_cast<size_t>(((t + 1) % kThreads) * 8 + i)];
        CHECK(m.data_ptr<float>()[n - 1] == static_cast<float>(((t + 1) % kThreads) * 8 + i));
        m = Tensor();
      }
    });
  }
}

// The owner of foreign memory is told once, whichever thread lets go last.
void test_storage_deleter() {
  for (int i = 0; i < kRounds; ++i) {
    static float memory[16];
    std::atomic<int> calls{0};
    {
      Ref<Storage> s = Storage::wrap(
          memory, sizeof memory, Device{}, [](void* c, void*, size_t) { ++*static_cast<std::atomic<int>*>(c); },
          &calls);
      std::vector<Ref<Storage>> owners(kThreads, s);
      s = Ref<Storage>();
      on_threads([&](int t) { owners[static_cast<size_t>(t)] = Ref<Storage>(); });
    }
    CHECK(calls == 1);
  }
}

// Writes to disjoint parts of one storage count as that many changes.
void test_versions() {
  const Tensor x = zeros(DimVector{kThreads, 100});
  const auto before = x.version();
  on_threads([&](int t) {
    const Tensor row = select(x, 0, t);
    for (int i = 0; i < kRounds; ++i) add_(row, 1);
  });
  CHECK(x.version() == before + static_cast<uint32_t>(kThreads * kRounds));
  CHECK(x.sum().item<float>() == static_cast<float>(kThreads * 100 * kRounds));
}

// Loops in the pool from several threads, with loops inside and exceptions, over one large tensor that all read.
void test_pool() {
  set_num_threads(3);
  const Tensor x = ones(DimVector{200000});
  on_threads([&](int) {
    for (int i = 0; i < kRounds / 20; ++i) {
      CHECK(add(x, x).sum().item<float>() == 400000);
      std::atomic<int64_t> total{0};
      parallel_for(0, 8, 1, [&](int64_t b, int64_t) {
        parallel_for(0, 100, 9, [&](int64_t p, int64_t q) { total += (q - p) * (b + 1); });
      });
      CHECK(total == 3600);
      CHECK_THROWS(std::runtime_error, parallel_for(0, 9, 1, [](int64_t b, int64_t) {
                     if (b == 4) throw std::runtime_error("chunk");
                   }));
    }
  });
  set_num_threads(1);
}

// One graph per thread over weights that all share; the gradients go to leaves of the thread.
void test_graphs() {
  const Tensor w = rand(DimVector{20, 20});
  const int64_t rows[1] = {0};
  on_threads([&](int t) {
    for (int i = 0; i < kRounds / 10; ++i) {
      const Tensor x = full(DimVector{20}, t + 1, DType::Float32);
      x.set_requires_grad(true);
      matmul(w, mul(x, 2)).sum().backward();
      CHECK(allclose(x.grad(), mul(sum(w, rows), 2)));
    }
  });
}

// Several backwards over the same nodes: each has the whole gradient, the sums of a leaf lose nothing.
void test_shared_graph() {
  const Tensor w = full(DimVector{30}, 1, DType::Float64);
  w.set_requires_grad(true);
  Tensor y = w;
  for (int i = 0; i < 20; ++i) y = add(mul(y, w), mul(exp(mul(w, 0)), y));
  const Tensor z = y.sum();
  const double once = autograd::grad({&z, 1}, {&w, 1}, {}, true, false, false)[0].sum().item<double>();
  constexpr int kTimes = kRounds / 20;
  on_threads([&](int) {
    for (int i = 0; i < kTimes; ++i) {
      CHECK(autograd::grad({&z, 1}, {&w, 1}, {}, true, false, false)[0].sum().item<double>() == once);
      z.backward({}, true);
    }
  });
  CHECK(w.grad().sum().item<double>() == once * kTimes * kThreads);
}

// One leaf, a graph per thread; wide graphs, in which many nodes wait at once.
void test_shared_leaf() {
  const Tensor w = full(DimVector{10}, 1, DType::Float64);
  w.set_requires_grad(true);
  constexpr int kTimes = kRounds / 20, kWide = 60;
  on_threads([&](int) {
    for (int i = 0; i < kTimes; ++i) {
      TensorList parts;
      for (int k = 0; k < kWide; ++k) parts.push_back(exp(mul(mul(w, 0), w)));
      Tensor sum = parts[0];
      for (int k = 1; k < kWide; ++k) sum = add(sum, mul(parts[static_cast<size_t>(k)], w));
      sum.sum().backward();
    }
  });
  CHECK(w.grad().sum().item<double>() == 10.0 * (kWide - 1) * kTimes * kThreads);
}

// Backwards that free one graph: each ends well or says that the graph is gone.
void test_freed_graph() {
  for (int i = 0; i < kRounds / 10; ++i) {
    const Tensor w = ones(DimVector{10});
    w.set_requires_grad(true);
    const Tensor z = mul(exp(mul(w, w)), w).sum();
    on_threads([&](int) {
      try {
        z.backward();
      } catch (const Error&) {
      }
    });
  }
}

// Tensors that retain their gradients die while a backward adds to them.
void test_retained() {
  for (int i = 0; i < kRounds / 10; ++i) {
    const Tensor w = ones(DimVector{10});
    w.set_requires_grad(true);
    Tensor y = mul(w, 2);
    autograd::retain_grad(y);
    const Tensor z = mul(y.sum(), 1);
    std::thread other([held = std::exchange(y, Tensor())]() mutable { held = Tensor(); });
    z.backward();
    other.join();
    CHECK(w.grad().sum().item<float>() == 20);
  }
}

// A process that forks while others draw and allocate: the child can do all of it.
void test_fork() {
  if (kAddressSanitizer || kThreadSanitizer) return;
  std::atomic<bool> stop{false};
  std::thread other([&] {
    const Tensor w = rand(DimVector{50, 50});
    w.set_requires_grad(true);
    while (!stop) {
      randn(DimVector{1000});
      matmul(w, w).sum().backward();
    }
  });
  for (int i = 0; i < 10; ++i) {
    const Tensor x = ones(DimVector{1000});
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      x.set_requires_grad(true);
      const Tensor y = add(x, zeros(DimVector{300000}).sum());
      y.sum().backward();
      _exit(y.sum().item<float>() == 1000 ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  stop = true;
  other.join();
}

}  // namespace

int main() {
  test_first_use();
  test_generator_draws();
  test_generator_states();
  test_storage_owners();
  test_storage_handover();
  test_storage_deleter();
  test_versions();
  test_pool();
  test_graphs();
  test_shared_graph();
  test_shared_leaf();
  test_freed_graph();
  test_retained();
  test_fork();
  return check_result();
}
