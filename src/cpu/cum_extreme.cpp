#include "cpu/cum_extreme.h"

#include <algorithm>
#include <type_traits>

#include "core/thread_pool.h"
#include "cpu/boolean.h"
#include "cpu/loop_plan.h"
#include "cpu/number.h"

namespace rushlight::cpu {

namespace {

// Whether x takes the place of best.
template <bool Largest, class X>
bool takes(X x, X best) {
  const bool reaches = Largest ? x >= best : x <= best;
  if constexpr (std::is_floating_point_v<X>) return reaches || x != x;
  return reaches;
}

template <bool Largest, class T>
void rows(const T* in, T* values, int64_t* indices, int64_t count, int64_t n) {
  for (int64_t r = 0; r < count; ++r, in += n, values += n, indices += n) {
    auto best = number(in[0]);
    T kept = in[0];
    int64_t at = 0;
    for (int64_t i = 0; i < n; ++i) {
      const auto x = number(in[i]);
      const bool wins = takes<Largest>(x, best);
      best = wins ? x : best;
      kept = wins ? in[i] : kept;
      at = wins ? i : at;
      values[i] = kept;
      indices[i] = at;
    }
  }
}

// `count` columns side by side; the previous results are the state.
template <bool Largest, class T>
void columns(const T* in, T* values, int64_t* indices, int64_t count, int64_t n, int64_t stride) {
  std::copy(in, in + count, values);
  std::fill(indices, indices + count, int64_t{0});
  for (int64_t i = 1; i < n; ++i) {
    const T* const x = in + i * stride;
    const T* const v = values + (i - 1) * stride;
    const int64_t* const p = indices + (i - 1) * stride;
    T* const w = values + i * stride;
    int64_t* const q = indices + i * stride;
    for (int64_t j = 0; j < count; ++j) {
      const bool wins = takes<Largest>(number(x[j]), number(v[j]));
      w[j] = wins ? x[j] : v[j];
      q[j] = wins ? i : p[j];
    }
  }
}

template <bool Largest, class T>
void run(const Tensor& in, int64_t dim, const Tensor& values, const Tensor& indices) {
  int64_t outer = 1, inner = 1;
  const int64_t n = in.dim() ? in.sizes()[dim] : 1;
  for (int64_t d = 0; d < dim; ++d) outer *= in.sizes()[d];
  for (int64_t d = dim + 1; d < in.dim(); ++d) inner *= in.sizes()[d];
  const T* const x = reinterpret_cast<const T*>(in.data());
  T* const v = reinterpret_cast<T*>(values.data());
  int64_t* const p = indices.data_ptr<int64_t>();
  BlockingRegion region(in.numel() > kSerialElements);
  if (inner == 1) {
    parallel_for(0, outer, std::max<int64_t>(1, 32768 / n), [&](int64_t begin, int64_t end) {
      rows<Largest>(x + begin * n, v + begin * n, p + begin * n, end - begin, n);
    });
    return;
  }
  const int64_t width = std::min<int64_t>(inner, 512), strips = (inner + width - 1) / width;
  parallel_for(0, outer * strips, std::max<int64_t>(1, 32768 / (n * width)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % strips * width, at = i / strips * n * inner + first;
      columns<Largest>(x + at, v + at, p + at, std::min(width, inner - first), n, inner);
    }
  });
}

template <class T>
void run(bool largest, const Tensor& in, int64_t dim, const Tensor& values, const Tensor& indices) {
  largest ? run<true, T>(in, dim, values, indices) : run<false, T>(in, dim, values, indices);
}

}  // namespace

void cum_extreme(bool largest, const Tensor& in, int64_t dim, const Tensor& values, const Tensor& indices) {
  switch (in.dtype()) {
    case DType::Bool: return run<Boolean>(largest, in, dim, values, indices);
    case DType::UInt8: return run<uint8_t>(largest, in, dim, values, indices);
    case DType::Int8: return run<int8_t>(largest, in, dim, values, indices);
    case DType::Int16: return run<int16_t>(largest, in, dim, values, indices);
    case DType::Int32: return run<int32_t>(largest, in, dim, values, indices);
    case DType::Int64: return run<int64_t>(largest, in, dim, values, indices);
    case DType::Float16: return run<float16>(largest, in, dim, values, indices);
    case DType::BFloat16: return run<bfloat16>(largest, in, dim, values, indices);
    case DType::Float32: return run<float>(largest, in, dim, values, indices);
    case DType::Float64: return run<double>(largest, in, dim, values, indices);
    default: return;
  }
}

}  // namespace rushlight::cpu
