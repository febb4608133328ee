// The tables of inner loops. One copy of every loop is compiled per instruction set; the table is filled once at the
// first use with the best one that this processor runs.
#pragma once

#include <cstdint>

#include "rushlight/dtype.h"

namespace rushlight::cpu {

// A 1-d loop: data[0] is written, the others are read; strides are in bytes; the result may be one of the operands.
using Loop = void (*)(char* const* data, const int64_t* strides, int64_t n, const void* params);

enum class UnaryOp : uint8_t {
#define RL_UNARY(Name, function, node, promotion, derivative, forms) Name,
#include "rushlight/elementwise.def"
  Count
};

enum class BinaryOp : uint8_t {
#define RL_BINARY(Name, function, node, promotion, derivative, forms) Name,
#include "rushlight/elementwise.def"
  Count
};

inline constexpr int kUnaryCount = static_cast<int>(UnaryOp::Count);
inline constexpr int kBinaryCount = static_cast<int>(BinaryOp::Count);

// Dtypes of the conversion table: those that compute, then the ones that can only be stored.
inline constexpr int kNumCastDTypes = 16;  // up to Complex32

struct ClampParams {
  double low, high;  // of the kernel's dtype: int64 bits for integers
  int64_t int_low, int_high;
};

struct ElementwiseTable {
  Loop unary[kUnaryCount][kNumComputeDTypes] = {};
  Loop binary[kBinaryCount][kNumComputeDTypes] = {};
  Loop add_scaled[kNumComputeDTypes] = {};  // a + *params * b, params of the kernel's dtype
  Loop clamp[kNumComputeDTypes] = {};       // ClampParams
  Loop cast[kNumCastDTypes][kNumCastDTypes] = {};
  // By log2 of the element size: 1, 2, 4, 8, 16 bytes.
  Loop copy[5] = {};  // data[0] = data[1]
  // out[r][c] = in[c][r] for r < rows, c < columns; strides between rows in bytes.
  void (*transpose[5])(char* out, int64_t out_stride, const char* in, int64_t in_stride, int64_t rows,
                       int64_t columns) = {};
  // Copies to memory that will not be read soon, past the caches where the processor can. Multiples of 64 bytes, `to`
  // aligned to 64.
  void (*stream)(char* to, const char* from, int64_t nbytes) = nullptr;
  Loop where[5] = {};  // data[0] = data[1] (bool) ? data[2] : data[3]
};

const ElementwiseTable& elementwise();

inline int size_class(int64_t item_size) {
  return item_size == 1 ? 0 : item_size == 2 ? 1 : item_size == 4 ? 2 : item_size == 8 ? 3 : 4;
}

// X(isa) for every instruction set that has a namespace of kernels.
#define RL_EVERY_ISA(X) X(generic) X(v2) X(v3) X(v4) X(neon)

// X(isa) for the best one that this build and this processor have.
#if defined(__x86_64__)
#define RL_BEST_ISA(X)        \
  switch (cpu::isa_level()) { \
    case 4: X(v4); break;     \
    case 3: X(v3); break;     \
    default: X(v2); break;    \
  }
#elif defined(__aarch64__)
#define RL_BEST_ISA(X) X(neon);
#else
#define RL_BEST_ISA(X) X(generic);
#endif

#define RL_DECLARE_FILL(isa)           \
  namespace isa {                      \
  void fill_unary(ElementwiseTable&);  \
  void fill_binary(ElementwiseTable&); \
  void fill_power(ElementwiseTable&);  \
  void fill_copy(ElementwiseTable&);   \
  }
RL_EVERY_ISA(RL_DECLARE_FILL)
#undef RL_DECLARE_FILL
void fill_complex(ElementwiseTable&);
void fill_special(ElementwiseTable&);

// 0 generic, 2, 3, 4: the x86-64 level that this processor supports and that RUSHLIGHT_ISA (for tests) does not
// exclude.
[[gnu::visibility("default")]] int isa_level();

}  // namespace rushlight::cpu
