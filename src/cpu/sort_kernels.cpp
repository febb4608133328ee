// Sorting rows by radix and eight rows at once by networks, compiled once per instruction set.
#include "cpu/sort.h"
#include "cpu/sort_keys.h"
#include "cpu/sort_transpose.h"
#include "cpu/sort_words.h"

namespace rushlight::cpu::RL_ISA {
namespace {

template <class T>
RL_INLINE T load(const char* in, int64_t stride, int64_t i) {
  return *reinterpret_cast<const T*>(in + i * stride);
}

// Whether the elements lie in order already. Ends at the first block that does not.
template <class T>
bool is_sorted(const SortRow& r) {
  using Key = typename KeyOf<T>::Key;
  constexpr int64_t kStep = 64;
  if (r.in_stride != sizeof(T)) return false;
  const Key flip = r.descending ? -1 : 0;
  const T* const x = reinterpret_cast<const T*>(r.in);
  int64_t i = 1;
  for (; i + kStep <= r.n; i += kStep) {
    Key wrong = 0;
    for (int64_t j = i; j < i + kStep; ++j)
      wrong |= static_cast<Key>((KeyOf<T>::key(x[j]) ^ flip) < (KeyOf<T>::key(x[j - 1]) ^ flip));
    if (wrong) return false;
  }
  for (; i < r.n; ++i)
    if ((KeyOf<T>::key(x[i]) ^ flip) < (KeyOf<T>::key(x[i - 1]) ^ flip)) return false;
  return true;
}
template <class T>
void copy_sorted(const SortRow& r) {
  if (r.values && r.values_stride == sizeof(T))
    __builtin_memcpy(r.values, r.in, static_cast<size_t>(r.count) * sizeof(T));
  else if (r.values)
    for (int64_t i = 0; i < r.count; ++i)
      *reinterpret_cast<T*>(r.values + i * r.values_stride) = load<T>(r.in, r.in_stride, i);
  if (r.index && r.index_stride == 8)
    for (int64_t i = 0; i < r.count; ++i) reinterpret_cast<int64_t*>(r.index)[i] = i;
  else if (r.index)
    for (int64_t i = 0; i < r.count; ++i) *reinterpret_cast<int64_t*>(r.index + i * r.index_stride) = i;
}

template <class K>
struct Range {
  K low, high;
  bool special;
};

template <class T, class Key>
RL_INLINE Range<Key> range_of(const char* in, int64_t stride, int64_t n, Key flip) {
  using Q = KeyOf<T>;
  Key low = Q::key(load<T>(in, 0, 0)) ^ flip, high = low;
  Key special = 0;
  auto scan = [&](int64_t step) __attribute__((always_inline)) {
    for (int64_t i = 0; i < n; ++i) {
      const T x = load<T>(in, step, i);
      const Key k = Q::key(x) ^ flip;
      low = k < low ? k : low;
      high = k > high ? k : high;
      special |= static_cast<Key>(Q::is_special(x));
    }
  };
  if (stride == sizeof(T))
    scan(sizeof(T));
  else
    scan(stride);
  return {low, high, special != 0};
}

// ---- values alone

// Numbers of up to 16 bits are counted. False where that is not worth it, and where a key would lose something.
template <class T>
bool sort_by_counts(const SortRow& r) {
  using Q = KeyOf<T>;
  constexpr int kBits = 8 * sizeof(T), kTables = sizeof(T) == 1 ? 4 : 1;
  constexpr int32_t kBins = 1 << kBits, kFirst = Q::kUnsigned ? 0 : -kBins / 2;
  if (r.n < 256 || r.n < kBins / 2) return false;  // the scratch has room for the counts, too
  uint32_t* const count = reinterpret_cast<uint32_t*>(r.scratch);
  __builtin_memset(count, 0, kTables * kBins * sizeof(uint32_t));
  int32_t special = 0;
  auto scan = [&](int64_t step) __attribute__((always_inline)) {
    for (int64_t i = 0; i < r.n; ++i) {
      const T x = load<T>(r.in, step, i);
      special |= Q::is_special(x);
      ++count[(i & (kTables - 1)) * kBins + ((Q::key(x) - kFirst) & (kBins - 1))];
    }
  };
  if (r.in_stride == sizeof(T))
    scan(sizeof(T));
  else
    scan(r.in_stride);
  if (special) return false;
  int64_t done = 0;
  for (int32_t bin = 0; bin < kBins && done < r.count; ++bin) {
    const int32_t at = r.descending ? kBins - 1 - bin : bin;
    int64_t n = 0;
    for (int t = 0; t < kTables; ++t) n += count[t * kBins + at];
    if (n > r.count - done) n = r.count - done;
    const T value = Q::value(at + kFirst);
    for (int64_t i = 0; i < n; ++i) *reinterpret_cast<T*>(r.values + (done + i) * r.values_stride) = value;
    done += n;
  }
  return true;
}

#if RL_AVX512
// Numbers without NaN and -0, compared as what they are; descending ones as their negatives.
template <class T>
void sort_floats(const SortRow& r) {
  T* const a = reinterpret_cast<T*>(r.scratch);
  const bool direct = r.count == r.n && r.values_stride == sizeof(T);
  T* const to = direct ? reinterpret_cast<T*>(r.values) : a;
  auto pack = [&](int64_t step) __attribute__((always_inline)) {
    if (r.descending)
      for (int64_t i = 0; i < r.n; ++i) to[i] = -load<T>(r.in, step, i);
    else
      for (int64_t i = 0; i < r.n; ++i) to[i] = load<T>(r.in, step, i);
  };
  if (r.in_stride == sizeof(T))
    pack(sizeof(T));
  else
    pack(r.in_stride);
  sort_quickly(to, a + r.n, r.n);
  if (r.descending)
    for (int64_t i = 0; i < r.count; ++i) to[i] = T(0) - to[i];  // no -0
  if (!direct)
    for (int64_t i = 0; i < r.count; ++i) *reinterpret_cast<T*>(r.values + i * r.values_stride) = a[i];
}
#endif

// False where the values cannot be had from keys without their places.
template <class T>
bool sort_values(const SortRow& r) {
  using Q = KeyOf<T>;
  using Key = typename Q::Key;
  using UKey = std::make_unsigned_t<Key>;
  if constexpr (sizeof(T) <= 2)
    if (sort_by_counts<T>(r)) return true;
  const Key flip = r.descending ? -1 : 0;
  const Range<Key> range = range_of<T, Key>(r.in, r.in_stride, r.n, flip);
  if (range.special) return false;
#if RL_AVX512
  if constexpr (std::is_floating_point_v<T>) {
    sort_floats<T>(r);
    return true;
  }
#endif
  const UKey low = static_cast<UKey>(range.low);
  const int bits = width_of(static_cast<UKey>(static_cast<UKey>(range.high) - low));
  const auto pack = [&](auto* words) __attribute__((always_inline)) {
    using W = std::remove_reference_t<decltype(*words)>;
    auto run = [&](int64_t step) __attribute__((always_inline)) {
      for (int64_t i = 0; i < r.n; ++i)
        words[i] = static_cast<W>(static_cast<UKey>(Q::key(load<T>(r.in, step, i)) ^ flip) - low);
    };
    if (r.in_stride == sizeof(T))
      run(sizeof(T));
    else
      run(r.in_stride);
  };
  const auto unpack = [&](const auto* words) __attribute__((always_inline)) {
    auto run = [&](int64_t step) __attribute__((always_inline)) {
      for (int64_t i = 0; i < r.count; ++i) {
        const Key k = static_cast<Key>(static_cast<UKey>(static_cast<UKey>(words[i]) + low));
        *reinterpret_cast<T*>(r.values + i * step) = Q::value(static_cast<Key>(k ^ flip));
      }
    };
    if (r.values_stride == sizeof(T))
      run(sizeof(T));
    else
      run(r.values_stride);
  };
  if (bits <= 32) {
    uint32_t* const a = reinterpret_cast<uint32_t*>(r.scratch);
    pack(a);
    unpack(sort_words_32(a, a + r.n, r.n, bits));
    return true;
  }
#if RL_AVX512
  if constexpr (sizeof(Key) == 8) {
    Word* const a = r.scratch;
    pack(a);
    sort_quickly(a, a + r.n, r.n);
    unpack(a);
    return true;
  }
#endif
  return false;
}

// Runs of words with equal keys are sorted by the low bits of the full keys, which the words have no room for.
template <class T>
void refine(const SortRow& r, Word* a, Word* b, int64_t low, int shift) {
  using Q = KeyOf<T>;
  const int64_t flip = r.descending ? -1 : 0;
  const uint64_t mask = (uint64_t{1} << shift) - 1;
  for (int64_t i = 0; i + 1 < r.n;) {
    const Word top = a[i] >> 32;
    int64_t end = i + 1;
    while (end < r.n && a[end] >> 32 == top) ++end;
    if (end - i > 1) {
      for (int64_t j = i; j < end; ++j) {
        const uint64_t at = a[j] & 0xffffffff;
        const int64_t key = Q::key(load<T>(r.in, r.in_stride, static_cast<int64_t>(at))) ^ flip;
        a[j] = ((static_cast<uint64_t>(key) - static_cast<uint64_t>(low)) & mask) << 32 | at;
      }
      // No more than 32 bits: the words held the upper 32 of at most 64.
      const Word* sorted = sort_words(a + i, b, end - i, shift);
      if (sorted != a + i) __builtin_memcpy(a + i, sorted, static_cast<size_t>(end - i) * sizeof(Word));
    }
    i = end;
  }
}

template <class T>
void sort_row(const SortRow& r) {
  using Q = KeyOf<T>;
  using Key = typename Q::Key;
  if (is_sorted<T>(r)) return copy_sorted<T>(r);
  if (!r.index && r.values && r.n > 64 && sort_values<T>(r)) return;
  using UKey = std::make_unsigned_t<Key>;
  const Key flip = r.descending ? -1 : 0;
  const Range<Key> range = range_of<T, Key>(r.in, r.in_stride, r.n, flip);
  const UKey low = static_cast<UKey>(range.low);
  const int bits = width_of(static_cast<UKey>(static_cast<UKey>(range.high) - low));
  const int shift = bits > 32 ? bits - 32 : 0;
  Word* const a = r.scratch;
  Word* const b = r.scratch + r.n;
  auto pack = [&](int64_t step) __attribute__((always_inline)) {
    for (int64_t i = 0; i < r.n; ++i) {
      const UKey k = static_cast<UKey>(static_cast<UKey>(Q::key(load<T>(r.in, step, i)) ^ flip) - low);
      a[i] = static_cast<Word>(k >> shift) << 32 | static_cast<Word>(i);
    }
  };
  if (r.in_stride == sizeof(T))
    pack(sizeof(T));
  else
    pack(r.in_stride);
  Word* sorted = sort_words(a, b, r.n, bits - shift);
  if (shift) refine<T>(r, sorted, sorted == a ? b : a, range.low, shift);
  if (r.values) {
    auto unpack = [&](int64_t step) __attribute__((always_inline)) {
      for (int64_t i = 0; i < r.count; ++i) {
        const Key k = static_cast<Key>(static_cast<UKey>(static_cast<UKey>(sorted[i] >> 32) + low));
        *reinterpret_cast<T*>(r.values + i * step) = Q::value(static_cast<Key>(k ^ flip));
      }
    };
    if (shift || range.special) {
      for (int64_t i = 0; i < r.count; ++i)
        *reinterpret_cast<T*>(r.values + i * r.values_stride) =
            load<T>(r.in, r.in_stride, static_cast<int64_t>(sorted[i] & 0xffffffff));
    } else if (r.values_stride == sizeof(T)) {
      unpack(sizeof(T));
    } else {
      unpack(r.values_stride);
    }
  }
  if (!r.index) return;
  if (r.index_stride == 8) {
    int64_t* const index = reinterpret_cast<int64_t*>(r.index);
    for (int64_t i = 0; i < r.count; ++i) index[i] = static_cast<int64_t>(sorted[i] & 0xffffffff);
  } else {
    for (int64_t i = 0; i < r.count; ++i)
      *reinterpret_cast<int64_t*>(r.index + i * r.index_stride) = static_cast<int64_t>(sorted[i] & 0xffffffff);
  }
}

// ---- eight rows at once: every lane of a vector belongs to one row

RL_INLINE void sort_16(Lanes* at) {
  Lanes r[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) r[i] = at[i];
  run_network<16, OfLanes>(r);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) at[i] = r[i];
}

template <int D>
RL_INLINE void half_clean(Lanes* r) {
  if constexpr (D > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i)
      if (!(i & D)) exchange(r[i], r[i + D]);
    half_clean<D / 2>(r);
  }
}
// The last four steps of a bitonic merge.
RL_INLINE void merge_16(Lanes* at) {
  Lanes r[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) r[i] = at[i];
  half_clean<8>(r);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) at[i] = r[i];
}

// n is a multiple of 16. Merges of sizes beyond n act as if larger elements followed: those would never move.
void sort_columns(Lanes* a, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) sort_16(a + i);
  for (int64_t size = 32; size / 2 < n; size *= 2) {
    for (int64_t start = 0; start + size / 2 < n; start += size) {
      Lanes* const s = a + start;
      const int64_t room = n - start < size ? n - start : size;
      for (int64_t i = size - room; i < size / 2; ++i) exchange(s[i], s[size - 1 - i]);
      int64_t d = size / 4;
      for (; d >= 32; d /= 4) {
        const int64_t h = d / 2;
        for (int64_t base = 0; base < room; base += 2 * d)
          for (int64_t c = base; c < base + h && c + h < room; c += 16) {
            Lanes* const p = s + c;
            if (c + d + h < room)
              for (int64_t i = 0; i < 16; ++i) {
                Lanes r0 = p[i], r1 = p[i + h], r2 = p[i + d], r3 = p[i + d + h];
                exchange(r0, r2);
                exchange(r1, r3);
                exchange(r0, r1);
                exchange(r2, r3);
                p[i] = r0;
                p[i + h] = r1;
                p[i + d] = r2;
                p[i + d + h] = r3;
              }
            else
              for (int64_t i = 0; i < 16; ++i) {
                if (c + d < room) exchange(p[i], p[i + d]);
                exchange(p[i], p[i + h]);
              }
          }
      }
      if (d == 16)
        for (int64_t base = 0; base + 16 < room; base += 32)
          for (int64_t i = 0; i < 16; ++i) exchange(s[base + i], s[base + i + 16]);
      for (int64_t i = 0; i < room; i += 16) merge_16(s + i);
    }
  }
}

// Words of rows [first, first + n) of eight lanes; whether a key among them loses something.
template <class T>
bool pack_lanes(int64_t* words, const char* in, int64_t stride, int64_t first, int64_t n, int32_t flip) {
  using Q = KeyOf<T>;
  constexpr int64_t kW = kSortLanes, kRows = 32;
  T block[kRows * kW];
  int32_t special = 0;
  for (int64_t i = 0; i < n; i += kRows, words += kRows * kW) {
    const int64_t m = n - i < kRows ? n - i : kRows;
    const T* x = reinterpret_cast<const T*>(in + i * stride);
    if (stride != kW * static_cast<int64_t>(sizeof(T))) {
      for (int64_t j = 0; j < m; ++j) __builtin_memcpy(block + j * kW, in + (i + j) * stride, kW * sizeof(T));
      x = block;
    }
    // One flat loop: its end is a multiple of the vectors' sizes.
    for (int64_t e = 0; e < m * kW; ++e) {
      const int64_t k = Q::key(x[e]) ^ flip;
      words[e] = static_cast<int64_t>(static_cast<uint64_t>(k) << 32) | (first + i + (e >> 3));
      special |= Q::is_special(x[e]);
    }
  }
  return special != 0;
}
static_assert(kSortLanes == 8);

template <class T>
void sort_lanes(const SortLanes& b) {
  using Q = KeyOf<T>;
  constexpr int kW = kSortLanes;
  const int32_t flip = b.descending ? -1 : 0;
  int64_t* const words = b.scratch;
  const bool special = pack_lanes<T>(words, b.in, b.in_stride, 0, b.n, flip);
  const int64_t padded = (b.n + 15) / 16 * 16;
  for (int64_t i = b.n * kW; i < padded * kW; ++i) words[i] = INT64_MAX;
  sort_columns(reinterpret_cast<Lanes*>(words), padded);
  if (b.values && special) {
    for (int64_t i = 0; i < b.count; ++i)
      for (int l = 0; l < kW; ++l) {
        const int64_t at = words[i * kW + l] & 0xffffffff;
        reinterpret_cast<T*>(b.values + i * b.values_stride)[l] =
            reinterpret_cast<const T*>(b.in + at * b.in_stride)[l];
      }
  } else if (b.values) {
    for (int64_t i = 0; i < b.count; ++i) {
      T* const v = reinterpret_cast<T*>(b.values + i * b.values_stride);
      for (int l = 0; l < kW; ++l) v[l] = Q::value(static_cast<int32_t>(words[i * kW + l] >> 32) ^ flip);
    }
  }
  if (b.index)
    for (int64_t i = 0; i < b.count; ++i) {
      int64_t* const o = reinterpret_cast<int64_t*>(b.index + i * b.index_stride);
      for (int l = 0; l < kW; ++l) o[l] = words[i * kW + l] & 0xffffffff;
    }
}

// `best`: the 16 smallest words of every lane so far, ascending.
template <class T>
void least_lanes(int64_t* best, const char* in, int64_t stride, int64_t first, int64_t n, int64_t flip) {
  alignas(64) int64_t words[16 * kSortLanes];
  Lanes* const b = reinterpret_cast<Lanes*>(best);
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t m = n - i < 16 ? n - i : 16;
    pack_lanes<T>(words, in + i * stride, stride, first + i, m, static_cast<int32_t>(flip));
    for (int64_t e = m * kSortLanes; e < 16 * kSortLanes; ++e) words[e] = INT64_MAX;
    Lanes r[16];
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) r[j] = reinterpret_cast<const Lanes*>(words)[j];
    run_network<16, OfLanes>(r);
    // The smaller ones of two ascending sequences, one of them backwards, rise and fall.
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) {
      Lanes other = b[15 - j];
      exchange(r[j], other);
    }
    half_clean<8>(r);
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) b[j] = r[j];
  }
}

// ---- keys

template <class T>
void keys(int64_t* out, const char* in, int64_t stride, int64_t n, int64_t flip) {
  if (stride == sizeof(T))
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int64_t>(KeyOf<T>::key(load<T>(in, sizeof(T), i))) ^ flip;
  else
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int64_t>(KeyOf<T>::key(load<T>(in, stride, i))) ^ flip;
}

template <class T>
int64_t find_below(const char* in, int64_t stride, int64_t from, int64_t n, int64_t flip, int64_t limit) {
  using Key = typename KeyOf<T>::Key;
  constexpr int64_t kStep = 64;
  const Key f = static_cast<Key>(flip);
  // Keys of 32 bits lie between the limits of int32, so a clamped limit decides as well, one beyond them always.
  if (sizeof(Key) == 4 && limit > INT32_MAX) return from;
  if (sizeof(Key) == 4 && limit < INT32_MIN) return n;
  const Key l = static_cast<Key>(limit);
  if (stride == sizeof(T))
    for (; from + kStep <= n; from += kStep) {
      const T* x = reinterpret_cast<const T*>(in) + from;
      Key found = 0;
      for (int64_t j = 0; j < kStep; ++j) found |= static_cast<Key>((KeyOf<T>::key(x[j]) ^ f) < l);
      if (found) return from;
    }
  for (int64_t i = from; i < n; ++i)
    if ((KeyOf<T>::key(load<T>(in, stride, i)) ^ f) < l) return from + (i - from) / kStep * kStep;
  return n;
}

template <class T>
void fill(SortTable& t, DType dtype) {
  SortKernel& k = t.kernel[static_cast<int>(dtype)];
  k.row = sort_row<T>;
  if constexpr (sizeof(typename KeyOf<T>::Key) == 4) {
    k.lanes = sort_lanes<T>;
    k.least_lanes = least_lanes<T>;
  }
  k.keys = keys<T>;
  k.find_below = find_below<T>;
}

}  // namespace

void fill_sort(SortTable& t) {
  t.rows_to_lanes[0] = rows_to_lanes<uint8_t>;
  t.rows_to_lanes[1] = rows_to_lanes<uint16_t>;
  t.rows_to_lanes[2] = rows_to_lanes<uint32_t>;
  t.rows_to_lanes[3] = rows_to_lanes<uint64_t>;
  t.lanes_to_rows[0] = lanes_to_rows<uint8_t>;
  t.lanes_to_rows[1] = lanes_to_rows<uint16_t>;
  t.lanes_to_rows[2] = lanes_to_rows<uint32_t>;
  t.lanes_to_rows[3] = lanes_to_rows<uint64_t>;
  fill<Boolean>(t, DType::Bool);
  fill<uint8_t>(t, DType::UInt8);
  fill<int8_t>(t, DType::Int8);
  fill<int16_t>(t, DType::Int16);
  fill<int32_t>(t, DType::Int32);
  fill<int64_t>(t, DType::Int64);
  fill<Half>(t, DType::Float16);
  fill<BHalf>(t, DType::BFloat16);
  fill<float>(t, DType::Float32);
  fill<double>(t, DType::Float64);
  fill<uint16_t>(t, DType::UInt16);
  fill<uint32_t>(t, DType::UInt32);
  fill<uint64_t>(t, DType::UInt64);
}

}  // namespace rushlight::cpu::RL_ISA
