// Tensors: creation, views, copies, conversions, arithmetic, and that errors leave everything as it was.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "check.h"
#include "rushlight/rushlight.h"

using namespace rushlight;

namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
std::mt19937_64 g_random(20240607);

// The elements in row-major order.
std::vector<double> values(const Tensor& t) {
  const Tensor d = contiguous(to(t, DType::Float64));
  return {d.data_ptr<double>(), d.data_ptr<double>() + d.numel()};
}
Tensor make(std::vector<double> v, DimVector sizes, DType dtype = DType::Float32) {
  return to(from_data(v.data(), sizes, DType::Float64), dtype);
}
Tensor vec(std::vector<double> v, DType dtype = DType::Float32) {
  const int64_t n = static_cast<int64_t>(v.size());
  return make(std::move(v), {n}, dtype);
}
Tensor random_tensor(DimVector sizes, DType dtype = DType::Float32) {
  const Tensor t = empty(sizes, DType::Float64);
  for (int64_t i = 0; i < t.numel(); ++i)
    t.data_ptr<double>()[i] = static_cast<double>(static_cast<int64_t>(g_random() % 2001) - 1000) / 256;
  return to(t, dtype);
}
using V = std::vector<double>;
DimVector dims(IntSpan s) { return s; }

void test_creation() {
  const Tensor e = empty(DimVector{2, 3});
  CHECK(e.dtype() == DType::Float32 && e.numel() == 6 && e.is_contiguous() && dims(e.strides()) == (DimVector{3, 1}));
  CHECK(reinterpret_cast<uintptr_t>(e.data()) % 64 == 0);
  CHECK(reinterpret_cast<uintptr_t>(empty(DimVector{100000}).data()) % 64 == 0);
  CHECK(values(zeros(DimVector{2, 2})) == V({0, 0, 0, 0}));
  CHECK(values(ones(DimVector{3}, DType::Int16)) == V({1, 1, 1}));
  CHECK(full(DimVector{2}, 7).dtype() == DType::Int64 && full(DimVector{2}, true).dtype() == DType::Bool);
  CHECK(full(DimVector{}, 2.5).item<double>() == 2.5);
  CHECK(values(arange(0, 5, 2)) == V({0, 2, 4}) && arange(0, 5, 2).dtype() == DType::Int64);
  CHECK(values(arange(1.0, 0.0, -0.25)) == V({1, 0.75, 0.5, 0.25}));
  CHECK(arange(0, 0, 1).numel() == 0);
  CHECK(values(arange(kMax - 2, kMax, 1)).size() == 2);
  CHECK_THROWS(Error, arange(0, 5, 0));
  CHECK_THROWS(Error, arange(0, 5, -1));
  CHECK_THROWS(Error, arange(0.0, INFINITY, 1));
  CHECK(values(linspace(0, 1, 5)) == V({0, 0.25, 0.5, 0.75, 1}));
  CHECK(values(linspace(3, 9, 1)) == V({3}));
  CHECK_THROWS(Error, linspace(0, 1, -1));
  CHECK(values(eye(2, 3)) == V({1, 0, 0, 0, 1, 0}));
  CHECK_THROWS(Error, eye(-1));
  CHECK(empty(DimVector{0, 5}).numel() == 0);
  CHECK(empty(DimVector{kMax / 2, kMax / 2, 0}).numel() == 0);
  CHECK(flatten(empty(DimVector{2, 0, kMax / 2, 1}), 0, 1).numel() == 0);
  CHECK_THROWS(Error, empty(DimVector{2, 0, kMax / 2, kMax / 2}));  // strides beyond int64
  CHECK_THROWS(Error, empty(DimVector{-1}));
  CHECK_THROWS(Error, empty(DimVector{kMax, 2}));
  CHECK_THROWS(Error, empty(DimVector(kMaxDims + 1, 1)));
  CHECK_THROWS(OutOfMemoryError, empty(DimVector{int64_t{1} << 58}));
  CHECK(empty(DimVector(64, 1)).dim() == 64);
  CHECK_THROWS(Error, empty_strided(DimVector{2}, DimVector{1, 1}));
  CHECK_THROWS(Error, empty_strided(DimVector{2}, DimVector{-1}));
  CHECK_THROWS(Error, empty_strided(DimVector{3}, DimVector{kMax / 4}));
  CHECK(dims(empty_like(t(empty(DimVector{2, 3}))).strides()) == (DimVector{1, 3}));

  int freed = 0;
  float memory[6] = {0, 1, 2, 3, 4, 5};
  {
    const Tensor b = from_blob(
        memory, DimVector{3}, DimVector{2}, DType::Float32,
        [](void* count, void*, size_t nbytes) { *static_cast<int*>(count) += nbytes == 20; }, &freed);
    const Tensor view = b.slice(0, 1, 3);
    fill_(view, 9);
    CHECK(memory[2] == 9 && memory[4] == 9 && memory[3] == 3);
    CHECK_THROWS(Error, resize_(b, DimVector{100}));
    CHECK(b.numel() == 3 && freed == 0);
  }
  CHECK(freed == 1);
  CHECK_THROWS(Error, from_blob(memory, DimVector{3}, DimVector{1, 1}, DType::Float32));
  CHECK_THROWS(Error, from_blob(memory, DimVector{3}, DimVector{-1}, DType::Float32));
  const Tensor fixed = from_blob(memory, DimVector{6}, DimVector{1}, DType::Float32, nullptr, nullptr, true);
  CHECK_THROWS(Error, add_(fixed, 1));
  CHECK_THROWS(Error, fill_(fixed, 1));
  CHECK_THROWS(Error, zero_(fixed));
  CHECK_THROWS(Error, copy_(fixed, ones(DimVector{6})));
  CHECK_THROWS(Error, exp_(fixed));
  CHECK_THROWS(Error, exp_out(fixed, ones(DimVector{6})));
  CHECK(memory[0] == 0 && memory[5] == 5);
}

void test_views() {
  const Tensor x = reshape(arange(0, 24, 1, DType::Float32), DimVector{2, 3, 4});
  const Tensor v = x.view(DimVector{4, 6});
  CHECK(v.data() == x.data() && v.storage() == x.storage());
  fill_(v[0], -1);
  CHECK(values(x[0][0]) == V({-1, -1, -1, -1}) && x[0][1][1].item<double>() == -1 && x[0][1][2].item<double>() == 6);
  CHECK(x.version() == v.version() && x.version() > 0);
  const Tensor d = x.detach();
  CHECK(d.data() == x.data() && d.version() == x.version());
  const Tensor p = permute(x, DimVector{2, 0, 1});
  CHECK(dims(p.sizes()) == (DimVector{4, 2, 3}) && p.data() == x.data() && !p.is_contiguous());
  CHECK_THROWS(Error, p.view(DimVector{24}));
  CHECK(p.reshape(DimVector{24}).data() != x.data());
  CHECK(p.contiguous().is_contiguous() && values(p.contiguous()) == values(p));
  CHECK(x.reshape(DimVector{24}).data() == x.data());
  CHECK(values(expand(vec({1, 2}), DimVector{2, 2})) == V({1, 2, 1, 2}));
  CHECK_THROWS(Error, add_(expand(vec({1, 2}), DimVector{2, 2}), 1));
  CHECK(values(fill_(expand(vec({1, 2}), DimVector{2, 2}), 3)) == V({3, 3, 3, 3}));  // the same everywhere: no harm
  CHECK(values(diagonal(make({1, 2, 3, 4}, {2, 2}))) == V({1, 4}));
  CHECK(values(unfold(arange(0, 5, 1), 0, 3, 2)) == V({0, 1, 2, 2, 3, 4}));
  CHECK(values(flip(make({1, 2, 3, 4}, {2, 2}), DimVector{0, 1})) == V({4, 3, 2, 1}));
  CHECK(values(movedim(make({1, 2, 3, 4, 5, 6}, {2, 3}), DimVector{0}, DimVector{1})) == V({1, 4, 2, 5, 3, 6}));
  CHECK_THROWS(IndexError, x[2]);
  CHECK_THROWS(IndexError, x[-3]);
  CHECK_THROWS(IndexError, x.size(3));
  CHECK_THROWS(IndexError, narrow(x, 0, 3, 0));
  CHECK_THROWS(Error, narrow(x, 0, 1, kMax));
  CHECK_THROWS(Error, unflatten(x, 0, DimVector{kMax, 2, 2}));
  CHECK_THROWS(Error, unflatten(x, 0, DimVector{3}));
  CHECK(dims(unflatten(x, 2, DimVector{2, -1}).sizes()) == (DimVector{2, 3, 2, 2}));

  // Never outside the storage.
  const Tensor f = arange(0, 6, 1, DType::Float32);
  CHECK(values(as_strided(f, DimVector{2, 2}, DimVector{1, 2}, 1)) == V({1, 3, 2, 4}));
  CHECK_THROWS(Error, as_strided(f, DimVector{7}, DimVector{1}));
  CHECK_THROWS(Error, as_strided(f, DimVector{6}, DimVector{1}, 1));
  CHECK_THROWS(Error, as_strided(f, DimVector{2}, DimVector{kMax}));
  CHECK_THROWS(Error, as_strided(f, DimVector{2}, DimVector{-1}, 1));
  CHECK_THROWS(Error, as_strided(f, DimVector{2}, DimVector{1}, -1));
  CHECK_THROWS(Error, as_strided(f, DimVector{}, DimVector{}, 6));
  CHECK_THROWS(Error, as_strided(f, DimVector{2, 2}, DimVector{1}));

  TensorList parts = split(arange(0, 5, 1), 2);
  CHECK(parts.size() == 3 && values(parts[2]) == V({4}));
  CHECK(split(f, kMax).size() == 1 && chunk(f, kMax).size() == 6);
  CHECK(split(empty(DimVector{0}), 0).size() == 1);
  CHECK_THROWS(Error, split(f, 0));
  CHECK_THROWS(Error, split(f, -1));
  CHECK_THROWS(Error, chunk(f, 0));
  CHECK_THROWS(Error, split_with_sizes(f, DimVector{2, 2}));
  CHECK_THROWS(Error, split_with_sizes(f, DimVector{kMax, kMax}));
  CHECK(unbind(x).size() == 2 && values(unbind(f)[3]) == V({3}));

  const Tensor bits = view_dtype(f, DType::Int32);
  CHECK(bits.data() == f.data() && bits.data_ptr<int32_t>()[1] == 0x3f800000);
  CHECK(dims(view_dtype(f, DType::Float64).sizes()) == (DimVector{3}));
  CHECK(dims(view_dtype(f, DType::UInt8).sizes()) == (DimVector{24}));
  CHECK_THROWS(Error, view_dtype(f.slice(0, 1, 5), DType::Float64));
  CHECK_THROWS(Error, view_dtype(f.slice(0, 0, 5), DType::Float64));
  CHECK_THROWS(Error, view_dtype(f.slice(0, {}, {}, 2), DType::UInt8));
  CHECK_THROWS(Error, view_dtype(f[0], DType::UInt8));
  const Tensor c = view_as_complex(f.view(DimVector{3, 2}));
  CHECK(c.dtype() == DType::Complex64 && values(imag(c)) == V({1, 3, 5}) && real(c).data() == f.data());
  CHECK_THROWS(Error, view_as_complex(f));
  CHECK_THROWS(Error, imag(f));
  // One dim too many is an error, not a write past the end.
  const Tensor most = empty(DimVector(kMaxDims, 1), DType::Complex64);
  CHECK_THROWS(Error, unsqueeze(most, 0));
  CHECK_THROWS(Error, unfold(most, 0, 1, 1));
  CHECK_THROWS(Error, view_as_real(most));
  CHECK_THROWS(Error, stack(TensorList{most, most}));
  CHECK_THROWS(Error, most.view(DimVector(kMaxDims + 1, 1)));
  CHECK_THROWS(Error, expand(most, DimVector(kMaxDims + 1, 1)));
}

void test_copies() {
  const Tensor x = arange(0, 10, 1, DType::Float32);
  // Dense memory that meets is refused, as in torch; in all other cases the copy is as if through a temporary.
  CHECK_THROWS(Error, copy_(x.slice(0, 1, 10), x.slice(0, 0, 9)));
  const Tensor m = reshape(arange(0, 9, 1, DType::Float32), DimVector{3, 3});
  CHECK_THROWS(Error, copy_(m, t(m)));
  copy_(m.slice(1, 1, 3), m.slice(1, 0, 2));
  CHECK(values(m) == V({0, 0, 1, 3, 3, 4, 6, 6, 7}));
  copy_(m, vec({1, 2, 3}, DType::Int64));
  CHECK(values(m) == V({1, 2, 3, 1, 2, 3, 1, 2, 3}));
  const uint32_t before = m.version();
  const std::pair<DimVector, const char*> bad[] = {
      {{3, 4}, "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1"},
      {{2, 3, 3}, "output with shape [3, 3] doesn't match the broadcast shape [2, 3, 3]"}};
  for (const auto& [shape, message] : bad) {
    std::string text;
    try {
      copy_(m, zeros(shape));
    } catch (const Error& e) {
      text = e.what();
    }
    CHECK(text == message);
  }
  CHECK(m.version() == before && values(m)[1] == 2);
  CHECK_THROWS(Error, copy_(vec({1}), vec({1, 2, 3})));
  // Random strided copies within one memory.
  for (int round = 0; round < 300; ++round) {
    const Tensor base = random_tensor({64});
    auto piece = [&] {
      const Tensor p = as_strided(base, DimVector{4, 5}, g_random() % 2 ? DimVector{6, 1} : DimVector{1, 6},
                                  static_cast<int64_t>(g_random() % 30));
      return p;
    };
    const Tensor to_piece = piece(), from_piece = piece();
    const V want = values(from_piece);
    copy_(to_piece, from_piece);
    CHECK(values(to_piece) == want);
  }
}

void test_casts() {
  const V numbers = {0, 1, -1, 2.75, -2.75, 100};
  for (int a = 0; a < kNumComputeDTypes; ++a)
    for (int b = 0; b < kNumComputeDTypes; ++b) {
      const DType da = static_cast<DType>(a), db = static_cast<DType>(b);
      const Tensor from = vec({0, 1, 2, 100}, da), r = to(from, db);
      CHECK(r.dtype() == db);
      const V want = da == DType::Bool || db == DType::Bool ? V({0, 1, 1, 1}) : V({0, 1, 2, 100});
      CHECK(values(is_complex(db) ? real(r) : r) == want);
    }
  CHECK(values(vec(numbers, DType::Int32)) == V({0, 1, -1, 2, -2, 100}));
  CHECK(values(to(vec({-1, 256 + 3}, DType::Int32), DType::UInt8)) == V({255, 3}));
  CHECK(values(to(vec({65504, 1e-7, 65520}), DType::Float16))[0] == 65504);
  CHECK(std::isinf(values(to(vec({65520}), DType::Float16))[0]));
  CHECK(to(vec({1}), DType::Float32).is_same(to(vec({1}), DType::Float32)) == false);
  const Tensor x = vec({1});
  CHECK(to(x, DType::Float32).is_same(x) && !to(x, DType::Float32, true).is_same(x));
  CHECK(dims(to(t(zeros(DimVector{2, 3})), DType::Int8).strides()) == (DimVector{1, 3}));
  CHECK_THROWS(Error, zeros(DimVector{2}).item());
  CHECK(vec({3.7}).item<int64_t>() == 3 && vec({0.5}).item<bool>());
}

void test_promotion() {
  auto result = [](DType a, DType b) { return promote_types(a, b); };
  CHECK(result(DType::Int32, DType::Float16) == DType::Float16);
  CHECK(result(DType::UInt8, DType::Int8) == DType::Int16);
  CHECK(result(DType::Float16, DType::BFloat16) == DType::Float32);
  CHECK(result(DType::Float64, DType::Complex64) == DType::Complex128);
  for (int a = 0; a < kNumComputeDTypes; ++a)
    for (int b = 0; b < kNumComputeDTypes; ++b) {
      const DType da = static_cast<DType>(a), db = static_cast<DType>(b);
      CHECK(promote_types(da, db) == promote_types(db, da));
      const Tensor sum = add(vec({2, 1}, da), vec({3, 0}, db));
      CHECK(sum.dtype() == promote_types(da, db));
      const bool both = da == DType::Bool && db == DType::Bool;
      const double first = both ? 1 : (da == DType::Bool ? 1 : 2) + (db == DType::Bool ? 1 : 3);
      CHECK(values(is_complex(sum.dtype()) ? real(sum) : sum) == V({first, 1}));
      const DType divided = div(vec({2}, da), vec({1}, db)).dtype();
      CHECK(divided == (is_integral(promote_types(da, db), true) ? DType::Float32 : promote_types(da, db)));
      if (!is_complex(db)) CHECK(lt(vec({2}, DType::Float32), vec({1}, db)).dtype() == DType::Bool);
    }
  // Dims outrank 0-d tensors, those outrank numbers.
  CHECK(add(vec({1}, DType::Int32), full(DimVector{}, 1, DType::Int64)).dtype() == DType::Int32);
  CHECK(add(vec({1}, DType::Int32), full(DimVector{}, 1, DType::Float64)).dtype() == DType::Float64);
  CHECK(mul(vec({1}, DType::Float16), 2.0).dtype() == DType::Float16);
  CHECK(mul(vec({1}, DType::Int8), 2.0).dtype() == DType::Float32);
  CHECK(values(add(make({1, 2, 3}, {3, 1}), vec({10, 20}))) == V({11, 21, 12, 22, 13, 23}));
  CHECK(values(add(vec({1, 2}), vec({3, 4}), 2)) == V({7, 10}));
  CHECK(values(vec({1, 2}) - 3) == V({-2, -1}) && values(rsub(vec({1, 2}), 3)) == V({2, 1}));
  CHECK(values(floor_divide(vec({-7, 7}, DType::Int32), 2)) == V({-4, 3}));
  CHECK(values(remainder(vec({-7, 7}, DType::Int32), 4)) == V({1, 3}));
  CHECK(values(clamp(vec({-2, 0, 9}), Scalar(-1), Scalar(3))) == V({-1, 0, 3}));
  CHECK(values(where(gt(vec({1, -1}), 0), vec({5, 6}), 0)) == V({5, 0}));
  // Strided operands against contiguous copies of them.
  for (int round = 0; round < 200; ++round) {
    const Tensor a = permute(random_tensor({3, 4, 5}), DimVector{2, 0, 1}),
                 b = random_tensor({5, 1, 4}, DType::Float64);
    CHECK(equal(mul(a, b), mul(contiguous(a), contiguous(expand(b, DimVector{5, 3, 4})))));
    const Tensor column = a.slice(1, 0, 2), other = a.slice(1, 1, 3);
    CHECK(equal(sub(column, other), sub(contiguous(column), contiguous(other))));
  }
  // Columns of one matrix may be added to each other.
  const Tensor m = make({1, 2, 3, 4}, {2, 2});
  add_(select(m, 1, 0), select(m, 1, 1));
  CHECK(values(m) == V({3, 2, 7, 4}));
}

void test_reductions() {
  for (int round = 0; round < 100; ++round) {
    const int64_t a = 1 + static_cast<int64_t>(g_random() % 7), b = 1 + static_cast<int64_t>(g_random() % 40),
                  c = 1 + static_cast<int64_t>(g_random() % 7);
    Tensor x = random_tensor({a, b, c}, round % 3 ? DType::Float32 : DType::Float64);
    if (round % 2) x = contiguous(permute(x, DimVector{2, 1, 0})), x = permute(x, DimVector{2, 1, 0});
    const V v = values(x);
    V want(static_cast<size_t>(a * c), 0), largest(static_cast<size_t>(a * c), -INFINITY);
    for (int64_t i = 0; i < a; ++i)
      for (int64_t j = 0; j < b; ++j)
        for (int64_t k = 0; k < c; ++k) {
          const double e = v[static_cast<size_t>((i * b + j) * c + k)];
          want[static_cast<size_t>(i * c + k)] += e;
          largest[static_cast<size_t>(i * c + k)] = std::max(largest[static_cast<size_t>(i * c + k)], e);
        }
    const DimVector dim{1};
    const Tensor s = sum(x, IntSpan(dim));
    CHECK(dims(s.sizes()) == (DimVector{a, c}) && dims(sum(x, IntSpan(dim), true).sizes()) == (DimVector{a, 1, c}));
    const V got = values(s);
    for (size_t i = 0; i < want.size(); ++i) CHECK(std::abs(got[i] - want[i]) < 1e-3);
    CHECK(values(amax(x, IntSpan(dim))) == largest);
    double total = 0;
    for (double e : v) total += e;
    CHECK(std::abs(x.sum().item<double>() - total) < 1e-3);
    CHECK(std::abs(x.mean().item<double>() - total / static_cast<double>(v.size())) < 1e-4);
  }
  CHECK(sum(vec({1, 2}, DType::Bool)).dtype() == DType::Int64 && sum(empty(DimVector{0})).item<double>() == 0);
  CHECK_THROWS(Error, amax(empty(DimVector{0})));
  CHECK_THROWS(IndexError, sum(vec({1}), IntSpan(DimVector{1})));
  CHECK_THROWS(Error, sum(zeros(DimVector{2, 2}), IntSpan(DimVector{0, -2})));
  CHECK(values(cumsum(vec({1, 2, 3}), 0)) == V({1, 3, 6}));
  CHECK(values(cat(TensorList{vec({1}), vec({2, 3})})) == V({1, 2, 3}));
}

void test_matmul() {
  const std::tuple<int64_t, int64_t, int64_t> sizes[] = {{1, 1, 1},    {2, 3, 4}, {17, 5, 33},
                                                         {64, 64, 64}, {3, 0, 2}, {70, 129, 65}};
  for (DType dtype : {DType::Float32, DType::Float64, DType::Int32, DType::Int64, DType::Float16, DType::BFloat16})
    for (const auto& [m, k, n] : sizes)
      for (int form = 0; form < 4; ++form) {
        Tensor a = form & 1 ? t(random_tensor({k, m})) : random_tensor({m, k});
        Tensor b = form & 2 ? t(random_tensor({n, k})) : random_tensor({k, n});
        if (!is_floating_point(dtype) || item_size(dtype) == 2) {  // small integers: exact in every type
          a = remainder(floor(a), 4);
          b = remainder(floor(b), 3);
        }
        a = to(a, dtype);
        b = to(b, dtype);
        const V va = values(a), vb = values(b), got = values(matmul(a, b));
        bool close = got.size() == static_cast<size_t>(m * n);
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            double want = 0;
            for (int64_t l = 0; l < k; ++l)
              want += va[static_cast<size_t>(i * k + l)] * vb[static_cast<size_t>(l * n + j)];
            const double tolerance = dtype == DType::Float64    ? 1e-9
                                     : dtype == DType::Float32  ? 2e-3
                                     : dtype == DType::BFloat16 ? want / 100
                                                                : 0.25;
            close = close && std::abs(got[static_cast<size_t>(i * n + j)] - want) <= tolerance;
          }
        CHECK(close);
      }
  CHECK(dims(matmul(zeros(DimVector{5, 1, 2, 3}), zeros(DimVector{4, 3, 2})).sizes()) == (DimVector{5, 4, 2, 2}));
  CHECK(matmul(vec({1, 2}), vec({3, 4})).item<double>() == 11);
  CHECK(values(matmul(make({1, 2, 3, 4}, {2, 2}), vec({1, 1}))) == V({3, 7}));
  CHECK_THROWS(Error, matmul(zeros(DimVector{2, 3}), zeros(DimVector{2, 3})));
  CHECK_THROWS(Error, matmul(zeros(DimVector{}), zeros(DimVector{2})));
  CHECK_THROWS(Error, matmul(zeros(DimVector{2, 2}), zeros(DimVector{2, 2}, DType::Float64)));
}

// Runs something that must raise E and leave x, its sizes and its version as they are.
template <class E>
void refused(const Tensor& x, const std::function<void()>& f, int line) {
  const V before = values(x);
  const DimVector sizes = x.sizes();
  const uint32_t version = x.version();
  bool thrown = false;
  try {
    f();
  } catch (const E&) {
    thrown = true;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "line %d: other exception: %s\n", line, e.what());
  }
  const bool same = values(x) == before && dims(x.sizes()) == sizes && x.version() == version;
  if (!thrown || !same) std::fprintf(stderr, "line %d: thrown %d, unchanged %d\n", line, thrown, same);
  CHECK(thrown && same);
}
#define REFUSED(type, x, ...) refused<type>(x, [&] { __VA_ARGS__; }, __LINE__)

void test_errors() {
  const Tensor x = make({1, 2, 3, 4, 5, 6}, {2, 3}), i = vec({1, 2, 3}, DType::Int32), b = vec({1, 0}, DType::Bool);
  REFUSED(Error, x, add_(x, zeros(DimVector{4})));
  REFUSED(Error, x, add_(x, zeros(DimVector{2, 2, 3})));
  REFUSED(Error, x, add_(x.view(DimVector{6}).slice(0, 1, 6), x.view(DimVector{6}).slice(0, 0, 5)));
  REFUSED(Error, x, copy_(x, zeros(DimVector{2})));
  REFUSED(Error, x, fill_(x, vec({1, 2})));
  REFUSED(Error, x, exp_out(x.slice(1, 0, 2), x.slice(1, 1, 3)));
  REFUSED(Error, x, x.view(DimVector{5}));
  REFUSED(Error, x, x.reshape(DimVector{-1, 4}));
  REFUSED(Error, x, resize_(x, DimVector{-2}));
  REFUSED(Error, x, resize_(x, DimVector{kMax, kMax}));
  REFUSED(OutOfMemoryError, x, resize_(x, DimVector{int64_t{1} << 58}));
  REFUSED(Error, x, fill_(x, Scalar(std::complex<double>(1, 1))));
  REFUSED(NotImplementedError, x, bitwise_and(x, x));
  REFUSED(Error, i, add_(i, 1.5));
  REFUSED(Error, i, div_(i, 2));
  REFUSED(Error, i, floor_divide_(i, 0));
  REFUSED(Error, i, remainder_(i, zeros(DimVector{3}, DType::Int32)));
  REFUSED(Error, i, exp_(i));
  REFUSED(Error, i, pow_(i, -1));
  REFUSED(Error, i, add(i, 1, 0.5));
  const Tensor u = vec({1, 2}, DType::UInt8);
  REFUSED(Error, u, fill_(u, 300));
  CHECK(values(add(u, 300)) == V({45, 46}));  // numbers beside integers wrap
  REFUSED(Error, b, neg(b));
  REFUSED(Error, b, sub(b, b));
  REFUSED(Error, b, add_(b, 1));
  REFUSED(IndexError, x, transpose(x, 0, 2));
  REFUSED(IndexError, x, index_select(x, 0, vec({2}, DType::Int64)));
  REFUSED(IndexError, x, index(x, TensorList{vec({-3}, DType::Int64)}));
  REFUSED(Error, x, gather(x, 1, vec({3}, DType::Int64).view(DimVector{1, 1})));
  REFUSED(Error, x, scatter_(x, 1, vec({0, 3}, DType::Int64).view(DimVector{1, 2}), 1.0));
  REFUSED(Error, x, cat(TensorList{x, zeros(DimVector{3, 2})}));
  CHECK_THROWS(Error, set_default_dtype(DType::Int32));
  CHECK(default_dtype() == DType::Float32);
  CHECK_THROWS(Error, Device::parse("gpu"));
  CHECK_THROWS(Error, Device::parse("cpu:x"));
  CHECK_THROWS(AssertionError, empty(DimVector{1}, {}, {DeviceType::CUDA, 0}));
  CHECK_THROWS(NotImplementedError, empty(DimVector{1}, {}, {DeviceType::Meta, -1}));
}

void test_storage() {
  const Tensor x = vec({1, 2, 3});
  const Tensor v = x.slice(0, 1, 3);
  resize_(x, DimVector{2000});  // from inside the header's block to one of its own
  CHECK(x.numel() == 2000 && values(x.slice(0, 0, 3)) == V({1, 2, 3}) && values(v) == V({2, 3}));
  fill_(v, 7);
  CHECK(values(x.slice(0, 0, 3)) == V({1, 7, 7}));
  resize_(x, DimVector{2, 1});
  CHECK(values(x) == V({1, 7}) && x.storage()->nbytes() == 8000);
  x.storage()->resize(100000);
  CHECK(values(x) == V({1, 7}) && values(v) == V({7, 7}));
  x.storage()->resize(12);
  CHECK(values(v) == V({7, 7}));
  const Tensor tail = v.slice(0, 1, 2);
  resize_(tail, DimVector{3});
  CHECK(tail.storage()->nbytes() == 20 && values(tail.slice(0, 0, 1)) == V({7}));
  const Tensor none = empty(DimVector{0});
  resize_(none, DimVector{3, 3});
  fill_(none, 1);
  CHECK(none.sum().item<double>() == 9);

  // Tensor.data = other: own counter, shared memory.
  const Tensor a = vec({1, 2}), view_of_a = a.slice(0, 0, 1), other = make({5, 6, 7, 8}, {2, 2}, DType::Float64);
  fill_(a, 3);
  const uint32_t version = a.version();
  set_storage(a, other);
  CHECK(a.dtype() == DType::Float64 && values(a) == V({5, 6, 7, 8}) && a.version() == version);
  fill_(other, 0);
  CHECK(values(a) == V({0, 0, 0, 0}) && a.version() == version && values(view_of_a) == V({3}));
  const Tensor kept = a.detach();
  set_storage(a, a);
  add_(kept, 1);
  CHECK(a.version() == version + 1);
  CHECK(x.storage()->use_count() == 3);
}

// Any byte but 0 is true, whoever wrote it.
void test_bool_bytes() {
  std::vector<uint8_t> bytes(1000);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(g_random() % 4 * 67);
  const int64_t n = static_cast<int64_t>(bytes.size()), one = 1;
  const Tensor b = from_blob(bytes.data(), IntSpan(&n, 1), IntSpan(&one, 1), DType::Bool);
  const Tensor plain = ne(from_blob(bytes.data(), IntSpan(&n, 1), IntSpan(&one, 1), DType::UInt8), 0);
  const int64_t count = n - std::count(bytes.begin(), bytes.end(), 0);
  CHECK(b.sum().item<int64_t>() == count && equal(b, plain) && values(b) == values(plain));
  CHECK(!any(bitwise_xor(b, plain)).item<bool>() && all(eq(b, plain)).item<bool>());
  CHECK(b.slice(0, 0, n, 3).sum().item<int64_t>() == plain.slice(0, 0, n, 3).sum().item<int64_t>());
}

void test_lazy_bits() {
  const Tensor z = complex(vec({1, 3}), vec({2, -1}));
  const Tensor i = imag(lazy_conj(z)), n = lazy_neg(vec({1, 2}));
  CHECK(i.is_neg() && !i.is_conj() && i.is_lazy() && values(i) == V({-2, 1}) && i.storage() == z.storage());
  CHECK_THROWS(Error, i.data());
  CHECK_THROWS(Error, lazy_conj(z).data());
  CHECK_THROWS(Error, add(n, n));
  CHECK_THROWS(Error, view_dtype(n, DType::Int32));
  copy_(i, vec({5, 6}));
  CHECK(values(imag(z)) == V({-5, -6}) && resolve_lazy(i).data() && values(resolve_neg(n)) == V({-1, -2}));
  CHECK(n[0].item<double>() == -1 && !n.clone().is_neg() && n.detach().is_neg() && !lazy_neg(n).is_neg());
  const Tensor both = lazy_neg(lazy_conj(z));
  CHECK(!resolve_conj(both).is_lazy() && resolve_neg(both)[1].item().to_complex() == std::complex<double>(-3, -6));
}

void test_shared_memory() {
  for (const double size : {3.0, 100000.0}) {
    const Tensor t = vec({0, size}), whole = cat(std::vector<Tensor>(static_cast<size_t>(size), t));
    const Tensor view = whole.slice(0, 1, 2);
    const V before = values(whole);
    SharedMemory::share(whole.storage());
    CHECK(whole.storage()->is_shared() && values(whole) == before && !whole.storage()->resizable());
    CHECK_THROWS(Error, whole.storage()->resize(1 << 25));
    const int descriptor = SharedMemory::descriptor(*whole.storage());
    CHECK(SharedMemory::open(descriptor, whole.storage()->nbytes()) == whole.storage());
    CHECK_THROWS(Error, SharedMemory::open(descriptor, whole.storage()->nbytes() + 4096));
    CHECK(SharedMemory::count_messages(*whole.storage(), 2) == 2);
    CHECK(SharedMemory::count_messages(*whole.storage(), -2) == 0);
    fill_(view, 9);
    CHECK(whole[1].item<double>() == 9);
  }
  CHECK(SharedMemory::descriptor(*vec({1}).storage()) == -1);
}

}  // namespace

int main() {
  set_warning_handler([](const std::string&) {});
  test_creation();
  test_views();
  test_copies();
  test_casts();
  test_promotion();
  test_reductions();
  test_matmul();
  test_errors();
  test_storage();
  test_bool_bytes();
  test_lazy_bits();
  test_shared_memory();
  return check_result();
}
