// Layout functions against brute force over indices. No operation of the library is called here.
#include <algorithm>
#include <limits>
#include <random>
#include <set>

#include "check.h"
#include "layout/layout.h"

using namespace rushlight;
using namespace rushlight::layout;

namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
std::mt19937_64 g_random(20240607);

int64_t random_int(int64_t low, int64_t high) {
  return low + static_cast<int64_t>(g_random() % static_cast<uint64_t>(high - low + 1));
}

int64_t product(IntSpan sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}

// Offsets of all elements in row-major order.
std::vector<int64_t> addresses(IntSpan sizes, IntSpan strides, int64_t offset) {
  std::vector<int64_t> result;
  const int64_t n = product(sizes);
  for (int64_t linear = 0; linear < n; ++linear) {
    int64_t rest = linear, at = offset;
    for (size_t i = sizes.size(); i-- > 0;) {
      at += rest % sizes[i] * strides[i];
      rest /= sizes[i];
    }
    result.push_back(at);
  }
  return result;
}
std::vector<int64_t> addresses(const Geometry& g) { return addresses(g.sizes, g.strides, g.offset); }
std::vector<int64_t> addresses(const Tensor& t) { return addresses(t.sizes(), t.strides(), t.storage_offset()); }

// A tensor on memory of `elements` floats, with any geometry.
Tensor tensor_on(const Ref<Storage>& storage, const Geometry& g, DType dtype = DType::Float32) {
  check_bounds("test", g.sizes, g.strides, g.offset, item_size(dtype), storage->nbytes());
  return Tensor::adopt(TensorImpl::create(storage, dtype, g.sizes, g.strides, g.offset));
}
Tensor tensor_of(const Geometry& g) {
  const int64_t n = std::max<int64_t>(required_elements(g.sizes, g.strides, g.offset), 1);
  return tensor_on(Storage::allocate(static_cast<size_t>(n) * 4), g);
}

DimVector random_sizes(int64_t max_dims, int64_t low = 0, int64_t high = 4) {
  DimVector sizes;
  for (int64_t n = random_int(0, max_dims); n > 0; --n) sizes.push_back(random_int(low, high));
  return sizes;
}

// A permuted, sliced, possibly broadcast dense layout.
Geometry random_geometry(int64_t max_dims, bool broadcast = true, int64_t low = 0) {
  Geometry g;
  g.sizes = random_sizes(max_dims, low);
  const int64_t n = g.sizes.size();
  g.strides = DimVector(n);
  DimVector order(n);
  for (int64_t i = 0; i < n; ++i) order[i] = i;
  if (random_int(0, 1)) std::shuffle(order.begin(), order.end(), g_random);
  int64_t step = random_int(0, 3) ? 1 : 2;
  for (int64_t i = n - 1; i >= 0; --i) {
    g.strides[order[i]] = step;
    step *= std::max<int64_t>(g.sizes[order[i]], 1) + (random_int(0, 3) ? 0 : 1);
    if (broadcast && random_int(0, 7) == 0) g.strides[order[i]] = 0;
  }
  g.offset = random_int(0, 3);
  return g;
}

void test_numbers() {
  CHECK(checked_numel(DimVector{}) == 1);
  CHECK(checked_numel(DimVector{2, 3, 4}) == 24);
  CHECK(checked_numel(DimVector{2, 0, 4}) == 0);
  CHECK(checked_numel(DimVector{kMax, kMax, 0}) == 0);
  CHECK_THROWS(Error, checked_numel(DimVector{2, -1}));
  CHECK_THROWS(Error, checked_numel(DimVector{kMax, 2}));
  CHECK_THROWS(Error, checked_numel(DimVector{kMax / 2}, 4));
  CHECK(contiguous_strides(DimVector{2, 3, 4}) == (DimVector{12, 4, 1}));
  CHECK(contiguous_strides(DimVector{2, 0, 4}) == (DimVector{4, 4, 1}));
  contiguous_strides(DimVector{kMax, kMax, kMax, 0});  // no undefined overflow
  CHECK(required_elements(DimVector{2, 3}, DimVector{3, 1}, 5) == 11);
  CHECK_THROWS(Error, required_elements(DimVector{3}, DimVector{kMax}, 0));
  CHECK_THROWS(Error, required_elements(DimVector{2}, DimVector{1}, kMax));

  for (int round = 0; round < 3000; ++round) {
    const Geometry g = random_geometry(4);
    const std::vector<int64_t> at = addresses(g);
    const bool dense = [&] {
      std::vector<int64_t> sorted = at;
      std::sort(sorted.begin(), sorted.end());
      for (size_t i = 0; i < sorted.size(); ++i)
        if (sorted[i] != g.offset + static_cast<int64_t>(i)) return false;
      return true;
    }();
    CHECK(is_non_overlapping_and_dense(g.sizes, g.strides) == dense);
    CHECK(is_contiguous(g.sizes, g.strides, product(g.sizes)) == (dense && std::is_sorted(at.begin(), at.end())));
    if (!at.empty())
      CHECK(required_elements(g.sizes, g.strides, g.offset) == *std::max_element(at.begin(), at.end()) + 1);
    const bool shares = std::set<int64_t>(at.begin(), at.end()).size() != at.size();
    if (shares) CHECK(may_self_overlap(g.sizes, g.strides));
    if (dense) CHECK(!may_self_overlap(g.sizes, g.strides));
    const DimVector like = dense_strides_like(g.sizes, g.strides);
    CHECK(is_non_overlapping_and_dense(g.sizes, like));
    // The dims keep their order in memory; a stride of 0 tells none.
    for (int64_t i = 0; i < g.sizes.size(); ++i)
      for (int64_t j = 0; j < g.sizes.size(); ++j)
        if (g.sizes[i] > 1 && g.sizes[j] > 1 && !at.empty() && g.strides[j] > 0 && g.strides[i] > g.strides[j])
          CHECK(like[i] > like[j]);
  }
}

void test_bounds() {
  check_bounds("test", DimVector{2, 3}, DimVector{3, 1}, 0, 4, 24);
  check_bounds("test", DimVector{0, 3}, DimVector{3, 1}, 100, 4, 0);
  check_bounds("test", DimVector{}, DimVector{}, 5, 4, 24);
  CHECK_THROWS(Error, check_bounds("test", DimVector{2, 3}, DimVector{3, 1}, 1, 4, 24));
  CHECK_THROWS(Error, check_bounds("test", DimVector{2, 3}, DimVector{3, 1}, 0, 4, 23));
  CHECK_THROWS(Error, check_bounds("test", DimVector{}, DimVector{}, 6, 4, 24));
  CHECK_THROWS(Error, check_bounds("test", DimVector{2}, DimVector{1, 1}, 0, 4, 24));
  CHECK_THROWS(Error, check_bounds("test", DimVector{2}, DimVector{-1}, 1, 4, 24));
  CHECK_THROWS(Error, check_bounds("test", DimVector{2}, DimVector{1}, -1, 4, 24));
  CHECK_THROWS(Error, check_bounds("test", DimVector{-2}, DimVector{1}, 0, 4, 24));
  CHECK_THROWS(Error, check_bounds("test", DimVector{3}, DimVector{kMax}, 0, 4, 24));
  CHECK_THROWS(Error, check_bounds("test", DimVector{2}, DimVector{kMax / 4}, 0, 8, 24));
  CHECK_THROWS(Error, check_bounds("test", DimVector{1}, DimVector{1}, kMax, 4, 24));
  CHECK_THROWS(Error, check_bounds("test", DimVector(kMaxDims + 1, 1), DimVector(kMaxDims + 1, 1), 0, 4, 24));
  // Every accepted geometry stays within the memory, whatever the numbers are.
  const int64_t odd[] = {0, 1, 2, 3, 5, kMax, kMax / 2, kMax / 8 + 1, -1, int64_t{1} << 32};
  for (int round = 0; round < 20000; ++round) {
    DimVector sizes, strides;
    for (int64_t n = random_int(0, 3); n > 0; --n) {
      sizes.push_back(odd[random_int(0, 9)]);
      strides.push_back(odd[random_int(0, 9)]);
    }
    const int64_t offset = odd[random_int(0, 9)];
    try {
      check_bounds("test", sizes, strides, offset, 4, 40);
    } catch (const Error&) {
      continue;
    }
    for (int64_t s : sizes)
      if (s > 10) sizes = DimVector{0};  // only with a size of 0 or strides of 0: too many to enumerate
    if (sizes.size() == strides.size())
      for (int64_t at : addresses(sizes, strides, offset)) CHECK(at >= 0 && at < 10);
  }
}

void test_infer_size() {
  CHECK(infer_size(DimVector{2, -1}, 6) == (DimVector{2, 3}));
  CHECK(infer_size(DimVector{-1}, 0) == (DimVector{0}));
  CHECK(infer_size(DimVector{}, 1) == DimVector{});
  CHECK_THROWS(Error, infer_size(DimVector{-1, -1}, 6));
  CHECK_THROWS(Error, infer_size(DimVector{4, -1}, 6));
  CHECK_THROWS(Error, infer_size(DimVector{0, -1}, 0));
  CHECK_THROWS(Error, infer_size(DimVector{-2, 3}, 6));
  CHECK_THROWS(Error, infer_size(DimVector{kMax, 2}, 6));
  CHECK_THROWS(Error, infer_size(DimVector{kMax, kMax, -1}, 6));
  try {
    infer_size(DimVector{4, 2}, 6);
    CHECK(false);
  } catch (const Error& e) {
    CHECK(std::string(e.what()) == "shape '[4, 2]' is invalid for input of size 6");
  }
}

// Whether some strides give `shape` the same addresses: the stride of dim i must be what one step along it costs.
bool view_exists(const std::vector<int64_t>& at, IntSpan shape) {
  DimVector strides(static_cast<int64_t>(shape.size()));
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[static_cast<int64_t>(i)] = shape[i] > 1 ? at[static_cast<size_t>(step)] - at[0] : 0;
    step *= shape[i];
  }
  return addresses(shape, strides, at[0]) == at;
}

void test_view() {
  int found = 0, refused = 0;
  for (int round = 0; round < 20000; ++round) {
    const Geometry g = random_geometry(4, round % 2 == 0, round % 5 == 0 ? 0 : 1);
    const int64_t n = product(g.sizes);
    // A random shape of n elements.
    DimVector shape;
    int64_t rest = n;
    for (int64_t d = random_int(0, 4); d > 0 && rest > 0; --d) {
      int64_t divisor = random_int(1, rest);
      while (rest % divisor) --divisor;
      shape.push_back(divisor);
      rest /= divisor;
    }
    shape.push_back(rest);
    if (random_int(0, 2) == 0) shape.push_back(1);
    const auto strides = view_strides(g.sizes, g.strides, shape);
    const std::vector<int64_t> at = addresses(g);
    if (n == 0) {
      CHECK(strides.has_value());
      continue;
    }
    CHECK(strides.has_value() == view_exists(at, shape));
    if (strides) CHECK(addresses(shape, *strides, g.offset) == at);
    ++(strides ? found : refused);
  }
  CHECK(found > 1000 && refused > 1000);
  CHECK(view_strides(DimVector{kMax, kMax, 0}, DimVector{1, 1, 1}, DimVector{0}).has_value());
  CHECK(view_strides(DimVector{}, DimVector{}, DimVector{1, 1}).has_value());
}

void test_broadcast() {
  for (int round = 0; round < 5000; ++round) {
    DimVector a = random_sizes(4, 0, 2), b = random_sizes(4, 0, 2);
    const int64_t n = std::max(a.size(), b.size());
    DimVector want(n);
    bool fits = true;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t sa = i < n - a.size() ? 1 : a[i - n + a.size()], sb = i < n - b.size() ? 1 : b[i - n + b.size()];
      fits = fits && (sa == sb || sa == 1 || sb == 1);
      want[i] = sa == 1 ? sb : sa;
    }
    if (!fits) {
      CHECK_THROWS(Error, broadcast_shapes(a, b));
      continue;
    }
    CHECK(broadcast_shapes(a, b) == want);
    CHECK(is_expandable_to(a, want) && is_expandable_to(b, want));
    CHECK(is_expandable_to(want, a) == (want == a));
    const DimVector own = contiguous_strides(a), strides = broadcast_strides(a, own, want);
    // Element by element: an index into `want` falls on the element of `a` with the dims of size 1 at 0.
    const std::vector<int64_t> wide = addresses(want, strides, 0);
    for (size_t linear = 0; linear < wide.size(); ++linear) {
      int64_t rest = static_cast<int64_t>(linear), at = 0;
      for (int64_t i = n - 1; i >= 0; --i) {
        const int64_t index = rest % want[i], k = i - (n - a.size());
        rest /= want[i];
        if (k >= 0 && a[k] != 1) at += index * own[k];
      }
      CHECK(wide[linear] == at);
    }
    const Geometry g = expand(tensor_of({a, own, 0}), want);
    CHECK(addresses(g) == wide && g.sizes == want);
  }
  try {
    broadcast_shapes(DimVector{2, 4}, DimVector{3});
    CHECK(false);
  } catch (const Error& e) {
    CHECK(std::string(e.what()) ==
          "The size of tensor a (4) must match the size of tensor b (3) at non-singleton dimension 1");
  }
  const Tensor t = tensor_of({{1, 3}, {3, 1}, 0});
  CHECK(expand(t, DimVector{5, 2, -1}).sizes == (DimVector{5, 2, 3}));
  CHECK_THROWS(Error, expand(t, DimVector{3}));
  CHECK_THROWS(Error, expand(t, DimVector{-1, 2, 3}));
  CHECK_THROWS(Error, expand(t, DimVector{2, 4}));
  CHECK_THROWS(Error, expand(t, DimVector{-2, 3}));
  CHECK_THROWS(Error, expand(t, DimVector{kMax, 3}));
  CHECK_THROWS(Error, expand(tensor_of({{1}, {1}, 0}), DimVector(kMaxDims + 1, 1)));
}

void test_select_and_slice() {
  for (int round = 0; round < 5000; ++round) {
    const Geometry base = random_geometry(3);
    const Tensor t = tensor_of(base);
    if (t.dim() == 0) continue;
    const int64_t dim = random_int(-t.dim(), t.dim() - 1), d = dim < 0 ? dim + t.dim() : dim, size = base.sizes[d];
    std::optional<int64_t> start, end;
    if (random_int(0, 3)) start = random_int(-6, 6);
    if (random_int(0, 3)) end = random_int(-6, 6);
    const int64_t step = random_int(1, 3);
    const Geometry g = slice(t, dim, start, end, step);
    // Python's rule, index by index.
    auto place = [&](std::optional<int64_t> at, int64_t otherwise) {
      const int64_t i = at.value_or(otherwise);
      return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size);
    };
    std::vector<int64_t> indices;
    for (int64_t i = place(start, 0); i < place(end, size); i += step) indices.push_back(i);
    CHECK(g.sizes[d] == static_cast<int64_t>(indices.size()));
    for (size_t k = 0; k < indices.size(); ++k) {
      const Geometry one = select(t, dim, indices[k]);
      const Geometry same = select(t, d, indices[k] - size);
      CHECK(addresses(one) == addresses(same));
      Geometry part = g;
      part.offset += static_cast<int64_t>(k) * g.strides[d];
      part.sizes.erase(d);
      part.strides.erase(d);
      CHECK(addresses(part) == addresses(one));
    }
    CHECK_THROWS(IndexError, select(t, dim, size));
    CHECK_THROWS(IndexError, select(t, dim, -size - 1));
    CHECK_THROWS(Error, slice(t, dim, start, end, 0));
    CHECK_THROWS(Error, slice(t, dim, start, end, -1));
    CHECK_THROWS(IndexError, slice(t, t.dim(), start, end, 1));
  }
  const Tensor t = tensor_of({{5}, {1}, 0});
  const int64_t low = std::numeric_limits<int64_t>::min();
  CHECK(slice(t, 0, low, kMax, kMax).sizes == (DimVector{1}));
  CHECK(slice(t, 0, kMax, low, 1).sizes == (DimVector{0}));
  CHECK(slice(t, 0, 5, {}, 1).offset == 5);
  CHECK_THROWS(IndexError, select(t, 0, low));
  CHECK_THROWS(IndexError, select(t, 0, kMax));
  CHECK_THROWS(IndexError, select(tensor_of({}), 0, 0));
  CHECK_THROWS(Error, slice(tensor_of({}), 0, {}, {}, 1));
  // A stride that is never followed may be anything.
  const Tensor odd = tensor_of({{1, 1}, {kMax, kMax}, 0});
  CHECK(slice(odd, 0, 1, {}, 1).offset == 0);
  CHECK(diagonal(odd, 0, 0, 1).sizes == (DimVector{1}));
  CHECK(unsqueeze(odd, 0).sizes == (DimVector{1, 1, 1}));
  CHECK(unfold(odd, 0, 1, kMax).sizes == (DimVector{1, 1, 1}));
}

void test_permutations() {
  for (int round = 0; round < 2000; ++round) {
    const Tensor t = tensor_of(random_geometry(4));
    DimVector order(t.dim());
    for (int64_t i = 0; i < t.dim(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), g_random);
    const Geometry g = permute(t, order);
    for (int64_t i = 0; i < t.dim(); ++i)
      CHECK(g.sizes[i] == t.sizes()[order[i]] && g.strides[i] == t.strides()[order[i]]);
    if (t.dim() >= 2) {
      const int64_t a = random_int(0, t.dim() - 1), b = random_int(0, t.dim() - 1);
      const Geometry s = transpose(t, a - t.dim(), b);
      DimVector swapped(t.dim());
      for (int64_t i = 0; i < t.dim(); ++i) swapped[i] = i == a ? b : i == b ? a : i;
      CHECK(addresses(s) == addresses(permute(t, swapped)));
    }
    const Geometry squeezed = squeeze(t, std::nullopt);
    CHECK(addresses(squeezed) == addresses(t));
    CHECK(std::count(squeezed.sizes.begin(), squeezed.sizes.end(), 1) == 0);
    const int64_t at = random_int(-t.dim() - 1, t.dim());
    const Geometry more = unsqueeze(t, at);
    CHECK(addresses(more) == addresses(t) && more.sizes.size() == t.dim() + 1);
    CHECK(more.sizes[at < 0 ? at + t.dim() + 1 : at] == 1);
  }
  const Tensor t = tensor_of({{2, 1, 3}, {3, 3, 1}, 0});
  CHECK_THROWS(Error, permute(t, DimVector{0, 1}));
  CHECK_THROWS(Error, permute(t, DimVector{0, 1, 1}));
  CHECK_THROWS(IndexError, permute(t, DimVector{0, 1, 3}));
  CHECK_THROWS(IndexError, transpose(t, 0, -4));
  CHECK_THROWS(IndexError, unsqueeze(t, 4));
  CHECK(squeeze(t, IntSpan(DimVector{1, 0})).sizes == (DimVector{2, 3}));
  CHECK_THROWS(Error, squeeze(t, IntSpan(DimVector{1, -2})));
  const Tensor most = tensor_of({DimVector(kMaxDims, 1), DimVector(kMaxDims, 1), 0});
  CHECK(squeeze(most, std::nullopt).sizes.empty());
  CHECK_THROWS(Error, squeeze(most, IntSpan(DimVector{0})));
  CHECK_THROWS(Error, unsqueeze(most, 0));
  CHECK_THROWS(Error, unfold(most, 0, 1, 1));
}

void test_diagonal_and_unfold() {
  for (int round = 0; round < 3000; ++round) {
    const Tensor t = tensor_of(random_geometry(4));
    if (t.dim() >= 2) {
      const int64_t a = random_int(0, t.dim() - 1), b = (a + random_int(1, t.dim() - 1)) % t.dim();
      const int64_t offset = random_int(-5, 5);
      const Geometry g = diagonal(t, offset, a, b - t.dim());
      // Element (rest..., i) is t[..., i + max(-offset, 0) at a, i + max(offset, 0) at b, ...].
      const int64_t rows = t.sizes()[a], columns = t.sizes()[b];
      int64_t length = 0;
      while (length + std::max<int64_t>(-offset, 0) < rows && length + std::max<int64_t>(offset, 0) < columns) ++length;
      CHECK(g.sizes.back() == length);
      for (int64_t i = 0; i < length; ++i) {
        Geometry one = select(tensor_of(g), g.sizes.size() - 1, i);
        const int64_t ia = i + std::max<int64_t>(-offset, 0), ib = i + std::max<int64_t>(offset, 0);
        Geometry want = geometry_of(t);
        want.offset += ia * want.strides[a] + ib * want.strides[b];
        for (int64_t d : {std::max(a, b), std::min(a, b)}) {
          want.sizes.erase(d);
          want.strides.erase(d);
        }
        CHECK(addresses(one) == addresses(want));
      }
    }
    if (t.dim() >= 1) {
      const int64_t d = random_int(0, t.dim() - 1), available = t.sizes()[d];
      const int64_t size = random_int(0, available), step = random_int(1, 3);
      const Geometry g = unfold(t, d, size, step);
      CHECK(g.sizes[d] == (available - size) / step + 1 && g.sizes.back() == size);
      for (int64_t w = 0; w < g.sizes[d]; ++w)
        for (int64_t k = 0; k < size; ++k) {
          Geometry one = g;
          one.offset += w * g.strides[d] + k * g.strides.back();
          one.sizes.erase(g.sizes.size() - 1);
          one.strides.erase(g.sizes.size() - 1);
          one.sizes.erase(d);
          one.strides.erase(d);
          CHECK(addresses(one) == addresses(select(t, d, w * step + k)));
        }
      CHECK_THROWS(Error, unfold(t, d, available + 1, step));
      CHECK_THROWS(Error, unfold(t, d, -1, step));
      CHECK_THROWS(Error, unfold(t, d, size, 0));
    }
  }
  const Tensor t = tensor_of({{2, 3}, {3, 1}, 0});
  CHECK_THROWS(Error, diagonal(t, 0, 1, 1));
  CHECK_THROWS(Error, diagonal(t, 0, -1, 1));
  CHECK_THROWS(IndexError, diagonal(t, 0, 0, 2));
  CHECK_THROWS(IndexError, diagonal(tensor_of({}), 0, 0, 1));
  CHECK(diagonal(t, kMax, 0, 1).sizes.back() == 0);
  CHECK(diagonal(t, std::numeric_limits<int64_t>::min(), 0, 1).sizes.back() == 0);
  CHECK(dim_set(DimVector{0, -1}, 3) == 5);
  CHECK_THROWS(Error, dim_set(DimVector{0, -3}, 3));
  CHECK_THROWS(IndexError, dim_set(DimVector{3}, 3));
}

void test_overlap() {
  const Ref<Storage> storage = Storage::allocate(400 * 4);
  int none = 0, partial = 0;
  for (int round = 0; round < 20000; ++round) {
    Geometry ga = random_geometry(3, false, 1), gb = round % 2 ? random_geometry(3, false, 1) : ga;
    gb.offset = random_int(0, 12);
    const DType da = round % 7 ? DType::Float32 : DType::Int8;
    const Tensor a = tensor_on(storage, ga, da), b = tensor_on(storage, gb);
    const std::vector<int64_t> ia = addresses(a), ib = addresses(b);
    std::set<int64_t> bytes;
    for (int64_t i : ia)
      for (int64_t k = 0; k < a.item_size(); ++k) bytes.insert(i * a.item_size() + k);
    bool meet = false;
    for (int64_t i : ib)
      for (int64_t k = 0; k < 4; ++k) meet = meet || bytes.count(i * 4 + k);
    const Overlap found = overlap(a, b);
    CHECK((found != Overlap::None) == meet);
    CHECK(overlap(b, a) == found);
    if (found == Overlap::Full) CHECK(ia == ib);
    none += found == Overlap::None;
    partial += found == Overlap::Partial;
  }
  CHECK(none > 1000 && partial > 1000);
  const Geometry g{{4}, {1}, 0};
  CHECK(overlap(tensor_on(storage, g), tensor_on(storage, g)) == Overlap::Full);
  CHECK(overlap(tensor_of(g), tensor_of(g)) == Overlap::None);
  CHECK(overlap(tensor_on(storage, {{0}, {1}, 0}), tensor_on(storage, g)) == Overlap::None);
  // Entangled strides end in a safe answer, soon.
  const Geometry tangled{{5, 5, 5, 5, 5}, {13, 11, 7, 5, 3}, 0}, shifted{{5, 5, 5, 5, 5}, {13, 11, 7, 5, 3}, 100};
  CHECK(overlap(tensor_on(storage, tangled), tensor_on(storage, shifted)) == Overlap::Partial);

  check_writable(tensor_of({{2, 3}, {3, 1}, 0}));
  check_writable(tensor_of({{1, 3}, {0, 1}, 0}));
  CHECK_THROWS(Error, check_writable(tensor_of({{2, 3}, {0, 1}, 0})));
  float values[4] = {};
  const Ref<Storage> fixed = Storage::wrap(values, sizeof values, {}, [](void*, void*, size_t) {}, nullptr, true);
  CHECK_THROWS(Error, check_writable(tensor_on(fixed, g)));
}

}  // namespace

int main() {
  test_numbers();
  test_bounds();
  test_infer_size();
  test_view();
  test_broadcast();
  test_select_and_slice();
  test_permutations();
  test_diagonal_and_unfold();
  test_overlap();
  return check_result();
}
