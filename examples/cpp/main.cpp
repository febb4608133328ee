// Slices, multiplies and differentiates without Python.
#include <rushlight/rushlight.h>

#include <cstdio>

namespace rl = rushlight;

int main() {
  const int64_t shape[] = {3, 4};
  const rl::Tensor x = rl::reshape(rl::arange(0, 12, 1, rl::DType::Float32), shape);
  const rl::Tensor rows = x.slice(0, 1, 3);  // a view of the last two rows
  std::printf("rows: %lld x %lld, offset %lld\n", static_cast<long long>(rows.size(0)),
              static_cast<long long>(rows.size(1)), static_cast<long long>(rows.storage_offset()));

  const int64_t weights[] = {4, 2};
  const rl::Tensor w = rl::ones(weights);
  w.set_requires_grad(true);
  const rl::Tensor loss = (rows.matmul(w) * 0.5).sum();
  loss.backward();

  // Each column of the gradient holds half the sums of the columns of `rows`.
  const rl::Tensor grad = w.grad();
  std::printf("loss %g, gradient", loss.item<double>());
  for (int64_t i = 0; i < 4; ++i) std::printf(" %g", grad[i][0].item<double>());
  std::printf("\n");

  const bool right = loss.item<double>() == 60 && grad[0][0].item<double>() == 6 && grad[3][1].item<double>() == 9;
  try {
    x.matmul(x);
  } catch (const rl::Error& error) {
    std::printf("error: %s\n", error.what());
    return right ? 0 : 1;
  }
  return 1;
}
