// Matrix kernels of one instruction set: the driver around the register tile, matrix-vector products and dot products.
#include "cpu/gemm_kernels.h"

#include <cstdlib>
#include <new>
#include <utility>

#include "cpu/gemm_stage.h"
#include "cpu/gemm_tile.h"

namespace rushlight::cpu::RL_ISA {
namespace {

// The last block that a thread's Scratch let go of: fresh pages for every product would cost 4 % of a large one.
struct Spare {
  void* memory = nullptr;
  int64_t bytes = 0;
  ~Spare() { std::free(memory); }
};
thread_local Spare spare;

// Temporary memory, on the stack while small. 64-byte aligned.
class Scratch {
 public:
  explicit Scratch(int64_t bytes) {
    if (bytes <= static_cast<int64_t>(sizeof stack_)) return;
    if (bytes <= spare.bytes) {
      heap_ = spare.memory;
      bytes_ = spare.bytes;
      spare.memory = nullptr;
      spare.bytes = 0;
      return;
    }
    bytes_ = (bytes + 63) & ~int64_t{63};
    heap_ = std::aligned_alloc(64, static_cast<size_t>(bytes_));
    if (!heap_) throw std::bad_alloc();
  }
  ~Scratch() {
    if (!heap_) return;
    if (bytes_ <= kKept && bytes_ > spare.bytes) {
      std::free(spare.memory);
      spare.memory = heap_;
      spare.bytes = bytes_;
    } else {
      std::free(heap_);
    }
  }
  Scratch(const Scratch&) = delete;
  void* get() { return heap_ ? heap_ : stack_; }

 private:
  static constexpr int64_t kKept = 2 << 20;
  void* heap_ = nullptr;
  int64_t bytes_ = 0;
  alignas(64) char stack_[16384];
};

RL_INLINE int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

template <class Op>
using TileFn = void (*)(const Tile<typename Op::T>&);

// table[vectors - 1][rows - 1]
template <class Op, bool Padded, int... I>
constexpr auto tile_table(std::integer_sequence<int, I...>) {
  struct Table {
    TileFn<Op> fn[kTileVectors][sizeof...(I)];
  };
  return Table{{{tile<Op, I + 1, 1, Padded>...}, {tile<Op, I + 1, 2, Padded>...}}};
}

// A panel of at most kTileVectors vectors of columns against all rows of A.
template <class Op, bool Padded>
RL_INLINE void panel(Tile<typename Op::T> t, int64_t m, int64_t width) {
  using T = typename Op::T;
  constexpr int L = kLanes<T>;
  static constexpr auto table = tile_table<Op, Padded>(std::make_integer_sequence<int, Op::kRows>());
  const int vectors = static_cast<int>((width + L - 1) / L);
  t.last = static_cast<int>(width - (vectors - 1) * L);
  // Blocks of nearly equal height: a rest of one row would run at the latency of its few sums.
  const int64_t blocks = (m + Op::kRows - 1) / Op::kRows;
  const int64_t small = m / blocks, larger = m % blocks;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t rows = small + (i < larger);
    table.fn[vectors - 1][rows - 1](t);
    t.a += rows * t.a_rs;
    t.c += rows * t.c_rs;
  }
}

// 4 or 8 byte elements: L x L blocks are transposed in registers by log2(L) rounds of interleaving.
template <class T, int L>
struct Square {
  typedef T V __attribute__((vector_size(sizeof(T) * L)));
  template <int... I>
  RL_INLINE static void interleave(V& a, V& b, std::integer_sequence<int, I...>) {
    const V low = __builtin_shufflevector(a, b, (I / 2 + (I % 2) * L)...);
    const V high = __builtin_shufflevector(a, b, (I / 2 + L / 2 + (I % 2) * L)...);
    a = low;
    b = high;
  }
  RL_INLINE static void transpose(const T* source, int64_t stride, T* target, int64_t ld) {
    V rows[L], next[L];
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) std::memcpy(&rows[i], source + i * stride, sizeof(V));
#pragma GCC unroll 4
    for (int width = 1; width < L; width *= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < L / 2; ++i) {
        V low = rows[i], high = rows[i + L / 2];
        interleave(low, high, std::make_integer_sequence<int, L>());
        next[2 * i] = low;
        next[2 * i + 1] = high;
      }
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) rows[i] = next[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) std::memcpy(target + i * ld, &rows[i], sizeof(V));
  }
};

// Copies rows x cols of B into rows of ld >= cols elements.
template <class T>
void pack(int64_t rows, int64_t cols, const T* b, int64_t rs, int64_t cs, T* out, int64_t ld) {
  if (cs == 1) {
    for (int64_t p = 0; p < rows; ++p) std::memcpy(out + p * ld, b + p * rs, static_cast<size_t>(cols) * sizeof(T));
    return;
  }
  int64_t p0 = 0;
  if constexpr (sizeof(T) >= 4) {
    constexpr int L = (kVectorBytes >= 32 ? 32 : 16) / static_cast<int>(sizeof(T));
    if (rs == 1) {
      for (; p0 + L <= rows; p0 += L) {
        int64_t j = 0;
        for (; j + L <= cols; j += L) Square<T, L>::transpose(b + p0 + j * cs, cs, out + p0 * ld + j, ld);
        for (; j < cols; ++j)
          for (int p = 0; p < L; ++p) out[(p0 + p) * ld + j] = b[p0 + p + j * cs];
      }
    }
  }
  if (rs <= cs) {
    for (int64_t j = 0; j < cols; ++j)
      for (int64_t p = p0; p < rows; ++p) out[p * ld + j] = b[p * rs + j * cs];
  } else {
    for (int64_t p = p0; p < rows; ++p)
      for (int64_t j = 0; j < cols; ++j) out[p * ld + j] = b[p * rs + j * cs];
  }
}

template <class T>
void scale_rows(const Product<T>& q) {
  for (int64_t i = 0; i < q.m; ++i)
    for (int64_t j = 0; j < q.n; ++j) {
      T& c = q.c[i * q.c_rs + j];
      c = q.beta == T(0) ? T(0) : multiply(q.beta, c);
    }
}

// Where the tile keeps up with OpenBLAS at every size (measured on AVX-512, AVX2 and SSE4) it is used at every size.
#if defined(__x86_64__)
constexpr double kOwnLimit = 1e300;
#else
constexpr double kOwnLimit = 64.0 * 64 * 64;
#endif

// Sums over k are cut at multiples of this, whatever the path: an element's bits depend on k alone, so that a product
// may be divided among threads anywhere.
constexpr int64_t kDepth = 256;

// Whether rows lie at a distance that maps them to few sets of the first cache.
template <class T>
bool crowded(int64_t rs, int64_t cs) {
  return (rs > cs ? rs : cs) * static_cast<int64_t>(sizeof(T)) % 512 == 0;
}

// One block of at most kDepth of the sum.
template <class Op>
struct Block {
  using T = typename Op::T;
  static constexpr int L = kLanes<T>;
  static constexpr int64_t kWidth = kTileVectors * L;
  static constexpr int64_t kBlockBytes = kVectorBytes == 64 ? 192 << 10 : 96 << 10;  // of A, in the second cache
  static constexpr int64_t kRowsA = kBlockBytes / (kDepth * static_cast<int64_t>(sizeof(T))) / Op::kRows * Op::kRows;
  static constexpr int64_t kColumnsB = (1 << 20) / (kDepth * static_cast<int64_t>(sizeof(T)));
  static constexpr bool kPadded = !kPartialLoads<T> || kVectorBytes < 64;  // full loads where packing allows them
  // A step of 64 bytes past a power of two: rows of a copy do not compete for one set of the cache.
  static constexpr int64_t kStepA = kDepth + 64 / static_cast<int64_t>(sizeof(T));

  static void direct(const Product<T>& q) {
    for (int64_t j = 0; j < q.n; j += kWidth)
      panel<Op, false>({q.k, q.a, q.a_rs, q.a_cs, q.b + j, q.b_rs, 0, q.alpha, q.beta, q.c + j, q.c_rs}, q.m,
                       lesser(kWidth, q.n - j));
  }

  static void pack_b(const Product<T>& q, int64_t j0, int64_t nb, T* packed) {
    for (int64_t j = 0; j < nb; j += kWidth) {
      // Each panel is a block of its own: k rows of its width rounded up to whole vectors.
      const int64_t width = lesser(kWidth, nb - j), ld = (width + L - 1) / L * L;
      T* const block = packed + j * q.k;
      const T* const b = q.b + (j0 + j) * q.b_cs;
      if (width == kWidth && q.b_cs == 1) {
        for (int64_t p = 0; p < q.k; ++p) std::memcpy(block + p * kWidth, b + p * q.b_rs, kWidth * sizeof(T));
        continue;
      }
      if (ld != width)
        for (int64_t p = 0; p < q.k; ++p) std::memset(block + p * ld + ld - L, 0, kVectorBytes);
      pack(q.k, width, b, q.b_rs, q.b_cs, block, ld);
    }
  }

  static void packed(const Product<T>& q) {
    const int64_t padded_n = (q.n + L - 1) / L * L;
    const int64_t columns = lesser(kColumnsB / kWidth * kWidth, padded_n);
    const int64_t rows = lesser(kRowsA, q.m);
    // A is copied when enough columns use it and it does not fit the first cache as it lies.
    const int64_t bytes_a = q.m * q.k * static_cast<int64_t>(sizeof(T));
    const bool copy_a = q.n >= 4 * kWidth && bytes_a > (crowded<T>(q.a_rs, q.a_cs) ? 24 << 10 : 128 << 10);
    const bool by_columns = q.a_rs < q.a_cs;
    const int64_t step_a = by_columns ? kRowsA + 64 / static_cast<int64_t>(sizeof(T)) : kStepA;
    const int64_t room_b = q.k * columns, room_a = !copy_a ? 0 : by_columns ? q.k * step_a : rows * step_a;
    Scratch scratch((room_a + room_b) * static_cast<int64_t>(sizeof(T)));
    T* const packed_b = static_cast<T*>(scratch.get());
    T* const packed_a = packed_b + room_b;
    for (int64_t j0 = 0; j0 < q.n; j0 += columns) {
      const int64_t nb = lesser(columns, q.n - j0);
      pack_b(q, j0, nb, packed_b);
      for (int64_t i = 0; i < q.m; i += rows) {
        const int64_t mb = lesser(rows, q.m - i);
        Tile<T> t = {q.k, q.a + i * q.a_rs, q.a_rs, q.a_cs, nullptr, 0, 0, q.alpha, q.beta, nullptr, q.c_rs};
        if (copy_a) {
          if (by_columns)
            pack(q.k, mb, t.a, q.a_cs, q.a_rs, packed_a, step_a);
          else
            pack(mb, q.k, t.a, q.a_rs, q.a_cs, packed_a, step_a);
          t.a = packed_a;
          t.a_rs = by_columns ? 1 : step_a;
          t.a_cs = by_columns ? step_a : 1;
        }
        for (int64_t j = 0; j < nb; j += kWidth) {
          const int64_t width = lesser(kWidth, nb - j);
          t.b = packed_b + j * q.k;
          t.b_rs = (width + L - 1) / L * L;
          t.c = q.c + i * q.c_rs + j0 + j;
          panel<Op, kPadded>(t, mb, width);
        }
      }
    }
  }
};

template <class Op>
void matrix_product(const Product<typename Op::T>& q) {
  using T = typename Op::T;
  if (q.m <= 0 || q.n <= 0) return;
  if (q.k <= 0 || q.alpha == T(0)) return scale_rows(q);
  const bool readable = q.b_cs == 1 && (kPartialLoads<T> || q.n % kLanes<T> == 0);
  Product<T> part = q;
  for (int64_t p = 0; p < q.k; p += kDepth) {
    part.k = lesser(kDepth, q.k - p);
    part.a = q.a + p * q.a_cs;
    part.b = q.b + p * q.b_rs;
    if (p > 0) part.beta = T(1);
    // Rows of B are read where they lie while they fit a near cache, or when too few rows of A would use a copy.
    const int64_t near = crowded<T>(q.b_rs, 1) ? 32 << 10 : 80 << 10;
    if (readable && (q.m <= 2 * Op::kRows || (q.n <= near && part.k * q.n * static_cast<int64_t>(sizeof(T)) <= near)))
      Block<Op>::direct(part);
    else
      Block<Op>::packed(part);
  }
}

// R dot products of the rows a, a + stride, ... with x, all contiguous.
template <class T, int R>
RL_INLINE void dots(int64_t n, const T* a, int64_t stride, const T* x, T* out) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>;
  constexpr int U = 4;
  V acc[R][U] = {};
  int64_t p = 0;
  for (; p + U * L <= n; p += U * L) {
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) {
      const V xv = load(x + p + u * L);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) acc[r][u] += load(a + r * stride + p + u * L) * xv;
    }
  }
  for (; p + L <= n; p += L) {
    const V xv = load(x + p);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) acc[r][0] += load(a + r * stride + p) * xv;
  }
  if (p < n) {
    const int rest = static_cast<int>(n - p);
    const V xv = load_part(x + p, rest);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) acc[r][1] += load_part(a + r * stride + p, rest) * xv;
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    acc[r][0] = (acc[r][0] + acc[r][2]) + (acc[r][1] + acc[r][3]);
    out[r] = hsum<T>(acc[r][0]);
  }
}

// y[i * incy] = alpha * dot(row i, x) + beta * y[i * incy]
template <class T>
void rows_times_vector(int64_t rows, int64_t n, T alpha, const T* a, int64_t stride, const T* x, T beta, T* y,
                       int64_t incy) {
  auto put = [&](int64_t i, T sum) {
    T& out = y[i * incy];
    const T scaled = multiply(alpha, sum);
    out = beta == T(0) ? scaled : static_cast<T>(scaled + multiply(beta, out));
  };
  int64_t i = 0;
  T sums[2];
  for (; i + 2 <= rows; i += 2) {
    dots<T, 2>(n, a + i * stride, stride, x, sums);
    put(i, sums[0]);
    put(i + 1, sums[1]);
  }
  for (; i < rows; ++i) {
    dots<T, 1>(n, a + i * stride, stride, x, sums);
    put(i, sums[0]);
  }
}

// y = alpha * x B + beta * y for contiguous rows of B: a few rows at a time, y stays in the first cache.
template <class T>
void vector_times_rows(const Product<T>& q) {
  using V = Vec<T>;
  constexpr int L = kLanes<T>, R = 8;
  constexpr int64_t kChunk = 2048;
  for (int64_t j0 = 0; j0 < q.n; j0 += kChunk) {
    const int64_t width = lesser(kChunk, q.n - j0);
    T* const y = q.c + j0;
    if (q.beta == T(0))
      std::memset(y, 0, static_cast<size_t>(width) * sizeof(T));
    else if (q.beta != T(1))
      for (int64_t j = 0; j < width; ++j) y[j] = multiply(y[j], q.beta);
    int64_t p = 0;
    for (; p + R <= q.k; p += R) {
      T s[R];
      for (int r = 0; r < R; ++r) s[r] = multiply(q.alpha, q.a[(p + r) * q.a_cs]);
      const T* const b = q.b + p * q.b_rs + j0;
      int64_t j = 0;
      for (; j + L <= width; j += L) {
        V even = load(y + j), odd = V{};
#pragma GCC unroll 8
        for (int r = 0; r < R; r += 2) {
          even += s[r] * load(b + r * q.b_rs + j);
          odd += s[r + 1] * load(b + (r + 1) * q.b_rs + j);
        }
        store(y + j, even + odd);
      }
      if (j < width) {
        const int rest = static_cast<int>(width - j);
        V even = load_part(y + j, rest), odd = V{};
#pragma GCC unroll 8
        for (int r = 0; r < R; r += 2) {
          even += s[r] * load_part(b + r * q.b_rs + j, rest);
          odd += s[r + 1] * load_part(b + (r + 1) * q.b_rs + j, rest);
        }
        store_part(y + j, even + odd, rest);
      }
    }
    for (; p < q.k; ++p) {
      const T s = multiply(q.alpha, q.a[p * q.a_cs]);
      const T* const b = q.b + p * q.b_rs + j0;
      for (int64_t j = 0; j < width; ++j) y[j] = static_cast<T>(y[j] + multiply(s, b[j]));
    }
  }
}

template <class T>
T dot(int64_t n, const T* x, int64_t incx, const T* y, int64_t incy) {
  if (incx == 1 && incy == 1) {
    T out[1];
    dots<T, 1>(n, x, 0, y, out);
    return out[0];
  }
  T sum[4] = {};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int r = 0; r < 4; ++r) sum[r] = static_cast<T>(sum[r] + multiply(x[(i + r) * incx], y[(i + r) * incy]));
  for (; i < n; ++i) sum[0] = static_cast<T>(sum[0] + multiply(x[i * incx], y[i * incy]));
  return static_cast<T>((sum[0] + sum[2]) + (sum[1] + sum[3]));
}

template <class T>
void product(const Product<T>& q) {
  if ((q.m == 1 || q.n == 1) && q.m > 0 && q.n > 0 && q.k > 0 && q.alpha != T(0)) {
    if (q.m == 1 && q.n == 1) {
      const T sum = multiply(q.alpha, dot(q.k, q.a, q.a_cs, q.b, q.b_rs));
      *q.c = q.beta == T(0) ? sum : static_cast<T>(sum + multiply(q.beta, *q.c));
      return;
    }
    // The matrix's rows along k must be contiguous for dot products, and the vector: copied if it is not.
    const bool column = q.n == 1;
    if ((column ? q.a_cs : q.b_rs) == 1 && q.k < (int64_t{1} << 40)) {
      const T* x = column ? q.b : q.a;
      const int64_t incx = column ? q.b_rs : q.a_cs;
      Scratch scratch(incx == 1 ? 0 : q.k * static_cast<int64_t>(sizeof(T)));
      if (incx != 1) {
        T* copy = static_cast<T*>(scratch.get());
        for (int64_t p = 0; p < q.k; ++p) copy[p] = x[p * incx];
        x = copy;
      }
      if (column) return rows_times_vector(q.m, q.k, q.alpha, q.a, q.a_rs, x, q.beta, q.c, q.c_rs);
      return rows_times_vector(q.n, q.k, q.alpha, q.b, q.b_cs, x, q.beta, q.c, int64_t{1});
    }
    if (q.m == 1 && q.b_cs == 1) return vector_times_rows(q);
  }
  matrix_product<Arithmetic<T>>(q);
}

}  // namespace
}  // namespace rushlight::cpu::RL_ISA

#define RL_JOIN_(a, b) a##b
#define RL_JOIN(a, b) RL_JOIN_(a, b)
#define RL_TEXT_(a) #a
#define RL_TEXT(a) RL_TEXT_(a)

namespace rushlight::cpu {

const GemmKernels& RL_JOIN(gemm_kernels_, RL_ISA)() {
  namespace isa = RL_ISA;
  static constexpr GemmKernels kernels = {
      RL_TEXT(RL_ISA),
      isa::kOwnLimit,
      isa::product<float>,
      isa::product<double>,
      isa::product<uint16_t>,
      isa::product<uint32_t>,
      isa::product<uint64_t>,
      isa::matrix_product<isa::Logical>,
      isa::stage,
      isa::unstage,
  };
  return kernels;
}

}  // namespace rushlight::cpu
