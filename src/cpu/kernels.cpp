#include "cpu/kernels.h"

#include <cstdlib>

#include "cpu/special_kernels.h"

namespace rushlight::cpu {

int isa_level() {
  static const int level = [] {
    int found = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("x86-64-v2")) found = 2;
    if (__builtin_cpu_supports("x86-64-v3")) found = 3;
    if (__builtin_cpu_supports("x86-64-v4")) found = 4;
#endif
    if (const char* limit = std::getenv("RUSHLIGHT_ISA"))
      if (const int wanted = std::atoi(limit); wanted < found) found = wanted;
    return found;
  }();
  return level;
}

const ElementwiseTable& elementwise() {
  static const ElementwiseTable table = [] {
    ElementwiseTable t;
    fill_complex(t);
    fill_special(t);
#define RL_FILL(isa)      \
  do {                    \
    isa::fill_unary(t);   \
    isa::fill_binary(t);  \
    isa::fill_power(t);   \
    isa::fill_copy(t);    \
    isa::fill_special(t); \
  } while (0)
    RL_BEST_ISA(RL_FILL)
#undef RL_FILL
    return t;
  }();
  return table;
}

}  // namespace rushlight::cpu
