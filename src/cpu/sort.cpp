#include "cpu/sort.h"

#include <algorithm>
#include <numeric>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "rushlight/memory.h"

namespace rushlight::cpu {

const SortTable& sorts() {
  static const SortTable table = [] {
    SortTable t;
#define RL_FILL(isa) isa::fill_sort(t)
    RL_BEST_ISA(RL_FILL)
#undef RL_FILL
    return t;
  }();
  return table;
}

RowWalk::RowWalk(const Tensor* const* tensors, int count, int64_t dim) {
  const Tensor& first = *tensors[0];
  const int64_t ndim = first.dim();
  DimVector order;
  for (int64_t d = 0; d < ndim; ++d)
    if (d != dim && first.sizes()[d] != 1) order.push_back(d);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return first.strides()[a] > first.strides()[b]; });
  for (int t = 0; t < count; ++t)
    if (tensors[t]->defined() && ndim) stride[t] = tensors[t]->strides()[dim] * tensors[t]->item_size();
  auto bytes = [&](int t, int64_t d) {
    return tensors[t]->defined() ? tensors[t]->strides()[d] * tensors[t]->item_size() : 0;
  };
  for (int64_t d : order) {
    const int64_t n = first.sizes()[d];
    rows *= n;
    bool merges = !sizes.empty();
    for (int t = 0; t < count && merges; ++t) merges = strides[t].back() == n * bytes(t, d);
    if (merges) {
      sizes.back() *= n;
      for (int t = 0; t < count; ++t) strides[t].back() = bytes(t, d);
    } else {
      sizes.push_back(n);
      for (int t = 0; t < count; ++t) strides[t].push_back(bytes(t, d));
    }
  }
  if (sizes.empty()) {
    sizes.push_back(1);
    for (int t = 0; t < count; ++t) strides[t].push_back(0);
  }
}

int64_t RowWalk::offset(int t, int64_t r) const {
  int64_t at = 0;
  for (int64_t d = sizes.size() - 1; d >= 0; --d) {
    at += r % sizes[d] * strides[t][d];
    r /= sizes[d];
  }
  return at;
}

namespace {

enum { kIn, kValues, kIndex };

class Scratch {
 public:
  explicit Scratch(int64_t nbytes)
      : nbytes_(static_cast<size_t>(nbytes)), data_(static_cast<char*>(allocate(nbytes_))) {}
  ~Scratch() { deallocate(data_, nbytes_); }
  Scratch(const Scratch&) = delete;
  char* data() const { return data_; }

 private:
  size_t nbytes_;
  char* data_;
};

// Elements i < n of `lanes` rows to or from a block in which the lanes of one element lie side by side.
template <class T>
void gather_lanes(char* block, const char* const* rows, int64_t stride, int64_t n, int lanes) {
  for (int l = 0; l < lanes; ++l)
    for (int64_t i = 0; i < n; ++i)
      reinterpret_cast<T*>(block)[i * kSortLanes + l] = *reinterpret_cast<const T*>(rows[l] + i * stride);
}
template <class T>
void scatter_lanes(char* const* rows, int64_t stride, const char* block, int64_t n, int lanes) {
  for (int l = 0; l < lanes; ++l)
    for (int64_t i = 0; i < n; ++i)
      *reinterpret_cast<T*>(rows[l] + i * stride) = reinterpret_cast<const T*>(block)[i * kSortLanes + l];
}
template <class F>
void with_size(int64_t item, F f) {
  switch (item) {
    case 1: f(uint8_t{}); break;
    case 2: f(uint16_t{}); break;
    case 4: f(uint32_t{}); break;
    default: f(uint64_t{}); break;
  }
}

class Sorter {
 public:
  Sorter(const Tensor& in, int64_t dim, bool descending, const Tensor& values, const Tensor& indices)
      : kernel_(sorts().kernel[static_cast<int>(in.dtype())]),
        item_(in.item_size()),
        n_(in.dim() ? in.sizes()[dim] : 1),
        count_(!in.dim() ? 1 : (values.defined() ? values : indices).sizes()[dim]),
        descending_(descending),
        walk_(walk_of(in, values, indices, dim)),
        base_{in.data(), values.defined() ? values.data() : nullptr, indices.defined() ? indices.data() : nullptr} {
    items_[kIn] = items_[kValues] = item_;
    items_[kIndex] = 8;
  }

  void run() {
    BlockingRegion region(walk_.rows * n_ > kSerialElements);
    if (n_ > int64_t{UINT32_MAX}) {
      parallel_for(0, walk_.rows, 1, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) sort_huge(r);
      });
      return;
    }
    const int64_t groups = (walk_.rows + kSortLanes - 1) / kSortLanes;
    const bool by_lanes = kernel_.lanes && n_ <= kSortLaneRows && n_ > 1 && walk_.rows > 2;
    parallel_for(0, groups, std::max<int64_t>(1, 8192 / (n_ * kSortLanes)), [&](int64_t begin, int64_t end) {
      if (by_lanes) {
        const int64_t words = sort_lane_words(n_) * 8, block = n_ * kSortLanes * 8;
        const Scratch scratch(words + 3 * block);
        for (int64_t g = begin; g < end; ++g) lane_group(g, scratch.data(), words, block);
      } else {
        const bool staged = n_ > 64 && (walk_.stride[kIn] != item_ || !dense_outputs());
        const int64_t words = n_ * 16, block = staged ? n_ * kSortLanes * 8 : 0;
        const Scratch scratch(words + 3 * block);
        for (int64_t g = begin; g < end; ++g) row_group(g, scratch.data(), words, block, staged);
      }
    });
  }

 private:
  static RowWalk walk_of(const Tensor& in, const Tensor& values, const Tensor& indices, int64_t dim) {
    const Tensor* const tensors[] = {&in, &values, &indices};
    return RowWalk(tensors, 3, dim);
  }

  bool dense_outputs() const {
    return (!base_[kValues] || walk_.stride[kValues] == item_) && (!base_[kIndex] || walk_.stride[kIndex] == 8);
  }

  struct Group {
    char* rows[3][kSortLanes];
    int64_t lane_stride[3];  // bytes between neighbours, where even
    int lanes;
    bool even;
  };
  Group group(int64_t g) const {
    Group out;
    const int64_t first = g * kSortLanes;
    out.lanes = static_cast<int>(std::min(kSortLanes, walk_.rows - first));
    out.even = true;
    if (const int64_t inner = walk_.sizes.back(); first % inner + out.lanes <= inner) {
      for (int t = 0; t < 3; ++t) {
        char* const at = base_[t] ? base_[t] + walk_.offset(t, first) : nullptr;
        out.lane_stride[t] = walk_.strides[t].back();
        for (int l = 0; l < kSortLanes; ++l)
          out.rows[t][l] = at ? at + std::min(l, out.lanes - 1) * out.lane_stride[t] : nullptr;
      }
      return out;
    }
    for (int t = 0; t < 3; ++t) {
      for (int l = 0; l < kSortLanes; ++l)
        out.rows[t][l] = base_[t] ? base_[t] + walk_.offset(t, first + std::min(l, out.lanes - 1)) : nullptr;
      out.lane_stride[t] = out.lanes > 1 ? out.rows[t][1] - out.rows[t][0] : 0;
      for (int l = 2; l < out.lanes; ++l) out.even &= out.rows[t][l] - out.rows[t][l - 1] == out.lane_stride[t];
    }
    return out;
  }
  // The lanes of one element lie side by side in tensor t.
  bool side_by_side(const Group& g, int t) const {
    return g.even && g.lanes == kSortLanes && g.lane_stride[t] == items_[t];
  }

  // out[i][l] = in[l][i] for blocks of n x lanes; either side may be the tensor.
  void transpose(int t, char* out, int64_t out_stride, const char* in, int64_t in_stride, int64_t rows,
                 int64_t columns) const {
    elementwise().transpose[size_class(items_[t])](out, out_stride, in, in_stride, rows, columns);
  }

  void lane_group(int64_t index, char* memory, int64_t words, int64_t block) const {
    const Group g = group(index);
    if (g.lanes < 3) {
      for (int l = 0; l < g.lanes; ++l) one_row(g.rows[kIn][l], g.rows[kValues][l], g.rows[kIndex][l], memory);
      return;
    }
    char* const staged[3] = {memory + words, memory + words + block, memory + words + 2 * block};
    SortLanes b{};
    b.n = n_;
    b.count = count_;
    b.descending = descending_;
    b.scratch = reinterpret_cast<int64_t*>(memory);
    char* at[3];
    int64_t stride[3];
    for (int t = 0; t < 3; ++t) {
      const bool direct = base_[t] && side_by_side(g, t);
      at[t] = !base_[t] ? nullptr : direct ? g.rows[t][0] : staged[t];
      stride[t] = direct ? walk_.stride[t] : items_[t] * kSortLanes;
    }
    if (at[kIn] == staged[kIn]) {
      if (g.even && g.lanes == kSortLanes && walk_.stride[kIn] == item_)
        sorts().rows_to_lanes[size_class(item_)](staged[kIn], g.rows[kIn][0], g.lane_stride[kIn], n_);
      else
        with_size(item_, [&](auto x) {
          gather_lanes<decltype(x)>(staged[kIn], g.rows[kIn], walk_.stride[kIn], n_, kSortLanes);
        });
    }
    b.in = at[kIn];
    b.in_stride = stride[kIn];
    b.values = at[kValues];
    b.values_stride = stride[kValues];
    b.index = at[kIndex];
    b.index_stride = stride[kIndex];
    kernel_.lanes(b);
    for (int t = kValues; t <= kIndex; ++t) {
      if (!base_[t] || at[t] != staged[t]) continue;
      if (g.even && g.lanes == kSortLanes && walk_.stride[t] == items_[t])
        sorts().lanes_to_rows[size_class(items_[t])](g.rows[t][0], g.lane_stride[t], staged[t], count_);
      else
        with_size(items_[t],
                  [&](auto x) { scatter_lanes<decltype(x)>(g.rows[t], walk_.stride[t], staged[t], count_, g.lanes); });
    }
  }

  void one_row(const char* in, char* values, char* index, char* memory) const {
    kernel_.row({in, walk_.stride[kIn], values, walk_.stride[kValues], index, walk_.stride[kIndex], n_, count_,
                 descending_, reinterpret_cast<uint64_t*>(memory)});
  }

  void row_group(int64_t index, char* memory, int64_t words, int64_t block, bool staged) const {
    const Group g = group(index);
    if (!staged || !side_by_side(g, kIn)) {
      for (int l = 0; l < g.lanes; ++l) one_row(g.rows[kIn][l], g.rows[kValues][l], g.rows[kIndex][l], memory);
      return;
    }
    // Columns become rows in a block that stays in the cache, and their results columns again.
    char* at[3];
    for (int t = 0; t < 3; ++t) at[t] = base_[t] ? memory + words + t * block : nullptr;
    transpose(kIn, at[kIn], n_ * item_, g.rows[kIn][0], walk_.stride[kIn], kSortLanes, n_);
    for (int64_t l = 0; l < kSortLanes; ++l)
      kernel_.row({at[kIn] + l * n_ * item_, item_, at[kValues] ? at[kValues] + l * n_ * item_ : nullptr, item_,
                   at[kIndex] ? at[kIndex] + l * n_ * 8 : nullptr, 8, n_, count_, descending_,
                   reinterpret_cast<uint64_t*>(memory)});
    for (int t = kValues; t <= kIndex; ++t) {
      if (!at[t]) continue;
      if (side_by_side(g, t))
        transpose(t, g.rows[t][0], walk_.stride[t], at[t], n_ * items_[t], count_, kSortLanes);
      else
        with_size(items_[t], [&](auto x) {
          using T = decltype(x);
          for (int l = 0; l < g.lanes; ++l)
            for (int64_t i = 0; i < count_; ++i)
              *reinterpret_cast<T*>(g.rows[t][l] + i * walk_.stride[t]) = reinterpret_cast<const T*>(at[t])[l * n_ + i];
        });
    }
  }

  // More elements than a word has positions for.
  void sort_huge(int64_t row) const {
    const size_t n = static_cast<size_t>(n_);
    std::vector<int64_t> keys(n), index(n);
    const char* const in = base_[kIn] + walk_.offset(kIn, row);
    kernel_.keys(keys.data(), in, walk_.stride[kIn], n_, descending_ ? -1 : 0);
    std::iota(index.begin(), index.end(), int64_t{0});
    std::stable_sort(index.begin(), index.end(),
                     [&](int64_t a, int64_t b) { return keys[static_cast<size_t>(a)] < keys[static_cast<size_t>(b)]; });
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t from = index[static_cast<size_t>(i)];
      if (base_[kValues])
        std::memcpy(base_[kValues] + walk_.offset(kValues, row) + i * walk_.stride[kValues],
                    in + from * walk_.stride[kIn], static_cast<size_t>(item_));
      if (base_[kIndex])
        *reinterpret_cast<int64_t*>(base_[kIndex] + walk_.offset(kIndex, row) + i * walk_.stride[kIndex]) = from;
    }
  }

  const SortKernel& kernel_;
  const int64_t item_, n_, count_;
  const bool descending_;
  const RowWalk walk_;
  char* const base_[3];
  int64_t items_[3];
};

}  // namespace

bool has_order(DType dtype) {
  return static_cast<int>(dtype) < kNumCastDTypes && sorts().kernel[static_cast<int>(dtype)].row;
}

void sort_along(const Tensor& in, int64_t dim, bool descending, const Tensor& values, const Tensor& indices) {
  if (in.numel()) Sorter(in, dim, descending, values, indices).run();
}

}  // namespace rushlight::cpu
