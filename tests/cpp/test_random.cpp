// Constructors and random numbers as a C++ program calls them.
#include <cmath>

#include "check.h"
#include "rushlight/rushlight.h"

using namespace rushlight;

namespace {

double total(const Tensor& t) { return to(t, DType::Float64).sum().item<double>(); }

void test_streams() {
  // torch 2.13 after manual_seed(42)
  manual_seed(42);
  const Tensor u = rand(DimVector{2});
  CHECK(u.data_ptr<float>()[0] == 0.8822692632675171f && u.data_ptr<float>()[1] == 0.9150039553642273f);
  Generator g(42);
  const Tensor integers = randint(0, 100, DimVector{3}, DType::Int64, g);
  CHECK(integers.data_ptr<int64_t>()[0] == 42 && integers.data_ptr<int64_t>()[2] == 76);
  g.manual_seed(42);
  const Tensor order = randperm(10, DType::Int64, g);
  CHECK(order.data_ptr<int64_t>()[0] == 2 && order.data_ptr<int64_t>()[9] == 7);
  Generator copy = g.clone();
  CHECK(equal(randn(DimVector{40}, {}, g), randn(DimVector{40}, {}, copy)));
}

void test_distributions() {
  Generator g(1);
  const int64_t n = 20000;
  const Tensor t = empty(DimVector{n}, DType::Float64);
  CHECK(std::abs(total(uniform_(t, 2, 4, g)) / n - 3) < 0.02);
  CHECK(std::abs(total(normal_(t, 5, 2, g)) / n - 5) < 0.06);
  CHECK(std::abs(total(exponential_(t, 4, g)) / n - 0.25) < 0.01);
  CHECK(std::abs(total(geometric_(t, 0.25, g)) / n - 4) < 0.12);
  CHECK(std::abs(total(bernoulli_(t, 0.3, g)) / n - 0.3) < 0.02);
  CHECK(std::abs(total(log_normal_(t, 0, 0.5, g)) / n - std::exp(0.125)) < 0.02);
  CHECK(std::abs(total(poisson(full(DimVector{n}, 3.0), g)) / n - 3) < 0.06);
  CHECK(std::abs(total(binomial(full(DimVector{n}, 40.0), scalar_tensor(0.5), g)) / n - 20) < 0.1);
  const Tensor weights = arange(1, 5, 1, DType::Float32);
  CHECK(std::abs(total(multinomial(weights, n, true, g)) / n - 2.0) < 0.04);
  CHECK(total(multinomial(weights, 4, false, g)) == 6);
  CHECK(std::abs(total(normal(Operand(2.0), ones(DimVector{n}), g)) / n - 2) < 0.03);
  // In the order of memory, with gaps left alone.
  const Tensor wide = zeros(DimVector{3, 4});
  random_(slice(wide, 1, 0, {}, 2), 1, 5, g);
  CHECK(total(slice(wide, 1, 1, {}, 2)) == 0 && total(wide) >= 6);
}

void test_gradients() {
  const Tensor x = ones(DimVector{3}, DType::Float64);
  x.set_requires_grad(true);
  const Tensor y = mul(x, 2);
  normal_(y);
  y.sum().backward();
  CHECK(total(x.grad()) == 0);
  CHECK_THROWS(Error, uniform_(x));
}

void test_constructors() {
  CHECK(empty(DimVector{2, 3, 4, 5}, DType::Float32, {}, MemoryFormat::ChannelsLast).stride(1) == 1);
  CHECK(empty_permuted(DimVector{2, 3}, DimVector{1, 0}).stride(0) == 1);
  CHECK(logspace(0, 2, 3).data_ptr<float>()[2] == 100);
  CHECK(range(0, 1, 0.25).numel() == 5);
  CHECK(total(tril_indices(3, 3)) == 8 + 4 && triu_indices(3, 3, 1).numel() == 6);
  CHECK(total(vander(arange(1, 4, 1), 2, true)) == 9);
  CHECK(std::abs(total(hann_window(8)) - 4) < 1e-6 && kaiser_window(1).item<float>() == 1);
  CHECK_THROWS(Error, empty_permuted(DimVector{2, 3}, DimVector{0, 0}));
  CHECK_THROWS(Error, multinomial(zeros(DimVector{3}), 1));
  CHECK_THROWS(Error, randint(3, 3, DimVector{1}));
  CHECK_THROWS(Error, from_file("/nonexistent/file", false, 3));
}

}  // namespace

int main() {
  test_streams();
  test_distributions();
  test_gradients();
  test_constructors();
  return check_result();
}
