// Products of bfloat16 by the tile unit (AMX) of the processor.
#pragma once

#include <cstdint>

namespace rushlight::cpu {

// C = alpha * A B + beta * C as in gemm(), for bfloat16: sums in float32, rounded once. False, with nothing written,
// where the processor has no such unit or the product is too small for it. Strides count elements.
bool gemm_bfloat16_tiles(int64_t m, int64_t n, int64_t k, float alpha, const void* a, int64_t a_rs, int64_t a_cs,
                         const void* b, int64_t b_rs, int64_t b_cs, float beta, void* c, int64_t c_rs, int64_t c_cs);

}  // namespace rushlight::cpu
