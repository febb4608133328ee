// The graph from outside, without Python: pack hooks, edges as ends, callbacks, nesting beyond one stack, anomalies.
#include <cmath>
#include <string>

#include "check.h"
#include "rushlight/rushlight.h"

using namespace rushlight;
using namespace rushlight::autograd;

namespace {

Tensor leaf(double value) {
  const Tensor t = full(DimVector{1}, value, DType::Float64);
  t.set_requires_grad(true);
  return t;
}
double number(const Tensor& t) { return item(t).to_double(); }
template <class F>
bool raises(F&& f, const char* part) {
  try {
    f();
  } catch (const Error& e) {
    return std::string(e.what()).find(part) != std::string::npos;
  }
  return false;
}

void test_pack_hooks() {
  const Tensor x = leaf(3);
  int packed = 0;
  push_pack_hook([&](const Tensor& t) {
    ++packed;
    return [copy = clone(t)] { return mul(copy, 10); };
  });
  const Tensor y = mul(x, x);
  pop_pack_hook();
  pop_pack_hook();  // there is none: nothing happens
  CHECK(packed == 2);
  const Tensor z = exp(x);
  CHECK(packed == 2);
  CHECK(number(grad({&y, 1}, {&x, 1}, {}, false, false, false)[0]) == 60);

  push_pack_hook([](const Tensor& t) { return [t] { return t; }; });
  CHECK(raises([] { forbid_pack_hooks("not now"); }, "not now"));
  const Tensor cube = mul(mul(x, x), x);
  pop_pack_hook();
  const TensorList first = grad({&cube, 1}, {&x, 1}, {}, true, true, false);
  CHECK(number(grad(first, {&x, 1}, {}, true, false, false)[0]) == 18);
  CHECK(!forbid_pack_hooks("not now"));
  CHECK(raises([] { push_pack_hook({}); }, "not now"));
  CHECK(*forbid_pack_hooks(std::nullopt) == "not now");
}

void test_edges() {
  const Tensor x = leaf(2), y = mul(x, 3), z = mul(y, y);
  const End from(z), at_edge(edge_of(y));
  CHECK(number(grad_ends({&from, 1}, {&at_edge, 1}, {}, true, false, false)[0]) == 12);
  const Tensor twelve = full(DimVector{1}, 12, DType::Float64);
  backward_ends({&at_edge, 1}, {&twelve, 1}, true, false, {});
  CHECK(number(x.grad()) == 36);
  const End wrong(Edge{y.grad_fn(), 5});
  CHECK(raises([&] { grad_ends({&from, 1}, {&wrong, 1}, {}, true, false, false); }, "leads to output 5"));
  CHECK(raises([&] { backward_ends({&wrong, 1}, {}, true, false, {}); }, "is output 5"));
}

void test_running() {
  const Tensor x = leaf(2), y = mul(x, 3);
  std::string order;
  add_tensor_hook(y, [&](const Tensor&) {
    CHECK(current_backward() >= 0 && goes_everywhere() && will_execute(*y.grad_fn()));
    queue_callback([&] {
      order += "callback ";
      queue_callback([&] { order += "another"; });
    });
    order += "hook ";
    return Tensor();
  });
  y.backward({}, true);
  CHECK(order == "hook callback another");
  CHECK(current_backward() == -1);
  CHECK(raises([] { queue_callback([] {}); }, "during backward pass"));
  CHECK(raises([&] { will_execute(*y.grad_fn()); }, "during the backward pass"));
}

void test_nesting() {
  int depth = 0;
  std::function<void(int)> down = [&](int left) {
    const Tensor x = leaf(1);
    const GradModeGuard recording(true);
    const Tensor y = mul(x, 2);
    add_tensor_hook(y, [&, left](const Tensor&) {
      ++depth;
      if (left) down(left - 1);
      return Tensor();
    });
    y.backward();
    CHECK(number(x.grad()) == 2);
  };
  down(350);
  CHECK(depth == 351);
  CHECK(raises([&] { down(1 << 20); }, "levels deep"));
  depth = 0;
  down(3);
  CHECK(depth == 4);
}

void test_anomaly() {
  const Tensor x = leaf(0), y = div(x, x);
  Anomaly::set(true, true);
  CHECK(raises([&] { y.backward({}, true); }, "Function 'DivBackward0' returned nan values in its 1th output."));
  Anomaly::set(true, false);
  y.backward({}, true);
  Anomaly::set(false, true);
  CHECK(std::isnan(number(x.grad())));
}

void test_views() {
  const Tensor x = mul(leaf(1), 2), part = unbind(unsqueeze(x, 0))[0];
  CHECK(raises([&] { add_(part, 1); }, "returns multiple views"));
  CHECK(number(x) == 2);
}

}  // namespace

int main() {
  test_pack_hooks();
  test_edges();
  test_running();
  test_nesting();
  test_anomaly();
  test_views();
  return check_result();
}
