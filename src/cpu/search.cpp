#include "cpu/search.h"

#include <algorithm>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "cpu/number.h"
#include "cpu/sort.h"

namespace rushlight::cpu {

namespace {

constexpr int64_t kBlock = 512;

// The first place whose element does not lie before x. (Comparisons with NaN are false: it goes behind everything, and
// elements that are NaN lie before everything.)
template <class T, bool Right, class At>
int64_t place(int64_t n, T x, At at) {
  const auto v = number(x);
  int64_t start = 0, end = n;
  while (start < end) {
    const int64_t middle = start + (end - start) / 2;
    const auto m = number(at(middle));
    const bool behind = Right ? m > v : m >= v;
    start = behind ? start : middle + 1;
    end = behind ? middle : end;
  }
  return start;
}

template <class T, bool Right, class Out>
void run(const Search& s) {
  const T* const sorted = reinterpret_cast<const T*>(s.sorted);
  const T* const values = reinterpret_cast<const T*>(s.values);
  Out* const out = reinterpret_cast<Out*>(s.out);
  parallel_for(0, s.rows * s.per_row, 2048, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t from = s.rows_of_sorted == 1 ? 0 : i / s.per_row * s.n;
      const T* const row = sorted + from;
      if (s.sorter) {
        const int64_t* const order = s.sorter + from;
        out[i] = static_cast<Out>(place<T, Right>(s.n, values[i], [&](int64_t j) { return row[order[j]]; }));
      } else {
        out[i] = static_cast<Out>(place<T, Right>(s.n, values[i], [&](int64_t j) { return row[j]; }));
      }
    }
  });
}

template <class T>
void run(const Search& s) {
  if (s.right)
    s.out_int32 ? run<T, true, int32_t>(s) : run<T, true, int64_t>(s);
  else
    s.out_int32 ? run<T, false, int32_t>(s) : run<T, false, int64_t>(s);
}

// Keys of all elements.
std::vector<int64_t> keys_of(const Tensor& t, const SortKernel& kernel) {
  std::vector<int64_t> keys(static_cast<size_t>(t.numel()));
  kernel.keys(keys.data(), t.data(), t.item_size(), t.numel(), 0);
  return keys;
}

}  // namespace

bool can_search(DType dtype) { return dtype >= DType::UInt8 && dtype <= DType::Float64; }

void search(DType dtype, const Search& s) {
  BlockingRegion region(s.rows * s.per_row > 2048);
  switch (dtype) {
    case DType::UInt8: return run<uint8_t>(s);
    case DType::Int8: return run<int8_t>(s);
    case DType::Int16: return run<int16_t>(s);
    case DType::Int32: return run<int32_t>(s);
    case DType::Int64: return run<int64_t>(s);
    case DType::Float16: return run<float16>(s);
    case DType::BFloat16: return run<bfloat16>(s);
    case DType::Float32: return run<float>(s);
    case DType::Float64: return run<double>(s);
    default: return;
  }
}

void is_in(const Tensor& elements, const Tensor& tests, bool invert, const Tensor& out) {
  const DType dtype = elements.dtype();
  const SortKernel& kernel = sorts().kernel[static_cast<int>(dtype)];
  const int64_t n = elements.numel(), item = elements.item_size();
  auto* const to = reinterpret_cast<uint8_t*>(out.data_ptr<bool>());
  BlockingRegion region(n + tests.numel() > kSerialElements);
  std::vector<int64_t> found = keys_of(tests, kernel);
  // NaN is not even one of itself.
  if (is_floating_point(dtype)) std::erase(found, dtype == DType::Float64 ? INT64_MAX : int64_t{INT32_MAX});
  if (found.empty()) {
    std::fill(to, to + n, static_cast<uint8_t>(invert));
    return;
  }
  const auto each = [&](auto test) {
    parallel_for(0, n, 65536, [&](int64_t begin, int64_t end) {
      int64_t keys[kBlock];
      for (int64_t i = begin; i < end; i += kBlock) {
        const int64_t m = std::min(kBlock, end - i);
        kernel.keys(keys, elements.data() + i * item, item, m, 0);
        test(keys, to + i, m);
      }
    });
  };
  if (found.size() <= 8) {
    each([&](const int64_t* keys, uint8_t* o, int64_t m) {
      for (int64_t j = 0; j < m; ++j) o[j] = invert;
      for (const int64_t f : found)
        for (int64_t j = 0; j < m; ++j) o[j] = keys[j] == f ? !invert : o[j];
    });
    return;
  }
  const auto [low, high] = std::minmax_element(found.begin(), found.end());
  const int64_t first = *low;
  const uint64_t span = static_cast<uint64_t>(*high) - static_cast<uint64_t>(first);
  if (span < 4096 || span / 16 < static_cast<uint64_t>(n) + found.size()) {
    std::vector<uint8_t> table(span + 1, invert);
    for (const int64_t f : found) table[static_cast<uint64_t>(f) - static_cast<uint64_t>(first)] = !invert;
    each([&](const int64_t* keys, uint8_t* o, int64_t m) {
      for (int64_t j = 0; j < m; ++j) {
        const uint64_t at = static_cast<uint64_t>(keys[j]) - static_cast<uint64_t>(first);
        o[j] = at <= span ? table[at] : static_cast<uint8_t>(invert);
      }
    });
    return;
  }
  std::sort(found.begin(), found.end());
  each([&](const int64_t* keys, uint8_t* o, int64_t m) {
    for (int64_t j = 0; j < m; ++j) {
      const int64_t* at = found.data();
      for (size_t size = found.size(); size > 1; size -= size / 2) at += at[size / 2] <= keys[j] ? size / 2 : 0;
      o[j] = (*at == keys[j]) != invert;
    }
  });
}

}  // namespace rushlight::cpu
