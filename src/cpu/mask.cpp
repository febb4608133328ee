// Counting and moving under masks of one byte per element.
#include <algorithm>
#include <cstring>

#include "core/thread_pool.h"
#include "cpu/index.h"

namespace rushlight::cpu {

namespace {

struct Bytes16 {
  uint64_t low, high;
};

// Without branches on the mask; whole groups of 8 while they cannot write beyond `count`.
template <class T>
void compress_run(char* out_bytes, const char* in_bytes, const char* mask, int64_t n, int64_t count) {
  T* const out = reinterpret_cast<T*>(out_bytes);
  const T* const in = reinterpret_cast<const T*>(in_bytes);
  int64_t k = 0, i = 0;
  for (; i + 8 <= n && k + 8 <= count; i += 8) {
    uint64_t group;
    std::memcpy(&group, mask + i, 8);
    if (group == 0) continue;
    for (int j = 0; j < 8; ++j) {
      out[k] = in[i + j];
      k += mask[i + j] != 0;
    }
  }
  for (; k < count; ++i)
    if (mask[i]) out[k++] = in[i];
}

void positions_run(int64_t* out, const char* mask, int64_t base, int64_t n, int64_t count) {
  int64_t k = 0, i = 0;
  for (; i + 8 <= n && k + 8 <= count; i += 8) {
    uint64_t group;
    std::memcpy(&group, mask + i, 8);
    if (group == 0) continue;
    for (int j = 0; j < 8; ++j) {
      out[k] = base + i + j;
      k += mask[i + j] != 0;
    }
  }
  for (; k < count; ++i)
    if (mask[i]) out[k++] = base + i;
}

int64_t count_run(const char* mask, int64_t n) {
  int64_t total = 0;
  // Inner sums fit a byte, so that they vectorise.
  int64_t i = 0;
  for (; i + 128 <= n; i += 128) {
    uint8_t lanes[16] = {};
    for (int r = 0; r < 8; ++r)
      for (int j = 0; j < 16; ++j) lanes[j] = static_cast<uint8_t>(lanes[j] + (mask[i + 16 * r + j] != 0));
    int sum = 0;
    for (int j = 0; j < 16; ++j) sum += lanes[j];
    total += sum;
  }
  for (; i < n; ++i) total += mask[i] != 0;
  return total;
}

template <class F>
void for_mask_chunks(int64_t n, const MaskCount& count, F&& f) {
  if (count.before.empty()) {
    f(0, n, 0, count.total);
    return;
  }
  BlockingRegion region(true);
  parallel_for(0, n, kMaskChunk, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b += kMaskChunk) {
      const size_t chunk = static_cast<size_t>(b / kMaskChunk);
      const int64_t before = count.before[chunk];
      const int64_t after = chunk + 1 < count.before.size() ? count.before[chunk + 1] : count.total;
      f(b, std::min(end, b + kMaskChunk), before, after - before);
    }
  });
}

template <class T>
void expand_run(char* out_bytes, const char* source, const char* mask, int64_t n) {
  T* const out = reinterpret_cast<T*>(out_bytes);
  const T* next = reinterpret_cast<const T*>(source);
  for (int64_t i = 0; i < n; ++i)
    if (mask[i]) out[i] = *next++;
}

}  // namespace

MaskCount count_true(const char* mask, int64_t n) {
  MaskCount count;
  if (n <= kMaskChunk) {
    count.total = count_run(mask, n);
    return count;
  }
  BlockingRegion region(true);
  count.before.resize(static_cast<size_t>((n + kMaskChunk - 1) / kMaskChunk));
  parallel_for(0, n, kMaskChunk, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b += kMaskChunk)
      count.before[static_cast<size_t>(b / kMaskChunk)] = count_run(mask + b, std::min(end - b, kMaskChunk));
  });
  for (int64_t& chunk : count.before) {
    const int64_t own = chunk;
    chunk = count.total;
    count.total += own;
  }
  return count;
}

void compress(char* out, const char* in, int64_t item, const char* mask, int64_t n, const MaskCount& count) {
  using Run = void (*)(char*, const char*, const char*, int64_t, int64_t);
  constexpr Run runs[] = {compress_run<uint8_t>, compress_run<uint16_t>, compress_run<uint32_t>, compress_run<uint64_t>,
                          compress_run<Bytes16>};
  const Run run = runs[size_class(item)];
  for_mask_chunks(n, count, [&](int64_t begin, int64_t end, int64_t before, int64_t own) {
    run(out + before * item, in + begin * item, mask + begin, end - begin, own);
  });
}

void positions(int64_t* out, const char* mask, int64_t n, const MaskCount& count) {
  for_mask_chunks(n, count, [&](int64_t begin, int64_t end, int64_t before, int64_t own) {
    positions_run(out + before, mask + begin, begin, end - begin, own);
  });
}

void expand_into(char* out, const char* source, int64_t item, const char* mask, int64_t n) {
  using Run = void (*)(char*, const char*, const char*, int64_t);
  constexpr Run runs[] = {expand_run<uint8_t>, expand_run<uint16_t>, expand_run<uint32_t>, expand_run<uint64_t>,
                          expand_run<Bytes16>};
  runs[size_class(item)](out, source, mask, n);
}

}  // namespace rushlight::cpu
