#include "cpu/select.h"

#include <algorithm>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "cpu/select_element.h"

namespace rushlight::cpu {

namespace {

struct TopK {
  const SortKernel& kernel;
  const RowWalk walk;
  int64_t n, k, item, flip;
  bool sorted;
  const char* in;
  char* values;
  char* index;

  // The order of equal keys is what the algorithms leave.
  void short_row(const char* row, Element* e) const {
    int64_t keys[kShortRow];
    kernel.keys(keys, row, walk.stride[0], n, flip);
    for (int64_t i = 0; i < n; ++i) e[i] = {keys[i], i};
    const auto less = [](const Element& a, const Element& b) { return a.key < b.key; };
    if (k * 64 <= n) {
      std::partial_sort(e, e + k, e + n, less);
    } else {
      std::nth_element(e, e + k - 1, e + n, less);
      if (sorted) std::sort(e, e + k - 1, less);
    }
  }

  // Keeps what lies below the largest of k candidates; the candidates are thinned out when the room is full.
  void long_row(const char* row, Element* e, int64_t room) const {
    constexpr int64_t kBlock = 64;
    int64_t keys[kBlock];
    int64_t count = 0, limit = INT64_MAX;
    bool full = false;  // `limit` counts
    const int64_t stride = walk.stride[0];
    for (int64_t i = 0; i < n;) {
      if (full && (i = kernel.find_below(row, stride, i, n, flip, limit)) >= n) break;
      const int64_t m = std::min(kBlock, n - i);
      kernel.keys(keys, row + i * stride, stride, m, flip);
      for (int64_t j = 0; j < m; ++j) {
        e[count] = {keys[j], i + j};
        count += !full || keys[j] < limit;
      }
      i += m;
      if (count + kBlock > room) {
        std::nth_element(e, e + k - 1, e + count, in_order);
        limit = e[k - 1].key;
        full = true;
        count = k;
      }
    }
    std::nth_element(e, e + k - 1, e + count, in_order);
    std::sort(e, e + k, in_order);
  }

  static constexpr int64_t kLeast = 16;      // words that least_lanes keeps
  static constexpr int64_t kLaneRow = 8192;  // longer rows have few candidates
  bool by_lanes() const {
    if (!kernel.least_lanes || k > kLeast || n > kLaneRow || n < 8 || walk.rows < 3) return false;
    // Of short rows ties must be seen, up to the first element that stays out.
    return n > kShortRow || (sorted && k < kLeast);
  }

  // Up to eight rows at once.
  static constexpr int64_t kChunk = 128;
  void lane_group(int64_t first, int64_t lanes, Element* e) const {
    alignas(64) int64_t best[kLeast * kSortLanes];
    alignas(64) char block[kChunk * kSortLanes * 4];
    const char* rows[kSortLanes];
    for (int64_t l = 0; l < kSortLanes; ++l) rows[l] = in + walk.offset(0, first + std::min(l, lanes - 1));
    const int64_t step = rows[1] - rows[0], stride = walk.stride[0];
    bool even = lanes == kSortLanes;
    for (int64_t l = 1; l < kSortLanes; ++l) even &= rows[l] - rows[l - 1] == step;
    std::fill(best, best + kLeast * kSortLanes, INT64_MAX);
    if (even && step == item) {
      kernel.least_lanes(best, rows[0], stride, 0, n, flip);
    } else {
      for (int64_t i = 0; i < n; i += kChunk) {
        const int64_t m = std::min(kChunk, n - i);
        if (even && stride == item)
          sorts().rows_to_lanes[size_class(item)](block, rows[0] + i * item, step, m);
        else
          for (int64_t l = 0; l < kSortLanes; ++l)
            for (int64_t j = 0; j < m; ++j)
              std::memcpy(block + (j * kSortLanes + l) * item, rows[l] + (i + j) * stride, static_cast<size_t>(item));
        kernel.least_lanes(best, block, item * kSortLanes, i, m, flip);
      }
    }
    for (int64_t l = 0; l < lanes; ++l) {
      bool ties = false;
      for (int64_t j = 0; j < k; ++j) {
        const int64_t word = best[j * kSortLanes + l];
        ties |= j + 1 < std::min(n, kLeast) && word >> 32 == best[(j + 1) * kSortLanes + l] >> 32;
        e[j] = {word >> 32, word & 0xffffffff};
      }
      if (ties && n <= kShortRow) short_row(rows[l], e);
      store(first + l, rows[l], e);
    }
  }

  void store(int64_t r, const char* row, const Element* e) const {
    char* const v = values + walk.offset(1, r);
    char* const x = index + walk.offset(2, r);
    for (int64_t i = 0; i < k; ++i) {
      std::memcpy(v + i * walk.stride[1], row + e[i].at * walk.stride[0], static_cast<size_t>(item));
      *reinterpret_cast<int64_t*>(x + i * walk.stride[2]) = e[i].at;
    }
  }

  void run() const {
    const int64_t room = n <= kShortRow ? n : k + std::max<int64_t>(k, 512) + 64;
    BlockingRegion region(walk.rows * n > kSerialElements);
    if (by_lanes()) {
      const int64_t groups = (walk.rows + kSortLanes - 1) / kSortLanes;
      parallel_for(0, groups, std::max<int64_t>(1, kSerialElements / (n * kSortLanes)),
                   [&](int64_t begin, int64_t end) {
                     std::vector<Element> e(static_cast<size_t>(std::max(kLeast, std::min(n, kShortRow))));
                     for (int64_t g = begin; g < end; ++g)
                       lane_group(g * kSortLanes, std::min(kSortLanes, walk.rows - g * kSortLanes), e.data());
                   });
      return;
    }
    parallel_for(0, walk.rows, std::max<int64_t>(1, kSerialElements / n), [&](int64_t begin, int64_t end) {
      std::vector<Element> e(static_cast<size_t>(room));
      for (int64_t r = begin; r < end; ++r) {
        const char* const row = in + walk.offset(0, r);
        if (n <= kShortRow)
          short_row(row, e.data());
        else
          long_row(row, e.data(), room);
        store(r, row, e.data());
      }
    });
  }
};

}  // namespace

void topk_along(const Tensor& in, int64_t dim, bool largest, bool sorted, const Tensor& values, const Tensor& indices) {
  if (values.numel() == 0) return;
  const int64_t n = in.dim() ? in.sizes()[dim] : 1, k = in.dim() ? values.sizes()[dim] : 1;
  if (n > kShortRow && k > n / 16) {
    sort_along(in, dim, largest, values, indices);
    return;
  }
  const Tensor* const tensors[] = {&in, &values, &indices};
  TopK{sorts().kernel[static_cast<int>(in.dtype())],
       RowWalk(tensors, 3, dim),
       n,
       k,
       in.item_size(),
       largest ? -1 : 0,
       sorted,
       in.data(),
       values.data(),
       indices.data()}
      .run();
}

}  // namespace rushlight::cpu
