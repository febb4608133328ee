#include "cpu/segment.h"

#include <algorithm>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"

namespace rushlight::cpu {

namespace {

template <SegmentOp Op, class T>
T combined(T a, T x) {
  if constexpr (Op == SegmentOp::Sum) return a + x;
  if constexpr (Op == SegmentOp::Prod) return a * x;
  if constexpr (Op == SegmentOp::Max) return a > x || a != a ? a : x;
  return a < x || a != a ? a : x;
}

template <SegmentOp Op, class T>
void reduce(const SegmentProblem& p) {
  const T start = static_cast<T>(p.start);
  auto run = [&](int64_t first, int64_t last) {
    for (int64_t s = first; s < last; ++s) {
      const T* x = static_cast<const T*>(p.data) + (s / p.count * p.n + p.begins[s]) * p.inner;
      T* const out = static_cast<T*>(p.out) + s * p.inner;
      if (p.inner == 1) {
        T value = start;
        for (int64_t i = 0; i < p.lengths[s]; ++i) value = combined<Op>(value, x[i]);
        *out = value;
        continue;
      }
      std::fill_n(out, p.inner, start);
      for (int64_t i = 0; i < p.lengths[s]; ++i, x += p.inner)
        for (int64_t j = 0; j < p.inner; ++j) out[j] = combined<Op>(out[j], x[j]);
    }
  };
  const int64_t total = p.outer * p.count, work = p.outer * p.n * p.inner;
  if (work <= kSerialElements) return run(0, total);
  BlockingRegion region(true);
  parallel_for(0, total, std::max<int64_t>(1, kSerialElements * total / work), run);
}

template <class T>
void reduce(const SegmentProblem& p) {
  switch (p.op) {
    case SegmentOp::Sum: return reduce<SegmentOp::Sum, T>(p);
    case SegmentOp::Max: return reduce<SegmentOp::Max, T>(p);
    case SegmentOp::Min: return reduce<SegmentOp::Min, T>(p);
    case SegmentOp::Prod: return reduce<SegmentOp::Prod, T>(p);
  }
}

}  // namespace

void reduce_segments(DType dtype, const SegmentProblem& p) {
  if (p.outer * p.count * p.inner == 0) return;
  dtype == DType::Float64 ? reduce<double>(p) : reduce<float>(p);
}

}  // namespace rushlight::cpu
