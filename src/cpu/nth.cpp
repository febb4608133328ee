// One element of a row: the k-th, the median, the mode.
#include <algorithm>
#include <memory>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "cpu/select.h"
#include "cpu/select_element.h"

namespace rushlight::cpu {

namespace {

constexpr int64_t kBlock = 512;
// Rows up to this size are sorted faster than searched.
constexpr int64_t kSortedRow = 8192;

// The key that only NaN has; integers have none such.
struct NanKey {
  explicit NanKey(DType dtype)
      : exists(is_floating_point(dtype)), key(dtype == DType::Float64 ? INT64_MAX : int64_t{INT32_MAX}) {}
  bool is(int64_t k) const { return exists && k == key; }
  bool exists;
  int64_t key;
};

struct Row {
  const SortKernel& kernel;
  const char* in;
  int64_t stride, n;

  // f(first position, keys, count) until it returns false.
  template <class F>
  void each_block(F f) const {
    int64_t keys[kBlock];
    for (int64_t i = 0; i < n; i += kBlock) {
      const int64_t m = std::min(kBlock, n - i);
      kernel.keys(keys, in + i * stride, stride, m, 0);
      if (!f(i, keys, m)) return;
    }
  }
};

// The positions of the first `count` elements of a row in order. n < 2^32.
std::vector<int64_t> order_of(const Row& row, int64_t count) {
  const size_t n = static_cast<size_t>(row.n);
  std::vector<int64_t> order(static_cast<size_t>(count));
  const std::unique_ptr<uint64_t[]> scratch(new uint64_t[2 * n]);
  row.kernel.row(
      {row.in, row.stride, nullptr, 0, reinterpret_cast<char*>(order.data()), 8, row.n, count, false, scratch.get()});
  return order;
}

// Hoare's selection with a median of three as pivot: the k-th (from 0) of n elements comes to place k. Which of equal
// elements that is depends on every step of it.
void select_hoare(Element* e, int64_t n, int64_t k) {
  int64_t left = 0, right = n - 1;
  const auto order = [&](int64_t a, int64_t b) {
    if (e[a].key > e[b].key) std::swap(e[a], e[b]);
  };
  while (right > left) {
    if (right == left + 1) return order(left, right);
    std::swap(e[left + (right - left) / 2], e[left + 1]);
    order(left + 1, right);
    order(left, right);
    order(left + 1, left);
    const int64_t pivot = e[left].key;
    int64_t i = left + 1, j = right;
    for (;;) {
      while (e[++i].key < pivot) {
      }
      while (e[--j].key > pivot) {
      }
      if (j < i) break;
      std::swap(e[i], e[j]);
    }
    std::swap(e[left], e[j]);
    if (j <= k) left = i;
    if (j >= k) right = j - 1;
  }
}

// The element of rank k (from 0) by key, then position. Bounds around the rank come from a sample; what lies between
// them is collected in one pass and searched.
Element select_long(const Row& row, int64_t k, std::vector<Element>& room) {
  constexpr int64_t kSample = 1024, kSlack = 64;
  const int64_t n = row.n;
  int64_t low = INT64_MIN, high = INT64_MAX;
  if (n >= 8 * kSample) {
    std::vector<int64_t> sample(kSample);
    for (int64_t i = 0; i < kSample; ++i) {
      // Spread over the row with an uneven step, so that periodic data do not fool it.
      const int64_t at = n / kSample * i + (i * 7919) % (n / kSample);
      row.kernel.keys(&sample[static_cast<size_t>(i)], row.in + at * row.stride, row.stride, 1, 0);
    }
    std::sort(sample.begin(), sample.end());
    const int64_t at = static_cast<int64_t>(static_cast<double>(k) / static_cast<double>(n) * kSample);
    if (at >= kSlack) low = sample[static_cast<size_t>(at - kSlack)];
    if (at + kSlack < kSample) high = sample[static_cast<size_t>(at + kSlack)];
  }
  for (;;) {
    int64_t below = 0, count = 0;
    const size_t guess = low == INT64_MIN && high == INT64_MAX ? static_cast<size_t>(n) : static_cast<size_t>(n / 4);
    if (room.size() < guess + kBlock) room.resize(guess + kBlock);
    row.each_block([&](int64_t first, const int64_t* keys, int64_t m) {
      if (room.size() < static_cast<size_t>(count + m)) room.resize(2 * room.size());
      Element* const to = room.data();
      for (int64_t j = 0; j < m; ++j) {
        below += keys[j] < low;
        to[count] = {keys[j], first + j};
        count += (keys[j] >= low) & (keys[j] <= high);
      }
      return true;
    });
    if (k >= below && k - below < count) {
      Element* const e = room.data();
      std::nth_element(e, e + (k - below), e + count, in_order);
      return e[k - below];
    }
    // The sample misled.
    low = INT64_MIN;
    high = INT64_MAX;
  }
}

Element nth_of(const Row& row, Nth what, int64_t k, NanKey nan, std::vector<Element>& room) {
  const int64_t n = row.n;
  int64_t first_nan = -1, nans = 0;
  if (what != Nth::Kth && nan.exists)
    row.each_block([&](int64_t first, const int64_t* keys, int64_t m) {
      for (int64_t j = 0; j < m; ++j) nans += keys[j] == nan.key;
      if (nans && first_nan < 0)
        for (int64_t j = m - 1; j >= 0; --j) first_nan = keys[j] == nan.key ? first + j : first_nan;
      return what == Nth::NanMedian || !nans;
    });
  if (what == Nth::Median && nans) return {nan.key, first_nan};
  if (what == Nth::Median) k = (n + 1) / 2;
  if (what == Nth::NanMedian) k = nans == n ? 1 : (n - nans + 1) / 2;
  // (Of the result only the position counts.)
  // (k-th values of short rows are chosen otherwise.)
  if ((n > kShortRow || (n > 16 && what != Nth::Kth)) && n <= kSortedRow) return {0, order_of(row, k).back()};
  if (n > kShortRow) return select_long(row, k - 1, room);
  if (room.size() < static_cast<size_t>(n)) room.resize(static_cast<size_t>(n));
  Element* const e = room.data();
  int64_t keys[kShortRow];
  row.kernel.keys(keys, row.in, row.stride, n, 0);
  for (int64_t i = 0; i < n; ++i) e[i] = {keys[i], i};
  // torch takes Hoare's choice among equal elements here, and that of a stable sort for medians.
  if (what == Nth::Kth)
    select_hoare(e, n, k - 1);
  else
    std::nth_element(e, e + (k - 1), e + n, in_order);
  return e[k - 1];
}

// Sorted elements: the last one of the longest run.
Element longest_run(const Element* e, int64_t n, NanKey nan) {
  Element best = e[0];
  int64_t longest = 0, run = 0;
  for (int64_t i = 0; i < n; ++i) {
    ++run;
    if (i + 1 < n && e[i + 1].key == e[i].key && !nan.is(e[i].key)) continue;
    if (run > longest) {
      longest = run;
      best = e[i];
    }
    run = 0;
  }
  return best;
}

// f(row, room) gives the element of every row.
template <class F>
void one_per_row(const Tensor& in, int64_t dim, const Tensor& values, const Tensor& indices, F f) {
  if (values.numel() == 0) return;
  const Tensor* const tensors[] = {&in, &values, &indices};
  const RowWalk walk(tensors, 3, dim);
  const SortKernel& kernel = sorts().kernel[static_cast<int>(in.dtype())];
  const int64_t n = in.dim() ? in.sizes()[dim] : 1;
  const size_t item = static_cast<size_t>(in.item_size());
  BlockingRegion region(walk.rows * n > kSerialElements);
  parallel_for(0, walk.rows, std::max<int64_t>(1, kSerialElements / n), [&](int64_t begin, int64_t end) {
    std::vector<Element> room;
    for (int64_t r = begin; r < end; ++r) {
      const Row row{kernel, in.data() + walk.offset(0, r), walk.stride[0], n};
      const Element e = f(row, room);
      std::memcpy(values.data() + walk.offset(1, r), row.in + e.at * row.stride, item);
      if (indices.defined()) *reinterpret_cast<int64_t*>(indices.data() + walk.offset(2, r)) = e.at;
    }
  });
}

}  // namespace

void nth_along(const Tensor& in, int64_t dim, Nth what, int64_t k, const Tensor& values, const Tensor& indices) {
  const NanKey nan(in.dtype());
  one_per_row(in, dim, values, indices,
              [&](const Row& row, std::vector<Element>& room) { return nth_of(row, what, k, nan, room); });
}

void mode_along(const Tensor& in, int64_t dim, const Tensor& values, const Tensor& indices) {
  const NanKey nan(in.dtype());
  one_per_row(in, dim, values, indices, [&](const Row& row, std::vector<Element>& room) {
    const int64_t n = row.n;
    room.resize(static_cast<size_t>(n));
    row.each_block([&](int64_t first, const int64_t* keys, int64_t m) {
      for (int64_t j = 0; j < m; ++j) room[static_cast<size_t>(first + j)] = {keys[j], first + j};
      return true;
    });
    if (std::any_of(room.begin(), room.end(), [&](const Element& e) { return nan.is(e.key); })) {
      // NaN is neither less nor greater than anything, so that the runs depend on the algorithm: torch's is std::sort.
      std::sort(room.begin(), room.end(),
                [&](const Element& a, const Element& b) { return a.key < b.key && !nan.is(a.key) && !nan.is(b.key); });
    } else if (n <= kShortRow) {
      std::sort(room.begin(), room.end(), [](const Element& a, const Element& b) { return a.key < b.key; });
    } else if (n <= int64_t{UINT32_MAX}) {
      std::vector<Element> sorted(static_cast<size_t>(n));
      const std::vector<int64_t> order = order_of(row, n);
      for (size_t i = 0; i < order.size(); ++i) sorted[i] = room[static_cast<size_t>(order[i])];
      return longest_run(sorted.data(), n, nan);
    } else {
      std::sort(room.begin(), room.end(), in_order);
    }
    return longest_run(room.data(), n, nan);
  });
}

}  // namespace rushlight::cpu
