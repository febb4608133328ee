#include "cpu/gemm.h"

#include <algorithm>
#include <atomic>
#include <complex>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "core/thread_pool.h"
#include "cpu/blas.h"
#include "cpu/gemm_kernels.h"
#include "cpu/gemm_tiles.h"
#include "cpu/kernels.h"

namespace rushlight::cpu {
namespace {

// OpenBLAS cuts the sum over k by the number of its threads, which changes the bits. It therefore gets one thread
// here, and the work is cut by size in this file. Counted, since several threads may be inside at once.
class OneBlasThread {
 public:
  OneBlasThread() : active_(blas_threads() != 1) {
    if (active_ && users_.fetch_add(1) == 0) blas()->set_num_threads(1);
  }
  ~OneBlasThread() {
    if (active_ && users_.fetch_sub(1) == 1 && blas_threads() > 1) blas()->set_num_threads(blas_threads());
  }
  OneBlasThread(const OneBlasThread&) = delete;

 private:
  inline static std::atomic<int> users_{0};
  bool active_;
};

// One operand of a product, read-only.
struct Matrix {
  const char* data;
  int64_t rs, cs;
  bool conj;
  Matrix transposed() const { return {data, cs, rs, conj}; }
};

// How BLAS would be told about a rows x cols matrix; ok = false where it cannot be.
struct BlasLayout {
  bool ok;
  int trans;
  int64_t ld;
};
BlasLayout blas_layout(int64_t rows, int64_t cols, const Matrix& x) {
  if ((x.cs == 1 || cols == 1) && (rows == 1 || x.rs >= cols))
    return {true, x.conj ? kBlasConjNoTrans : kBlasNoTrans, rows == 1 ? cols : x.rs};
  if ((x.rs == 1 || rows == 1) && (cols == 1 || x.cs >= rows))
    return {true, x.conj ? kBlasConjTrans : kBlasTrans, cols == 1 ? rows : x.cs};
  return {false, 0, 0};
}

// The value of a scalar in the computing type T; integers wrap around.
template <class T>
T to(const Scalar& s) {
  if constexpr (std::is_integral_v<T>) {
    if (s.is_integral(true)) return static_cast<T>(s.to_int());
    const double value = s.to_double();
    return std::abs(value) < 9.2e18 ? static_cast<T>(static_cast<int64_t>(value)) : T(0);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(s.to_double());
  } else {
    const auto z = s.to_complex();
    return T(static_cast<typename T::value_type>(z.real()), static_cast<typename T::value_type>(z.imag()));
  }
}

// Memory for staged blocks, kept per thread: a block is needed for every product.
class StageBuffer {
 public:
  char* get(size_t bytes) {
    if (bytes > size_) {
      data_.reset();
      size_ = 0;
      data_.reset(static_cast<char*>(std::aligned_alloc(64, (bytes + 63) & ~size_t{63})));
      if (!data_) throw std::bad_alloc();
      size_ = bytes;
    }
    return data_.get();
  }

 private:
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };
  std::unique_ptr<char, Free> data_;
  size_t size_ = 0;
};

// The computing types, by a tag. Bool and UInt8 share their bytes but not their arithmetic.
template <class Element, DType Tag>
struct Type {
  using T = Element;
  static constexpr DType tag = Tag;
  static constexpr bool floating = std::is_floating_point_v<T>;
  static constexpr bool complex = !std::is_arithmetic_v<T>;
};

double volume(int64_t m, int64_t n, int64_t k) {
  return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

template <class Ty>
bool own_kernel(int64_t m, int64_t n, int64_t k) {
  if constexpr (Ty::complex) return false;
  if constexpr (!Ty::floating) return true;
  return m == 1 || n == 1 || volume(m, n, k) <= gemm_kernels().own_limit;
}

// Length of the parts that `extent` is cut into, a multiple of `unit`. No part has length 1: vectors go another way,
// whose sums have other bits.
int64_t part_length(int64_t extent, int64_t parts, int64_t unit) {
  int64_t length = ((extent + parts - 1) / parts + unit - 1) / unit * unit;
  while (extent > 1 && extent % length == 1) length += unit;
  return length;
}

// f(i, rows, j, cols) for the parts of an m x n result.
template <class F>
void for_parts(int64_t m, int64_t n, int64_t row_part, int64_t col_part, F&& f) {
  const int64_t parts_m = (m + row_part - 1) / row_part, parts_n = (n + col_part - 1) / col_part;
  parallel_for(0, parts_m * parts_n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t i = part / parts_n * row_part, j = part % parts_n * col_part;
      f(i, std::min(row_part, m - i), j, std::min(col_part, n - j));
    }
  });
}

template <class Ty>
void call_kernel(const Product<typename Ty::T>& q) {
  const GemmKernels& kernels = gemm_kernels();
  if constexpr (Ty::tag == DType::Bool)
    kernels.boolean(q);
  else if constexpr (std::is_same_v<typename Ty::T, float>)
    kernels.f32(q);
  else if constexpr (std::is_same_v<typename Ty::T, double>)
    kernels.f64(q);
  else if constexpr (sizeof(typename Ty::T) == 2)
    kernels.u16(q);
  else if constexpr (sizeof(typename Ty::T) == 4)
    kernels.u32(q);
  else
    kernels.u64(q);
}

// The own kernels give the same bits however C is cut, so the cut may follow the number of threads.
template <class Ty>
void own_product(const Product<typename Ty::T>& q) {
  constexpr double kWorthAThread = 1 << 18;  // multiplications; tens of microseconds of reading if m or n is 1
  const double work = volume(q.m, q.n, q.k);
  if (work < 2 * kWorthAThread || in_parallel_region()) return call_kernel<Ty>(q);
  const int threads = get_num_threads();
  if (threads == 1) return call_kernel<Ty>(q);
  const double wanted = std::min<double>(work / kWorthAThread, work > 1e8 ? 2.0 * threads : threads);
  int64_t parts_m = 1, parts_n = 1;
  while (static_cast<double>(parts_m * parts_n) < wanted) {
    if (q.m / parts_m >= q.n / parts_n)
      parts_m *= 2;
    else
      parts_n *= 2;
  }
  for_parts(q.m, q.n, part_length(q.m, parts_m, 12), part_length(q.n, parts_n, 64),
            [&](int64_t i, int64_t rows, int64_t j, int64_t cols) {
              Product<typename Ty::T> part = q;
              part.m = rows;
              part.n = cols;
              part.a += i * q.a_rs;
              part.b += j * q.b_cs;
              part.c += i * q.c_rs + j;
              call_kernel<Ty>(part);
            });
}

// y = alpha * op(A) x + beta * y for complex numbers. x must not need a conjugate.
template <class T>
void complex_gemv(int64_t rows, int64_t cols, T alpha, const Matrix& a, const BlasLayout& layout, const char* x,
                  int64_t incx, T beta, T* y, int64_t incy) {
  // gemv scales y by beta, and some versions let a NaN in y survive beta == 0.
  if (beta == T(0)) {
    for (int64_t i = 0; i < rows; ++i) y[i * incy] = T(0);
    beta = T(1);
  }
  const bool plain = layout.trans == kBlasNoTrans || layout.trans == kBlasConjNoTrans;
  const int64_t stored_rows = plain ? rows : cols, stored_cols = plain ? cols : rows;
  const BlasGemvComplex gemv = sizeof(T) == 8 ? blas()->cgemv : blas()->zgemv;
  gemv(kBlasRowMajor, layout.trans, stored_rows, stored_cols, &alpha, a.data, layout.ld, x, incx, &beta, y, incy);
}

// One call of BLAS; C's rows are contiguous.
template <class Ty>
void blas_product(int64_t m, int64_t n, int64_t k, typename Ty::T alpha, const Matrix& a, const Matrix& b,
                  typename Ty::T beta, typename Ty::T* c, int64_t c_rs) {
  using T = typename Ty::T;
  const BlasLayout la = blas_layout(m, k, a), lb = blas_layout(k, n, b);
  const int64_t ldc = m == 1 ? n : c_rs;
  OneBlasThread one;
  const BlasBuffer buffer;
  if constexpr (Ty::complex) {
    if (n == 1 && !b.conj && (b.rs > 0 || k == 1))
      return complex_gemv<T>(m, k, alpha, a, la, b.data, k == 1 ? 1 : b.rs, beta, c, ldc);
    if (m == 1 && !a.conj && (a.cs > 0 || k == 1)) {
      const Matrix bt = b.transposed();
      return complex_gemv<T>(n, k, alpha, bt, blas_layout(n, k, bt), a.data, k == 1 ? 1 : a.cs, beta, c, 1);
    }
    const BlasGemmComplex gemm = sizeof(T) == 8 ? blas()->cgemm : blas()->zgemm;
    gemm(kBlasRowMajor, la.trans, lb.trans, m, n, k, &alpha, a.data, la.ld, b.data, lb.ld, &beta, c, ldc);
  } else {
    auto* gemm = [] {
      if constexpr (std::is_same_v<T, float>)
        return blas()->sgemm;
      else
        return blas()->dgemm;
    }();
    gemm(kBlasRowMajor, la.trans, lb.trans, m, n, k, alpha, reinterpret_cast<const T*>(a.data), la.ld,
         reinterpret_cast<const T*>(b.data), lb.ld, beta, c, ldc);
  }
}

// Operands and C as BLAS or the own kernels take them; C's rows are contiguous.
template <class Ty>
void base_product(int64_t m, int64_t n, int64_t k, typename Ty::T alpha, const Matrix& a, const Matrix& b,
                  typename Ty::T beta, typename Ty::T* c, int64_t c_rs) {
  using T = typename Ty::T;
  if constexpr (!Ty::complex) {
    if (own_kernel<Ty>(m, n, k))
      return own_product<Ty>({m, n, k, alpha, reinterpret_cast<const T*>(a.data), a.rs, a.cs,
                              reinterpret_cast<const T*>(b.data), b.rs, b.cs, beta, c, c_rs});
  }
  if constexpr (Ty::floating || Ty::complex) {
    // Where OpenBLAS's result is cut changes its bits: by size only.
    const bool cut = m > 1 && n > 1 && volume(m, n, k) > 4e6;
    const int64_t rows = cut ? part_length(m, (m + 383) / 384, 64) : m,
                  cols = cut ? part_length(n, (n + 383) / 384, 64) : n;
    constexpr int64_t kSize = sizeof(T);
    for_parts(m, n, rows, cols, [&](int64_t i, int64_t part_m, int64_t j, int64_t part_n) {
      blas_product<Ty>(part_m, part_n, k, alpha, {a.data + i * a.rs * kSize, a.rs, a.cs, a.conj},
                       {b.data + j * b.cs * kSize, b.rs, b.cs, b.conj}, beta, c + i * c_rs + j, c_rs);
    });
  }
}

// A block of an operand in a buffer of the computing type, laid out along the operand's faster dimension.
template <class T>
Matrix stage_block(DType dtype, int64_t rows, int64_t cols, const Matrix& x, int64_t i, int64_t j, T* buffer) {
  const char* source = x.data + (i * x.rs + j * x.cs) * item_size(dtype);
  char* const target = reinterpret_cast<char*>(buffer);
  if (x.rs < x.cs && rows > 1) {
    gemm_kernels().stage(dtype, cols, rows, source, x.cs, x.rs, target, rows);
    return {target, 1, rows, x.conj};
  }
  gemm_kernels().stage(dtype, rows, cols, source, x.rs, x.cs, target, cols);
  return {target, cols, 1, x.conj};
}

// Equal blocks of at most about 512.
int64_t block_size(int64_t extent, bool staged) {
  if (!staged || extent <= 768) return extent;
  const int64_t blocks = (extent + 511) / 512;
  return ((extent + blocks - 1) / blocks + 15) / 16 * 16;
}

struct Staged {
  bool a, b, c;
};

// Cuts the product into blocks and copies (or converts) what cannot be used where it lies.
template <class Ty>
void staged_product(DType dtype, Staged staged, int64_t m, int64_t n, int64_t k, typename Ty::T alpha, const Matrix& a,
                    const Matrix& b, typename Ty::T beta, char* c, int64_t c_rs, int64_t c_cs) {
  using T = typename Ty::T;
  const int64_t size = item_size(dtype);
  const int64_t mb = block_size(m, staged.a || staged.c), nb = block_size(n, staged.b || staged.c);
  const int64_t kb = block_size(k, staged.a || staged.b);
  const int64_t blocks_m = (m + mb - 1) / mb, blocks_n = (n + nb - 1) / nb;
  auto aligned = [](int64_t count) { return (count + 63) / 64 * 64; };
  const int64_t room_a = staged.a ? aligned(mb * kb) : 0, room_b = staged.b ? aligned(kb * nb) : 0;
  const int64_t room_c = staged.c ? aligned(mb * nb) : 0;
  parallel_for(0, blocks_m * blocks_n, 1, [&](int64_t begin, int64_t end) {
    thread_local StageBuffer memory;
    T* const buffer = reinterpret_cast<T*>(memory.get(static_cast<size_t>(room_a + room_b + room_c) * sizeof(T)));
    for (int64_t block = begin; block < end; ++block) {
      const int64_t i = block % blocks_m * mb, j = block / blocks_m * nb;
      const int64_t rows = std::min(mb, m - i), cols = std::min(nb, n - j);
      const T one(1), zero(0);
      T* const sums = staged.c ? buffer + room_a + room_b : reinterpret_cast<T*>(c + (i * c_rs + j) * size);
      const int64_t ld = staged.c ? cols : c_rs;
      for (int64_t p = 0; p < k; p += kb) {
        const int64_t depth = std::min(kb, k - p);
        // What is not staged has the computing type, so that offsets are the same in both.
        const Matrix block_a = staged.a ? stage_block<T>(dtype, rows, depth, a, i, p, buffer)
                                        : Matrix{a.data + (i * a.rs + p * a.cs) * size, a.rs, a.cs, a.conj};
        const Matrix block_b = staged.b ? stage_block<T>(dtype, depth, cols, b, p, j, buffer + room_a)
                                        : Matrix{b.data + (p * b.rs + j * b.cs) * size, b.rs, b.cs, b.conj};
        const T first_beta = staged.c ? zero : beta;
        base_product<Ty>(rows, cols, depth, staged.c ? one : alpha, block_a, block_b, p == 0 ? first_beta : one, sums,
                         ld);
      }
      if (staged.c)
        gemm_kernels().unstage(dtype, rows, cols, &alpha, sums, ld, &beta, c + (i * c_rs + j * c_cs) * size, c_rs,
                               c_cs);
    }
  });
}

// beta * C through a row of zeros.
template <class T>
void scale(DType dtype, int64_t m, int64_t n, T beta, char* c, int64_t c_rs, int64_t c_cs) {
  const T zero(0);
  const T zeros[64] = {};
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; j += 64)
      gemm_kernels().unstage(dtype, 1, std::min<int64_t>(64, n - j), &zero, zeros, 0, &beta,
                             c + (i * c_rs + j * c_cs) * item_size(dtype), 0, c_cs);
}

// Whether the elements of `dtype` differ from those it is computed in.
bool converts(DType dtype) {
  return dtype == DType::Float16 || dtype == DType::BFloat16 || dtype == DType::UInt8 || dtype == DType::Int8 ||
         dtype == DType::Bool;
}

template <class Ty>
void typed_gemm(DType dtype, int64_t m, int64_t n, int64_t k, const Scalar& alpha_in, Matrix a, Matrix b,
                const Scalar& beta_in, char* c, int64_t c_rs, int64_t c_cs) {
  using T = typename Ty::T;
  T alpha = to<T>(alpha_in), beta = to<T>(beta_in);
  if constexpr (Ty::tag == DType::Bool) {
    alpha = alpha_in.to_bool();
    beta = beta_in.to_bool();
  }
  if (k == 0 || alpha == T(0)) return scale<T>(dtype, m, n, beta, c, c_rs, c_cs);
  bool by_rows = n == 1 || c_cs == 1, by_columns = m == 1 || c_rs == 1;
  // A single column is computed as a row when its matrix lies by columns, so that memory is read in order.
  if (by_columns && (!by_rows || (n == 1 && m > 1 && a.cs != 1))) {
    std::swap(m, n);
    std::swap(c_rs, c_cs);
    const Matrix left = b.transposed();
    b = a.transposed();
    a = left;
    by_rows = true;
  }
  Staged staged;
  staged.c = converts(dtype) || !by_rows || (m > 1 && n > 1 && c_rs < n);
  // A strided result of a matrix-vector product over a matrix by columns: a row in a buffer.
  if (n == 1 && m > 1 && !by_columns && a.cs != 1 && !Ty::complex) staged.c = true;
  const bool any_strides = own_kernel<Ty>(m, n, k);
  staged.a = converts(dtype) || (!any_strides && !blas_layout(m, k, a).ok);
  staged.b = converts(dtype) || (!any_strides && !blas_layout(k, n, b).ok);
  if (staged.a || staged.b || staged.c)
    return staged_product<Ty>(dtype, staged, m, n, k, alpha, a, b, beta, c, c_rs, c_cs);
  base_product<Ty>(m, n, k, alpha, a, b, beta, reinterpret_cast<T*>(c), c_rs);
}

}  // namespace

void gemm(DType dtype, int64_t m, int64_t n, int64_t k, const Scalar& alpha, const void* a, int64_t a_rs, int64_t a_cs,
          const void* b, int64_t b_rs, int64_t b_cs, const Scalar& beta, void* c, int64_t c_rs, int64_t c_cs,
          bool conj_a, bool conj_b) {
  if (m < 0 || n < 0 || k < 0) throw std::invalid_argument("gemm: negative size");
  if (m == 0 || n == 0) return;
  const Matrix ma{static_cast<const char*>(a), a_rs, a_cs, conj_a}, mb{static_cast<const char*>(b), b_rs, b_cs, conj_b};
  char* const mc = static_cast<char*>(c);
  switch (dtype) {
    case DType::Float32:
      return typed_gemm<Type<float, DType::Float32>>(dtype, m, n, k, alpha, ma, mb, beta, mc, c_rs, c_cs);
    case DType::Float64:
      return typed_gemm<Type<double, DType::Float64>>(dtype, m, n, k, alpha, ma, mb, beta, mc, c_rs, c_cs);
    case DType::BFloat16:
      if (to<float>(alpha) != 0 &&
          gemm_bfloat16_tiles(m, n, k, to<float>(alpha), a, a_rs, a_cs, b, b_rs, b_cs, to<float>(beta), c, c_rs, c_cs))
        return;
      [[fallthrough]];
    case DType::Float16:
      return typed_gemm<Type<float, DType::Float32>>(dtype, m, n, k, alpha, ma, mb, beta, mc, c_rs, c_cs);
    case DType::Complex64:
      return typed_gemm<Type<complex64, DType::Complex64>>(dtype, m, n, k, alpha, ma, mb, beta, mc, c_rs, c_cs);
    case DType::Complex128:
      return typed_gemm<Type<complex128, DType::Complex128>>(dtype, m, n, k, alpha, ma, mb, beta, mc, c_rs, c_cs);
    case DType::Bool:
      return typed_gemm<Type<uint8_t, DType::Bool>>(dtype, m, n, k, alpha, ma, mb, beta, mc, c_rs, c_cs);
    case DType::UInt8:
    case DType::Int8:
    case DType::Int16:
      return typed_gemm<Type<uint16_t, DType::Int16>>(dtype, m, n, k, alpha, ma, mb, beta, mc, c_rs, c_cs);
    case DType::Int32:
      return typed_gemm<Type<uint32_t, DType::Int32>>(dtype, m, n, k, alpha, ma, mb, beta, mc, c_rs, c_cs);
    case DType::Int64:
      return typed_gemm<Type<uint64_t, DType::Int64>>(dtype, m, n, k, alpha, ma, mb, beta, mc, c_rs, c_cs);
    default: throw std::invalid_argument(std::string("gemm: no kernels for dtype ") + name(dtype));
  }
}

void gemm_batched(DType dtype, int64_t batch, int64_t m, int64_t n, int64_t k, const Scalar& alpha, const void* a,
                  int64_t a_bs, int64_t a_rs, int64_t a_cs, const void* b, int64_t b_bs, int64_t b_rs, int64_t b_cs,
                  const Scalar& beta, void* c, int64_t c_bs, int64_t c_rs, int64_t c_cs, bool conj_a, bool conj_b) {
  if (batch < 0) throw std::invalid_argument("gemm_batched: negative size");
  // One B for all and the rows of all A's (and C's) evenly spaced: one product of more rows.
  if (batch > 1 && b_bs == 0 && m > 0 && a_bs == m * a_rs && c_bs == m * c_rs)
    return gemm(dtype, batch * m, n, k, alpha, a, a_rs, a_cs, b, b_rs, b_cs, beta, c, c_rs, c_cs, conj_a, conj_b);
  const int64_t size = item_size(dtype);
  const double work = volume(m, n, k) + 64;
  // Few large products are divided themselves.
  const bool few = batch < get_num_threads() && work > 1e7;
  const int64_t grain = few ? batch : std::max<int64_t>(1, static_cast<int64_t>(1e6 / work));
  parallel_for(0, batch, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      gemm(dtype, m, n, k, alpha, static_cast<const char*>(a) + i * a_bs * size, a_rs, a_cs,
           static_cast<const char*>(b) + i * b_bs * size, b_rs, b_cs, beta, static_cast<char*>(c) + i * c_bs * size,
           c_rs, c_cs, conj_a, conj_b);
  });
}

void dot(DType dtype, int64_t n, const void* x, int64_t incx, const void* y, int64_t incy, void* out, bool conj_x) {
  gemm(dtype, 1, 1, n, 1.0, x, 0, incx, y, incy, 0, 0.0, out, 1, 1, conj_x, false);
}

const GemmKernels& gemm_kernels() {
#if defined(__x86_64__)
  static const GemmKernels& chosen = isa_level() >= 4   ? gemm_kernels_v4()
                                     : isa_level() == 3 ? gemm_kernels_v3()
                                                        : gemm_kernels_v2();
#elif defined(__aarch64__)
  static const GemmKernels& chosen = gemm_kernels_neon();
#else
  static const GemmKernels& chosen = gemm_kernels_generic();
#endif
  return chosen;
}

}  // namespace rushlight::cpu
