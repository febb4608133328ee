#include "cpu/normalization.h"

#include <algorithm>
#include <vector>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"

namespace rushlight::cpu {

namespace {

// Partial sums for weight and bias, at most; cut by size, so that the bits do not depend on the threads.
constexpr int64_t kBlocks = 64;
constexpr int64_t kLeastRows = 16;
constexpr int64_t kBufferElements = 8192;

const NormKernels& norm_kernels(DType dtype) {
  static const NormTable table = [] {
    NormTable t;
#define RL_FILL(isa) isa::fill_normalization(t)
    RL_BEST_ISA(RL_FILL)
#undef RL_FILL
    return t;
  }();
  return dtype == DType::Float64 ? table.of_double : table.of_float;
}

template <class F>
void for_rows(int64_t rows, int64_t n, F&& f) {
  if (rows * n <= kSerialElements) return f(0, rows);
  BlockingRegion region(true);
  parallel_for(0, rows, std::max<int64_t>(1, kSerialElements / std::max<int64_t>(n, 1)), f);
}

template <class P>
P* moved(P* p, int64_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<P>, const char, char>;
  return p ? static_cast<Byte*>(p) + bytes : nullptr;
}

}  // namespace

void run_layer_norm(DType dtype, const NormRows& r, DType memory) {
  const int64_t item = item_size(dtype), stored = item_size(memory);
  const NormKernels& k = norm_kernels(dtype);
  // Half precision passes through buffers that stay in the cache.
  const bool direct = memory == dtype;
  const Loop widen = elementwise().cast[static_cast<int>(memory)][static_cast<int>(dtype)];
  const Loop narrow = elementwise().cast[static_cast<int>(dtype)][static_cast<int>(memory)];
  for_rows(r.rows, r.n, [&](int64_t begin, int64_t end) {
    const int64_t step = direct ? end - begin : std::max<int64_t>(kBufferElements / r.n, 1);
    std::vector<char> buffer(direct ? 0 : static_cast<size_t>(std::min(step, end - begin) * r.n * item));
    for (int64_t at = begin; at < end; at += step) {
      NormRows part = r;
      part.x = moved(r.x, at * r.n * stored);
      part.y = moved(r.y, at * r.n * stored);
      part.mean = moved(r.mean, at * item);
      part.rstd = moved(r.rstd, at * item);
      part.rows = std::min(step, end - at);
      if (direct) {
        (r.y ? k.layer_norm : k.moments)(part);
        continue;
      }
      char* const there = static_cast<char*>(part.y);
      char* in[2] = {buffer.data(), static_cast<char*>(const_cast<void*>(part.x))};
      const int64_t in_strides[2] = {item, stored};
      widen(in, in_strides, part.rows * r.n, nullptr);
      part.x = part.y = buffer.data();
      k.layer_norm(part);
      char* out[2] = {there, buffer.data()};
      const int64_t out_strides[2] = {stored, item};
      narrow(out, out_strides, part.rows * r.n, nullptr);
    }
  });
}

void run_moments(DType dtype, const NormRows& r) {
  NormRows only = r;
  only.y = nullptr;
  run_layer_norm(dtype, only, dtype);
}

void run_affine(DType dtype, const AffineRows& r) {
  const int64_t item = item_size(dtype);
  const NormKernels& k = norm_kernels(dtype);
  for_rows(r.rows, r.n, [&](int64_t begin, int64_t end) {
    k.affine({moved(r.x, begin * r.n * item), moved(r.mean, begin * item), moved(r.scale, begin * item),
              moved(r.shift, begin * item), moved(r.y, begin * r.n * item), end - begin, r.n});
  });
}

namespace {

void run_grad_rows(DType dtype, const NormGradRows& r, void (*kernel)(const NormGradRows&)) {
  const int64_t item = item_size(dtype);
  for_rows(r.rows, r.n, [&](int64_t begin, int64_t end) {
    kernel({moved(r.grad, begin * r.n * item), moved(r.x, begin * r.n * item), moved(r.mean, begin * item),
            moved(r.sums, begin * item), moved(r.products, begin * item), moved(r.a, begin * item),
            moved(r.b, begin * item), moved(r.c, begin * item), moved(r.out, begin * r.n * item), end - begin, r.n});
  });
}

template <class T>
void add_parts(T* out, const T* parts, int64_t blocks, int64_t n) {
  std::copy(parts, parts + n, out);
  for (int64_t b = 1; b < blocks; ++b)
    for (int64_t i = 0; i < n; ++i) out[i] += parts[b * n + i];
}

}  // namespace

void run_norm_dots(DType dtype, const NormGradRows& r) { run_grad_rows(dtype, r, norm_kernels(dtype).dots); }
void run_norm_combine(DType dtype, const NormGradRows& r) { run_grad_rows(dtype, r, norm_kernels(dtype).combine); }

void run_layer_norm_grad(DType dtype, const LayerNormGrad& r) {
  const int64_t item = item_size(dtype);
  const NormKernels& k = norm_kernels(dtype);
  const int64_t step = std::max((r.rows + kBlocks - 1) / kBlocks, kLeastRows);
  const int64_t blocks = std::max<int64_t>((r.rows + step - 1) / step, 1), bytes = blocks * r.n * item;
  std::vector<char> weights(r.weight_grad ? static_cast<size_t>(bytes) : 0);
  std::vector<char> biases(r.bias_grad ? static_cast<size_t>(bytes) : 0);
  auto run = [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t row = block * step, at = row * r.n * item;
      k.layer_norm_grad({moved(r.grad, at), moved(r.x, at), moved(r.mean, row * item), moved(r.rstd, row * item),
                         r.weight, moved(r.input, at), r.weight_grad ? weights.data() + block * r.n * item : nullptr,
                         r.bias_grad ? biases.data() + block * r.n * item : nullptr, std::min(step, r.rows - row),
                         r.n});
    }
  };
  if (r.rows * r.n <= kSerialElements) {
    run(0, blocks);
  } else {
    BlockingRegion region(true);
    parallel_for(0, blocks, 1, run);
  }
  auto finish = [&](void* out, const std::vector<char>& parts) {
    if (!out) return;
    if (dtype == DType::Float64)
      add_parts(static_cast<double*>(out), reinterpret_cast<const double*>(parts.data()), blocks, r.n);
    else
      add_parts(static_cast<float*>(out), reinterpret_cast<const float*>(parts.data()), blocks, r.n);
  };
  finish(r.weight_grad, weights);
  finish(r.bias_grad, biases);
}

}  // namespace rushlight::cpu
