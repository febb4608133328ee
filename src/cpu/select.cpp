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
