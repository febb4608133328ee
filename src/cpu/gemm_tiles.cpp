#include "cpu/gemm_tiles.h"

#include <algorithm>
#include <cstring>

#include "core/thread_pool.h"
#include "cpu/gemm_kernels.h"
#include "cpu/kernels.h"
#include "rushlight/memory.h"

#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define RL_TILES 1
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#define RL_TILES 0
#endif

namespace rushlight::cpu {

#if RL_TILES

namespace {

// A tile has 16 rows of 64 bytes: 16 x 32 elements of A, 32 x 16 of B (two rows of B interleaved), 16 x 16 sums.
constexpr int64_t kSide = 16, kDepth = 32, kTileItems = kSide * kDepth;
// Parts of C that one thread computes at a time, in tiles.
constexpr int64_t kPartTiles = 8;

// Whether the unit is there, the system saves its registers, and this process may use it.
bool ask_for_tiles() {
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kSaved = 3u << 17;
  unsigned eax, ebx, ecx, edx;
  if (isa_level() < 4 || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  if (!(edx & kBf16) || !(edx & kTile)) return false;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) return false;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & kSaved) != kSaved) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

struct Operand {
  const uint16_t* data;
  int64_t rs, cs;
};

// A's rows [i, i + rows), columns [p, p + depth) as a tile.
void pack_a(uint16_t* tile, const Operand& a, int64_t i, int64_t p, int64_t rows, int64_t depth) {
  const uint16_t* const from = a.data + i * a.rs + p * a.cs;
  if (a.cs == 1) {
    if (rows < kSide || depth < kDepth) std::memset(tile, 0, kTileItems * sizeof(uint16_t));
    for (int64_t r = 0; r < rows; ++r) {
      if (depth == kDepth)
        std::memcpy(tile + r * kDepth, from + r * a.rs, 64);
      else
        std::memcpy(tile + r * kDepth, from + r * a.rs, static_cast<size_t>(depth) * 2);
    }
  } else if (rows == kSide && depth == kDepth && a.rs == 1) {
    elementwise().transpose[1](reinterpret_cast<char*>(tile), 64, reinterpret_cast<const char*>(from), a.cs * 2, kSide,
                               kDepth);
  } else {
    std::memset(tile, 0, kTileItems * sizeof(uint16_t));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t d = 0; d < depth; ++d) tile[r * kDepth + d] = from[r * a.rs + d * a.cs];
  }
}
// B's rows [p, p + depth), columns [j, j + cols) as a tile: row r holds rows 2r and 2r + 1, element by element.
void pack_b(uint16_t* tile, const Operand& b, int64_t p, int64_t j, int64_t depth, int64_t cols) {
  const uint16_t* const from = b.data + p * b.rs + j * b.cs;
  if (cols == kSide && depth == kDepth && b.cs == 1) {
    for (int64_t r = 0; r < kSide; ++r) {
      const uint16_t* const even = from + 2 * r * b.rs;
      const __m128i x0 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(even));
      const __m128i x1 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(even + 8));
      const __m128i y0 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(even + b.rs));
      const __m128i y1 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(even + b.rs + 8));
      __m128i* const to = reinterpret_cast<__m128i*>(tile + r * kDepth);
      _mm_storeu_si128(to, _mm_unpacklo_epi16(x0, y0));
      _mm_storeu_si128(to + 1, _mm_unpackhi_epi16(x0, y0));
      _mm_storeu_si128(to + 2, _mm_unpacklo_epi16(x1, y1));
      _mm_storeu_si128(to + 3, _mm_unpackhi_epi16(x1, y1));
    }
  } else if (cols == kSide && depth == kDepth && b.rs == 1) {
    // Pairs of rows lie side by side: words of 32 bits, transposed.
    elementwise().transpose[2](reinterpret_cast<char*>(tile), 64, reinterpret_cast<const char*>(from), b.cs * 2, kSide,
                               kSide);
  } else {
    std::memset(tile, 0, kTileItems * sizeof(uint16_t));
    for (int64_t d = 0; d < depth; ++d)
      for (int64_t c = 0; c < cols; ++c) tile[(d / 2) * kDepth + 2 * c + d % 2] = from[d * b.rs + c * b.cs];
  }
}

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Sums of 2 x 2 tiles (one or two each way), 32 floats a row. `depth` tiles of A and B follow each other; rows of A and
// columns of B are `a_step` and `b_step` items apart.
template <bool TwoRows, bool TwoCols>
__attribute__((target("amx-tile,amx-bf16"))) void multiply_tiles(float* sums, const uint16_t* a, const uint16_t* b,
                                                                 int64_t a_step, int64_t b_step, int64_t depth) {
  _tile_zero(0);
  if (TwoCols) _tile_zero(1);
  if (TwoRows) _tile_zero(2);
  if (TwoRows && TwoCols) _tile_zero(3);
  for (int64_t d = 0; d < depth; ++d, a += kTileItems, b += kTileItems) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (TwoCols) {
      _tile_loadd(7, b + b_step, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (TwoRows) {
      _tile_loadd(5, a + a_step, 64);
      _tile_dpbf16ps(2, 5, 6);
      if (TwoCols) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums, 128);
  if (TwoCols) _tile_stored(1, sums + 16, 128);
  if (TwoRows) _tile_stored(2, sums + 512, 128);
  if (TwoRows && TwoCols) _tile_stored(3, sums + 528, 128);
}
__attribute__((target("amx-tile"))) void configure() {
  const TileConfig config;
  __asm__ volatile("" : : "r"(&config) : "memory");  // the intrinsic claims to read 8 bytes only
  _tile_loadconfig(&config);
}
__attribute__((target("amx-tile"))) void release() { _tile_release(); }

int64_t tiles(int64_t extent, int64_t side) { return (extent + side - 1) / side; }

}  // namespace

bool gemm_bfloat16_tiles(int64_t m, int64_t n, int64_t k, float alpha, const void* a, int64_t a_rs, int64_t a_cs,
                         const void* b, int64_t b_rs, int64_t b_cs, float beta, void* c, int64_t c_rs, int64_t c_cs) {
  constexpr double kWorthIt = 1 << 16;
  if (m < 8 || n < 8 || k < 16 || static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) < kWorthIt)
    return false;
  static const bool available = ask_for_tiles();
  if (!available) return false;
  const Operand x{static_cast<const uint16_t*>(a), a_rs, a_cs}, y{static_cast<const uint16_t*>(b), b_rs, b_cs};
  const int64_t tm = tiles(m, kSide), tn = tiles(n, kSide), tk = tiles(k, kDepth);
  // Tiles of one row of A, and of one column of B, one after another.
  const size_t bytes = static_cast<size_t>((tm + tn) * tk * kTileItems) * sizeof(uint16_t);
  struct Memory {
    explicit Memory(size_t n) : size(n), data(static_cast<uint16_t*>(allocate(n))) {}
    ~Memory() { deallocate(data, size); }
    Memory(const Memory&) = delete;
    size_t size;
    uint16_t* data;
  } memory(bytes);
  uint16_t* const packed_a = memory.data;
  uint16_t* const packed_b = packed_a + tm * tk * kTileItems;
  const int64_t step = tk * kTileItems;
  parallel_for(0, tm + tn, std::max<int64_t>(1, 64 / tk), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t d = 0; d < tk; ++d) {
        const int64_t p = d * kDepth, depth = std::min(kDepth, k - p);
        if (t < tm)
          pack_a(packed_a + (t * tk + d) * kTileItems, x, t * kSide, p, std::min(kSide, m - t * kSide), depth);
        else
          pack_b(packed_b + ((t - tm) * tk + d) * kTileItems, y, p, (t - tm) * kSide, depth,
                 std::min(kSide, n - (t - tm) * kSide));
      }
  });
  const int64_t parts_m = tiles(tm, kPartTiles), parts_n = tiles(tn, kPartTiles);
  parallel_for(0, parts_m * parts_n, 1, [&](int64_t begin, int64_t end) {
    alignas(64) float sums[32 * 32];
    configure();
    for (int64_t part = begin; part < end; ++part) {
      const int64_t i_begin = part / parts_n * kPartTiles, j_begin = part % parts_n * kPartTiles;
      const int64_t i_end = std::min(tm, i_begin + kPartTiles), j_end = std::min(tn, j_begin + kPartTiles);
      for (int64_t j = j_begin; j < j_end; j += 2)
        for (int64_t i = i_begin; i < i_end; i += 2) {
          const bool two_rows = i + 1 < i_end, two_cols = j + 1 < j_end;
          const auto multiply = two_rows   ? two_cols ? multiply_tiles<true, true> : multiply_tiles<true, false>
                                : two_cols ? multiply_tiles<false, true>
                                           : multiply_tiles<false, false>;
          multiply(sums, packed_a + i * step, packed_b + j * step, step, step, tk);
          const int64_t row = i * kSide, col = j * kSide;
          gemm_kernels().unstage(DType::BFloat16, std::min<int64_t>(two_rows ? 32 : 16, m - row),
                                 std::min<int64_t>(two_cols ? 32 : 16, n - col), &alpha, sums, 32, &beta,
                                 static_cast<uint16_t*>(c) + row * c_rs + col * c_cs, c_rs, c_cs);
        }
    }
    release();
  });
  return true;
}

#else

bool gemm_bfloat16_tiles(int64_t, int64_t, int64_t, float, const void*, int64_t, int64_t, const void*, int64_t, int64_t,
                         float, void*, int64_t, int64_t) {
  return false;
}

#endif

}  // namespace rushlight::cpu
