#include <algorithm>
#include <cstring>
#include <numeric>

#include "cpu/boolean.h"
#include "cpu/loop_plan.h"
#include "ops/sort.h"

namespace rushlight {

namespace {

constexpr int64_t kBlock = 512;

void check_unique(const char* name, const char* kernel, const Tensor& self) {
  check_cpu(name, self);
  if (!cpu::has_order(self.dtype())) fail_unsupported(kernel, self.dtype());
}

struct Keys {
  explicit Keys(DType dtype)
      : kernel(cpu::sorts().kernel[static_cast<int>(dtype)]),
        has_nan(is_floating_point(dtype)),
        nan(dtype == DType::Float64 ? INT64_MAX : int64_t{INT32_MAX}),
        item(item_size(dtype)) {}
  bool equal(int64_t a, int64_t b) const { return a == b && !(has_nan && a == nan); }

  const cpu::SortKernel& kernel;
  bool has_nan;
  int64_t nan, item;
};

// The positions where a run of equal elements begins in n contiguous elements.
std::vector<int64_t> run_starts(const char* data, int64_t n, const Keys& keys) {
  std::vector<int64_t> starts;
  int64_t block[kBlock], before = 0;
  size_t count = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = std::min(kBlock, n - i);
    keys.kernel.keys(block, data + i * keys.item, keys.item, m, 0);
    if (starts.size() < count + kBlock) starts.resize(2 * starts.size() + kBlock);
    for (int64_t j = 0; j < m; ++j) {
      starts[count] = i + j;
      count += i + j == 0 || !keys.equal(block[j], before);
      before = block[j];
    }
  }
  starts.resize(count);
  return starts;
}

// counts: distances between starts; inverse[order[i]] = the run that i lies in, in row-major `shape`. order: null for
// the order as it is.
void fill_runs(Unique& out, const std::vector<int64_t>& starts, int64_t n, const int64_t* order, IntSpan shape,
               bool return_inverse, bool return_counts) {
  const int64_t runs = static_cast<int64_t>(starts.size());
  out.inverse = out.counts = empty(DimVector{0}, DType::Int64);
  if (return_counts) {
    out.counts = empty(DimVector{runs}, DType::Int64);
    int64_t* const c = out.counts.data_ptr<int64_t>();
    for (int64_t i = 0; i < runs; ++i)
      c[i] = (i + 1 < runs ? starts[static_cast<size_t>(i + 1)] : n) - starts[static_cast<size_t>(i)];
  }
  if (!return_inverse) return;
  out.inverse = empty(shape, DType::Int64);
  int64_t* const to = out.inverse.data_ptr<int64_t>();
  for (int64_t i = 0; i < runs; ++i) {
    const int64_t end = i + 1 < runs ? starts[static_cast<size_t>(i + 1)] : n;
    for (int64_t j = starts[static_cast<size_t>(i)]; j < end; ++j) to[order ? order[j] : j] = i;
  }
}

template <class E>
void pick_items(char* to, const char* from, const std::vector<int64_t>& at) {
  for (size_t i = 0; i < at.size(); ++i) reinterpret_cast<E*>(to)[i] = reinterpret_cast<const E*>(from)[at[i]];
}

Tensor values_at(const Tensor& data, const std::vector<int64_t>& starts) {
  const Tensor out = empty(DimVector{static_cast<int64_t>(starts.size())}, data.dtype());
  switch (data.item_size()) {
    case 1: pick_items<uint8_t>(out.data(), data.data(), starts); break;
    case 2: pick_items<uint16_t>(out.data(), data.data(), starts); break;
    case 4: pick_items<uint32_t>(out.data(), data.data(), starts); break;
    default: pick_items<uint64_t>(out.data(), data.data(), starts); break;
  }
  return out;
}

// The first elements of the runs in n contiguous elements, which compare as T.
template <class T>
Tensor firsts_as(const Tensor& data) {
  const T* const x = reinterpret_cast<const T*>(data.data());
  const int64_t n = data.numel();
  const Tensor room = empty(DimVector{n}, data.dtype());
  T* const to = reinterpret_cast<T*>(room.data());
  int64_t count = 0;
  if (n > 0) to[count++] = x[0];
  for (int64_t i = 1; i < n; ++i) {  // count <= i
    to[count] = x[i];
    count += x[i] != x[i - 1];
  }
  if (count == n) return room;
  const Tensor out = empty(DimVector{count}, data.dtype());
  if (count) std::memcpy(out.data(), to, static_cast<size_t>(count) * sizeof(T));
  return out;
}
Tensor firsts(const Tensor& data) {
  switch (data.dtype()) {
    case DType::Bool: return firsts_as<cpu::Boolean>(data);
    case DType::Float32: return firsts_as<float>(data);
    case DType::Float64: return firsts_as<double>(data);
    case DType::Float16:
    case DType::BFloat16: return values_at(data, run_starts(data.data(), data.numel(), Keys(data.dtype())));
    default: break;
  }
  switch (data.item_size()) {
    case 1: return firsts_as<uint8_t>(data);
    case 2: return firsts_as<uint16_t>(data);
    case 4: return firsts_as<uint32_t>(data);
    default: return firsts_as<uint64_t>(data);
  }
}

// Results have no derivative, and say so when one is asked for.
void record_none(const char* node, const char* name, const Tensor& self, const Tensor& values) {
  if (!autograd::needs(self)) return;
  autograd::record(node, values, {&self}, [name](autograd::Grads&) {
    fail<NotImplementedError>("the derivative for '", name, "' is not implemented.");
  });
}

// How slices along a dim follow each other.
struct Slices {
  Tensor moved;  // [n, m], contiguous
  int64_t n = 0, m = 0;
  std::vector<int64_t> keys;

  int compare(int64_t a, int64_t b) const {
    const int64_t* const x = keys.data() + a * m;
    const int64_t* const y = keys.data() + b * m;
    for (int64_t i = 0; i < m; ++i)
      if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    return 0;
  }
  bool equal(int64_t a, int64_t b, const Keys& k) const {
    const int64_t* const x = keys.data() + a * m;
    const int64_t* const y = keys.data() + b * m;
    for (int64_t i = 0; i < m; ++i)
      if (!k.equal(x[i], y[i])) return false;
    return true;
  }
};

Unique along_dim(const char* name, bool sorted, const Tensor& self, int64_t dim, bool return_inverse,
                 bool return_counts) {
  check_cpu(name, self);
  if (self.dim() == 0) fail<IndexError>("Dimension specified as ", dim, " but tensor has no dimensions");
  const int64_t d = wrap_dim(dim, self.dim());
  const int64_t empty_dims = std::count(self.sizes().begin(), self.sizes().end(), int64_t{0});
  if (self.size(d) == 0 && empty_dims > 1)
    fail("Number of zero sized dimensions is more than one, so unique cannot be applied ");
  if (self.size(d) != 0 && empty_dims)
    fail("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
  if (!cpu::has_order(self.dtype())) fail_unsupported(name, self.dtype());
  const Keys keys(self.dtype());
  Unique out;
  Slices slices;
  const DimVector from{d}, front{0};
  slices.n = self.size(d);
  slices.m = slices.n ? self.numel() / slices.n : 0;
  {
    NoGradGuard guard;
    slices.moved = contiguous(movedim(share(self), from, front));
  }
  slices.keys.resize(static_cast<size_t>(self.numel()));
  std::vector<int64_t> order(static_cast<size_t>(slices.n)), starts, first;
  {
    cpu::BlockingRegion region(self.numel() > cpu::kSerialElements);
    keys.kernel.keys(slices.keys.data(), slices.moved.data(), keys.item, self.numel(), 0);
    std::iota(order.begin(), order.end(), int64_t{0});
    if (sorted)
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return slices.compare(a, b) < 0; });
    for (int64_t i = 0; i < slices.n; ++i) {
      const int64_t at = order[static_cast<size_t>(i)];
      if (i && slices.equal(order[static_cast<size_t>(i - 1)], at, keys)) continue;
      starts.push_back(i);
      first.push_back(at);
    }
    fill_runs(out, starts, slices.n, order.data(), IntSpan(&slices.n, 1), return_inverse, return_counts);
  }
  NoGradGuard guard;
  const int64_t count = static_cast<int64_t>(first.size());
  const Tensor index = from_data(first.data(), IntSpan(&count, 1), DType::Int64);
  out.values = share(movedim(index_select(slices.moved, 0, index), front, from));
  return out;
}

}  // namespace

Unique unique(const Tensor& self, bool return_inverse, bool return_counts) {
  check_unique("unique", "unique", self);
  const int64_t n = self.numel();
  Unique out;
  {
    NoGradGuard guard;
    const Tensor flat = reshape(share(self), IntSpan(&n, 1));
    const Tensor sorted = empty(flat.sizes(), self.dtype());
    const Tensor order = return_inverse ? empty(flat.sizes(), DType::Int64) : Tensor();
    cpu::sort_along(flat, 0, false, sorted, order);
    cpu::BlockingRegion region(n > cpu::kSerialElements);
    if (!return_inverse && !return_counts) {
      out.inverse = out.counts = empty(DimVector{0}, DType::Int64);
      out.values = firsts(sorted);
    } else {
      const std::vector<int64_t> starts = run_starts(sorted.data(), n, Keys(self.dtype()));
      fill_runs(out, starts, n, return_inverse ? order.data_ptr<int64_t>() : nullptr, self.sizes(), return_inverse,
                return_counts);
      out.values = values_at(sorted, starts);
    }
  }
  record_none("Unique2Backward0", "_unique2", self, out.values);
  return out;
}

Unique unique_consecutive(const Tensor& self, bool return_inverse, bool return_counts) {
  check_unique("unique_consecutive", "unique", self);
  const int64_t n = self.numel();
  Unique out;
  {
    NoGradGuard guard;
    const Tensor flat = contiguous(reshape(share(self), IntSpan(&n, 1)));
    cpu::BlockingRegion region(n > cpu::kSerialElements);
    if (!return_inverse && !return_counts) {
      out.inverse = out.counts = empty(DimVector{0}, DType::Int64);
      out.values = firsts(flat);
    } else {
      const std::vector<int64_t> starts = run_starts(flat.data(), n, Keys(self.dtype()));
      fill_runs(out, starts, n, nullptr, self.sizes(), return_inverse, return_counts);
      out.values = values_at(flat, starts);
    }
  }
  record_none("UniqueConsecutiveBackward0", "unique_consecutive", self, out.values);
  return out;
}

Unique unique_dim(const Tensor& self, int64_t dim, bool return_inverse, bool return_counts) {
  Unique out = along_dim("unique_dim", true, self, dim, return_inverse, return_counts);
  record_none("UniqueDimBackward0", "unique_dim", self, out.values);
  return out;
}

Unique unique_consecutive_dim(const Tensor& self, int64_t dim, bool return_inverse, bool return_counts) {
  Unique out = along_dim("unique_dim_consecutive", false, self, dim, return_inverse, return_counts);
  record_none("UniqueDimConsecutiveBackward0", "unique_dim_consecutive", self, out.values);
  return out;
}

}  // namespace rushlight
