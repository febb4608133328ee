// What each layer below Python costs in `a + b` on one element. Build with bench/CMakeLists.txt; times are the best of
// many short rounds on one thread, in nanoseconds.
#include <rushlight/rushlight.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace rl = rushlight;

template <class F>
double best(F&& f) {
  constexpr int kLoops = 20000;
  double least = 1e9;
  for (int round = 0; round < 60; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kLoops; ++i) f();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    least = std::min(least, took.count() / kLoops);
  }
  return least;
}

int main() {
  const int64_t one[] = {1};
  const rl::Tensor a = rl::ones(one), b = rl::ones(one), c = rl::ones(one);
  std::printf("block of 128 bytes, taken and returned  %6.1f\n", best([] { rl::deallocate(rl::allocate(128), 128); }));
  std::printf("empty({1}), made and freed              %6.1f\n", best([&] { rl::empty(one); }));
  std::printf("add_out(c, a, b): checks, plan, kernel  %6.1f\n", best([&] { rl::add_out(c, a, b); }));
  std::printf("add(a, b), made and freed               %6.1f\n", best([&] { rl::add(a, b); }));
  const rl::Tensor x = rl::ones(one);
  x.set_requires_grad(true);
  std::printf("add(x, b) recorded, made and freed      %6.1f\n", best([&] { rl::add(x, b); }));
  std::printf("sum of it, backward                     %6.1f\n", best([&] { rl::add(x, b).sum().backward(); }));
  return 0;
}
