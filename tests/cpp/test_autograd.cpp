// Autograd: gradients, accumulation, in-place changes, hooks, errors in the middle, very deep graphs, second order.
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <thread>

#include "check.h"
#include "rushlight/rushlight.h"

using namespace rushlight;
using namespace rushlight::autograd;
using V = std::vector<double>;

namespace {

V values(const Tensor& t) {
  if (!t.defined()) return {};
  const Tensor d = contiguous(to(t.detach(), DType::Float64));
  return {d.data_ptr<double>(), d.data_ptr<double>() + d.numel()};
}
Tensor vec(std::initializer_list<double> v, bool requires_grad = false, DType dtype = DType::Float64) {
  const V copy = v;
  const Tensor t = to(from_data(copy.data(), DimVector{static_cast<int64_t>(copy.size())}, DType::Float64), dtype);
  if (requires_grad) t.set_requires_grad(true);
  return t;
}
TensorList grad_of(const Tensor& y, TensorList inputs, bool retain = false, bool create = false, bool unused = false) {
  return grad({&y, 1}, inputs, {}, retain, create, unused);
}
template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}
bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

void test_chain_rule() {
  const Tensor x = vec({1, 2, 3}, true);
  CHECK(x.requires_grad() && x.is_leaf() && !x.grad_fn() && !x.grad().defined());
  const Tensor y = x * x + 2.0;
  CHECK(y.requires_grad() && !y.is_leaf() && std::string(y.grad_fn()->name()) == "AddBackward0");
  (exp(y * 0.5) * sin(x)).sum().backward();
  const V g = values(x.grad());
  for (int i = 0; i < 3; ++i) {
    const double v = i + 1, e = std::exp(v * v / 2 + 1);
    CHECK(std::abs(g[i] - (v * e * std::sin(v) + e * std::cos(v))) < 1e-12 * std::abs(g[i]) + 1e-12);
  }
  CHECK(!x.grad().requires_grad());
  // One tensor used in many places, through views and broadcasting.
  const Tensor w = vec({1, 2}, true);
  const Tensor m = w.view(DimVector{2, 1}) * w;  // [2, 2]
  (m[0].sum() + m.t()[1].sum() + w[0]).backward();
  // Derived by hand: f = w0 w0 + w0 w1 + w0 w1 + w1 w1 + w0
  CHECK(values(w.grad()) == V({2 * 1 + 2 * 2 + 1, 2 * 1 + 2 * 2}));
  {
    NoGradGuard no_grad;
    CHECK(!(x * 2).requires_grad());
  }
  CHECK((x * 2).requires_grad() && !x.detach().requires_grad());
  CHECK_THROWS(Error, vec({1}, false, DType::Int32).set_requires_grad(true));
  CHECK_THROWS(Error, y.set_requires_grad(false));
  CHECK_THROWS(Error, y.detach().backward());
  CHECK_THROWS(Error, y.backward());  // no scalar
  CHECK_THROWS(Error, y.backward(ones(DimVector{4})));
  CHECK_THROWS(Error, x.set_grad(ones(DimVector{2}, DType::Float64)));
  CHECK_THROWS(Error, x.set_grad(ones(DimVector{3}, DType::Float32)));
}

// Gradients against central differences, for compositions of many families.
void test_numeric() {
  std::mt19937_64 random(7);
  using F = Tensor (*)(const Tensor&);
  const F functions[] = {
      [](const Tensor& x) { return tanh(x) * sigmoid(x) / (x * x + 1); },
      [](const Tensor& x) { return matmul(x, t(x)).sum() + matmul(t(x), exp(x)).mean(); },
      [](const Tensor& x) { return softmax(x, 1) * log_softmax(x, 0); },
      [](const Tensor& x) { return cat(TensorList{x, transpose(x, 0, 1).reshape(DimVector{3, 4})}, 1) * 2; },
      [](const Tensor& x) { return unfold(x, 1, 2, 1) * select(x, 0, 1).view(DimVector{4, 1}).slice(0, 1, 4); },
      [](const Tensor& x) { return diagonal(x, 1) * sum(x.slice(1, 0, 3, 1), IntSpan(DimVector{0})); },
      [](const Tensor& x) { return cumsum(x, 1) * amax(x, IntSpan(DimVector{1}), true); },
      [](const Tensor& x) { return var(x, IntSpan(DimVector{0})) * norm(x); },
      [](const Tensor& x) { return as_strided(x, DimVector{3, 3}, DimVector{2, 3}, 1) * x.slice(1, 0, 3); },
      [](const Tensor& x) { return where(gt(x, 0), x * x, exp(x)) - flip(x, DimVector{1}); },
      [](const Tensor& x) {
        const Tensor y = x * 2;
        mul_(y[1], x[0]);
        add_(select(y, 1, 2), 1);
        exp_(y.slice(1, 1, 3));
        return y * y;
      },
      [](const Tensor& x) { return linear(x, x) - index_select(matmul(x, t(x)), 0, arange(2, -1, -1)); },
  };
  for (const F f : functions) {
    const Tensor x = empty(DimVector{3, 4}, DType::Float64);
    for (int i = 0; i < 12; ++i) x.data_ptr<double>()[i] = static_cast<double>(random() % 1000) / 500 - 1;
    x.set_requires_grad(true);
    const Tensor out = f(x);
    const Tensor weight = cos(reshape(arange(0, out.numel(), 1, DType::Float64), out.sizes()));
    (out * weight).sum().backward();
    const V g = values(x.grad());
    NoGradGuard no_grad;
    for (int i = 0; i < 12; ++i) {
      const double step = 1e-6, at = x.data_ptr<double>()[i];
      double f_at[2];
      for (int side = 0; side < 2; ++side) {
        x.data_ptr<double>()[i] = at + (side ? step : -step);
        f_at[side] = (f(x) * weight).sum().item<double>();
      }
      x.data_ptr<double>()[i] = at;
      CHECK(std::abs((f_at[1] - f_at[0]) / (2 * step) - g[i]) < 1e-5 * (1 + std::abs(g[i])));
    }
  }
}

void test_accumulation() {
  const Tensor x = vec({1, 2}, true);
  (x * 3).sum().backward();
  (x * x).sum().backward();
  CHECK(values(x.grad()) == V({5, 7}));
  const Tensor kept = x.grad();
  (x * 1).sum().backward();
  CHECK(values(kept) == V({6, 8}));  // added in place
  x.set_grad({});
  const Tensor y = (x * x).sum();
  y.backward({}, true);
  y.backward({}, true);
  CHECK(values(x.grad()) == V({4, 8}));
  y.backward();
  CHECK(contains(message_of([&] { y.backward(); }), "Trying to backward through the graph a second time"));
  CHECK(values(x.grad()) == V({6, 12}));
  // A gradient that somebody else sees is not taken over.
  const Tensor seed = vec({1, 1}), z = vec({1, 2}, true);
  alias(z).backward(seed);
  fill_(seed, 9);
  CHECK(values(z.grad()) == V({1, 1}));
  // Two branches that hand on one gradient tensor.
  const Tensor a = vec({1}, true), b = vec({1}, true);
  (a + b).backward();
  add_(a.grad(), 5);
  CHECK(values(b.grad()) == V({1}));
  // Gradients arrive in the layout and dtype of the leaf.
  const Tensor f = vec({1, 2}, true, DType::Float32);
  (f * vec({2, 3})).sum().backward();
  CHECK(f.grad().dtype() == DType::Float32 && values(f.grad()) == V({2, 3}));
  const Tensor m = t(ones(DimVector{2, 3}));
  m.set_requires_grad(true);
  (m * 2).sum().backward();
  CHECK(equal(m.grad().strides(), m.strides()));
  // The root is a leaf.
  const Tensor s = vec({2}, true);
  s.backward();
  CHECK(values(s.grad()) == V({1}));
}

void test_grad() {
  const Tensor x = vec({1, 2}, true), y = vec({3, 4}, true), other = vec({5}, true);
  const Tensor z = x * y, w = (z * z).sum();
  TensorList g = grad_of(w, {x, z}, true);
  CHECK(values(g[0]) == V({2 * 3 * 3, 2 * 8 * 4}) && values(g[1]) == V({6, 16}));
  CHECK(!x.grad().defined() && !y.grad().defined());
  CHECK_THROWS(Error, grad_of(w, {x, other}, true));
  CHECK(!grad_of(w, {x, other}, true, false, true)[1].defined());
  CHECK_THROWS(Error, grad_of(w, {vec({1})}, true));
  g = grad_of(w, {z, z});
  CHECK(values(g[0]) == V({6, 16}) && values(g[1]) == V({6, 16}));
  const Tensor v = (x * y).sum();
  const Tensor inputs[] = {x};
  backward({&v, 1}, {}, false, false, inputs);
  CHECK(values(x.grad()) == V({3, 4}) && !y.grad().defined());
}

void test_versions() {
  const Tensor x = vec({1, 2}, true);
  {
    const Tensor y = x * 2, z = y * y;
    add_(y, 1);
    const std::string text = message_of([&] { z.sum().backward(); });
    CHECK(contains(text, "modified by an inplace operation") && contains(text, "expected version 0"));
    CHECK(!x.grad().defined());
  }
  {
    const Tensor y = exp(x);  // its result is saved
    mul_(y, 2);
    CHECK(contains(message_of([&] { y.sum().backward(); }), "modified by an inplace operation"));
  }
  {
    const Tensor y = x * 2, z = y * y;
    zero_(y[0].detach());  // also through a view without history
    CHECK(contains(message_of([&] { z.sum().backward(); }), "modified by an inplace operation"));
  }
  {
    const Tensor y = x * 2, z = y + y;  // saves nothing
    add_(y, 1);
    z.sum().backward();
    CHECK(values(x.grad()) == V({4, 4}));
  }
  CHECK_THROWS(Error, add_(x, 1));
  CHECK_THROWS(Error, zero_(x[0]));
  CHECK_THROWS(Error, zero_(x));
  Tensor hidden;
  const Tensor y = x * 2;
  {
    NoGradGuard no_grad;
    add_(x, 1);
    zero_(x[0]);
    hidden = y[0];
  }
  CHECK(values(x) == V({0, 3}));
  CHECK_THROWS(Error, add_(hidden, 1));
}

void test_inplace() {
  const Tensor x = vec({1, 2, 3}, true);
  {
    const Tensor y = x * 2;
    mul_(y, y);
    mul_(y, 3);
    y.sum().backward();
    CHECK(values(x.grad()) == V({24, 48, 72}));
    x.set_grad({});
  }
  {
    // CopySlices: the base follows a change of its view and the view a change of the base.
    const Tensor y = x * 1, head = y.slice(0, 0, 2), first = y[0];
    mul_(head, 10);
    CHECK(std::string(y.grad_fn()->name()) == "CopySlices");
    CHECK(std::string(first.grad_fn()->name()) == "AsStridedBackward0");
    mul_(y, y);
    add_(first, 1);
    (first + y.sum() + head.sum()).backward();
    CHECK(values(x.grad()) == V({3 * 200 * 1, 2 * 200 * 2, 6}));
    x.set_grad({});
  }
  {
    const Tensor y = zeros(DimVector{4}, DType::Float64);  // needs no gradient before
    copy_(y.slice(0, 1, 4), x);
    CHECK(y.requires_grad());
    (y * y).sum().backward();
    CHECK(values(x.grad()) == V({2, 4, 6}));
    x.set_grad({});
  }
  {
    const Tensor y = x * 2;
    fill_(y[1], 7);
    zero_(y[2]);
    (y * y).sum().backward();
    CHECK(values(x.grad()) == V({8, 0, 0}));
    x.set_grad({});
  }
  {
    const Tensor c = view_as_complex((vec({1, 2, 3, 4}, false) * 1).view(DimVector{2, 2}));
    c.set_requires_grad(true);
    const Tensor y = c * 1;
    mul_(real(y), 3);
    (real(y).sum() + imag(y).sum()).backward();
    CHECK(values(real(c.grad())) == V({3, 3}) && values(imag(c.grad())) == V({1, 1}));
  }
  {
    // retain_grad follows the tensor, and a tensor that dies is forgotten.
    Tensor y = x * 2;
    retain_grad(y);
    mul_(y, 3);
    const Tensor z = y.sum();
    z.backward({}, true);
    CHECK(values(y.grad()) == V({1, 1, 1}));
    y = Tensor();
    z.backward();
    CHECK(values(x.grad()) == V({12, 12, 12}));
    x.set_grad({});
  }
  {
    Tensor y = x * 2;
    Tensor v = y[0];
    retain_grad(v);
    mul_(y, 3);
    (v * 2).backward({}, true);
    CHECK(values(v.grad()) == V({2}));
    v = Tensor();
    y.sum().backward();
    x.set_grad({});
  }
}

void test_hooks() {
  const Tensor x = vec({1, 2}, true);
  int calls = 0;
  const uint64_t id = add_tensor_hook(x, [&](const Tensor& g) {
    ++calls;
    return g * 10;
  });
  (x * x).sum().backward();
  CHECK(calls == 1 && values(x.grad()) == V({20, 40}));
  const Tensor s = (x * 2).sum();
  CHECK(values(grad_of(s, {x})[0]) == V({20, 20}) && calls == 2);
  remove_tensor_hook(x, id);
  x.set_grad({});
  const Tensor y = x * 3;
  V seen;
  add_tensor_hook(y, [&](const Tensor& g) {
    seen = values(g);
    return Tensor();
  });
  const uint64_t second = add_tensor_hook(y, [](const Tensor& g) { return g + 1; });
  retain_grad(y);
  const Tensor z = (y * y).sum();
  z.backward({}, true);
  CHECK(seen == V({6, 12}) && values(x.grad()) == V({21, 39}));
  remove_tensor_hook(y, second);
  x.set_grad({});
  z.backward();
  CHECK(values(x.grad()) == V({18, 36}));
  CHECK_THROWS(Error, add_tensor_hook(vec({1}), [](const Tensor& g) { return g; }));
  CHECK_THROWS(Error, retain_grad(vec({1})));
  // A hook may run another backward, also through the graph that is running.
  const Tensor a = vec({2}, true), b = a * a, c = b * b;
  V inner;
  add_tensor_hook(b, [&](const Tensor&) {
    if (inner.empty()) {
      inner = {0};
      inner = values(grad_of(b, {a}, true)[0]);
    }
    return Tensor();
  });
  c.backward();
  CHECK(inner == V({4}) && values(a.grad()) == V({32}));
}

void test_exceptions() {
  const Tensor x = vec({1, 2}, true);
  const Tensor y = x * x, z = exp(y), w = (z * y).sum();
  bool armed = true;
  add_tensor_hook(y, [&](const Tensor&) -> Tensor {
    if (armed) throw std::runtime_error("in the middle");
    return {};
  });
  for (int i = 0; i < 3; ++i) {
    CHECK_THROWS(std::runtime_error, w.backward({}, true));
    CHECK(!x.grad().defined());
  }
  armed = false;
  w.backward();
  const V g = values(x.grad());
  for (int i = 0; i < 2; ++i) {
    const double v = i + 1, e = std::exp(v * v);
    CHECK(std::abs(g[i] - 2 * v * e * (1 + v * v)) < 1e-10 * g[i]);
  }
  // Within an in-place operation on a view.
  const Tensor u = vec({1, 2}, true), b = u * 1, factor = vec({3, 4}) * 1;
  mul_(b.slice(0, 0, 2), factor);
  const Tensor out = b.sum();
  add_(factor, 1);
  CHECK_THROWS(Error, out.backward({}, true));
  CHECK_THROWS(Error, out.backward({}, true));
  CHECK(!u.grad().defined());
  // A derivative of a user that throws, or gives a wrong shape.
  const Tensor p = vec({1, 2}, true), q = p.detach().clone();
  record("Thrower", q, {&p}, [](Grads& g) { g[0] = ones(DimVector{3}, DType::Float64); });
  CHECK(contains(message_of([&] { q.sum().backward({}, true); }), "invalid gradient"));
}

// Freed memory of a graph must show in the allocator's statistics.
void test_depth() {
  const int n = kAddressSanitizer || kThreadSanitizer ? 100000 : 1000000;
  const int64_t before = memory_stats().allocated_bytes;
  {
    const Tensor x = vec({1}, true);
    Tensor y = x;
    for (int i = 0; i < n; ++i) y = y + x;
    y.backward();
    CHECK(values(x.grad()) == V({static_cast<double>(n + 1)}));
    x.set_grad({});
    for (int i = 0; i < n; ++i) y = y * 1.0;  // never run: only freed
    TensorList g = grad_of(y, {x}, true, false);
    CHECK(values(g[0]) == V({static_cast<double>(n + 1)}));
  }
  {
    // Saved tensors hold the chain, too; in-place changes of views; freed in any order.
    const Tensor x = vec({1, 1}, true);
    Tensor y = x * 1;
    for (int i = 0; i < n / 10; ++i) y = sin(y * y);
    Tensor z = x * 1;
    for (int i = 0; i < n / 10; ++i) mul_(z[i % 2], 1);
    TensorList kept;
    Tensor w = x;
    for (int i = 0; i < n / 10; ++i) {
      w = exp(w) * 0;
      if (i % 3 == 0) kept.push_back(w);
    }
    z.sum().backward();
    CHECK(values(x.grad()) == V({1, 1}));
    std::mt19937 random(1);
    std::shuffle(kept.begin(), kept.end(), random);
  }
  if (!kAddressSanitizer) CHECK(memory_stats().allocated_bytes == before);
}

void test_shared_graphs() {
  const int64_t before = memory_stats().allocated_bytes;
  {
    const Tensor x = vec({1, 2}, true);
    const Tensor shared = exp(x);
    Tensor left = (shared * 2).sum();
    const Tensor right = (shared * shared).sum();
    left.backward({}, true);
    left = Tensor();
    right.backward({}, true);
    const V e = {std::exp(1.0), std::exp(2.0)};
    for (int i = 0; i < 2; ++i) CHECK(std::abs(values(x.grad())[i] - 2 * e[i] - 2 * e[i] * e[i]) < 1e-12 * e[i] * e[i]);
    // A wide diamond: 2^40 paths, 80 nodes.
    Tensor y = x;
    for (int i = 0; i < 40; ++i) y = y + y;
    x.set_grad({});
    y.sum().backward();
    CHECK(values(x.grad())[0] == std::ldexp(1.0, 40));
    // Results of a function with several, some unused and some dead.
    TensorList parts = split(x * 3, 1);
    parts.resize(1);
    x.set_grad({});
    parts[0].backward();
    CHECK(values(x.grad()) == V({3, 0}));
    // A graph outlives its leaf.
    Tensor root;
    {
      const Tensor leaf = vec({5}, true);
      root = leaf * leaf;
    }
    root.backward();
  }
  if (!kAddressSanitizer) CHECK(memory_stats().allocated_bytes == before);
}

void test_second_order() {
  const Tensor x = vec({1, 2, 3}, true);
  const Tensor y = (x * x * x).sum();
  const Tensor g = grad_of(y, {x}, true, true)[0];
  CHECK(g.requires_grad() && values(g) == V({3, 12, 27}));
  const Tensor h = grad_of(g.sum(), {x}, true, true)[0];
  CHECK(values(h) == V({6, 12, 18}));
  CHECK(values(grad_of(h.sum(), {x})[0]) == V({6, 6, 6}));
  // Results that are saved, in place and through a view.
  const Tensor z = x * 1;
  exp_(z.slice(0, 0, 2));
  const Tensor gz = grad_of(z.sum(), {x}, true, true)[0];
  const V gg = values(grad_of(gz.sum(), {x})[0]);
  CHECK(std::abs(gg[0] - std::exp(1.0)) < 1e-12 && std::abs(gg[1] - std::exp(2.0)) < 1e-12 && gg[2] == 0);
  // backward with create_graph makes .grad part of a graph.
  const Tensor u = vec({2}, true);
  tanh(u).backward({}, true, true);
  const Tensor first = u.grad();
  CHECK(first.requires_grad());
  const double th = std::tanh(2.0);
  CHECK(std::abs(values(grad_of(first, {u})[0])[0] + 2 * th * (1 - th * th)) < 1e-12);
  u.set_grad({});  // u.grad -> graph -> u was a cycle
}

void test_threads() {
  const Tensor x = vec({1, 2}, true);
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int k = 0; k < 4; ++k)
    threads.emplace_back([&, k] {
      for (int i = 0; i < 200; ++i) {
        const Tensor y = (x * static_cast<double>(k + 1)).sum();
        right += values(grad_of(y, {x})[0]) == V({k + 1.0, k + 1.0});
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 800);
}

}  // namespace

int main() {
  test_chain_rule();
  test_numeric();
  test_accumulation();
  test_grad();
  test_versions();
  test_inplace();
  test_hooks();
  test_exceptions();
  test_depth();
  test_shared_graphs();
  test_second_order();
  test_threads();
  return check_result();
}
