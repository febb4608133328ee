// Compiled once, for the baseline: these types are rare.
#include "cpu/unsigned_kernels.h"

#include <type_traits>

namespace rushlight::cpu {
namespace {

// Arithmetic wraps: on uint32_t at least, since the products of smaller types would be done in int.
template <class T>
using Wide = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
T power(T a, T b) {
  Wide<T> result = 1, base = a;
  for (; b; b = static_cast<T>(b >> 1)) {
    if (b & 1) result *= base;
    base *= base;
  }
  return static_cast<T>(result);
}

template <class Out, class T, class F>
Loop unary_loop(F) {
  return [](char* const* data, const int64_t* strides, int64_t n, const void*) {
    for (int64_t i = 0; i < n; ++i) {
      const T x = *reinterpret_cast<const T*>(data[1] + i * strides[1]);
      *reinterpret_cast<Out*>(data[0] + i * strides[0]) = static_cast<Out>(F()(x));
    }
  };
}

template <class Out, class T, class F>
Loop binary_loop(F) {
  return [](char* const* data, const int64_t* strides, int64_t n, const void*) {
    for (int64_t i = 0; i < n; ++i) {
      const T x = *reinterpret_cast<const T*>(data[1] + i * strides[1]);
      const T y = *reinterpret_cast<const T*>(data[2] + i * strides[2]);
      *reinterpret_cast<Out*>(data[0] + i * strides[0]) = static_cast<Out>(F()(x, y));
    }
  };
}

template <class T>
Loop unary_of(UnaryOp op) {
  using W = Wide<T>;
  switch (op) {
    case UnaryOp::Neg: return unary_loop<T, T>([](T x) { return W(0) - W(x); });
    case UnaryOp::Abs:
    case UnaryOp::Positive:
    case UnaryOp::ConjPhysical:
    case UnaryOp::Relu:
    case UnaryOp::Floor:
    case UnaryOp::Ceil:
    case UnaryOp::Round:
    case UnaryOp::Trunc: return unary_loop<T, T>([](T x) { return x; });
    case UnaryOp::Sign:
    case UnaryOp::Sgn: return unary_loop<T, T>([](T x) { return x != 0; });
    case UnaryOp::Square: return unary_loop<T, T>([](T x) { return W(x) * W(x); });
    case UnaryOp::BitwiseNot: return unary_loop<T, T>([](T x) { return ~x; });
    case UnaryOp::LogicalNot: return unary_loop<bool, T>([](T x) { return x == 0; });
    case UnaryOp::IsNan:
    case UnaryOp::IsInf:
    case UnaryOp::Signbit: return unary_loop<bool, T>([](T) { return false; });
    case UnaryOp::IsFinite: return unary_loop<bool, T>([](T) { return true; });
    default: return nullptr;
  }
}

template <class T>
Loop binary_of(BinaryOp op) {
  using W = Wide<T>;
  constexpr int bits = 8 * sizeof(T);
  switch (op) {
    case BinaryOp::Add: return binary_loop<T, T>([](T x, T y) { return W(x) + W(y); });
    case BinaryOp::Sub: return binary_loop<T, T>([](T x, T y) { return W(x) - W(y); });
    // Division by zero was refused before.
    case BinaryOp::DivTrunc:
    case BinaryOp::FloorDivide: return binary_loop<T, T>([](T x, T y) { return y ? x / y : 0; });
    case BinaryOp::Remainder:
    case BinaryOp::Fmod: return binary_loop<T, T>([](T x, T y) { return y ? x % y : 0; });
    case BinaryOp::Pow: return binary_loop<T, T>([](T x, T y) { return power(x, y); });
    case BinaryOp::Maximum:
    case BinaryOp::Fmax: return binary_loop<T, T>([](T x, T y) { return x > y ? x : y; });
    case BinaryOp::Minimum:
    case BinaryOp::Fmin: return binary_loop<T, T>([](T x, T y) { return x < y ? x : y; });
    case BinaryOp::Lt: return binary_loop<bool, T>([](T x, T y) { return x < y; });
    case BinaryOp::Le: return binary_loop<bool, T>([](T x, T y) { return x <= y; });
    case BinaryOp::Gt: return binary_loop<bool, T>([](T x, T y) { return x > y; });
    case BinaryOp::Ge: return binary_loop<bool, T>([](T x, T y) { return x >= y; });
    case BinaryOp::LogicalAnd: return binary_loop<bool, T>([](T x, T y) { return x && y; });
    case BinaryOp::LogicalOr: return binary_loop<bool, T>([](T x, T y) { return x || y; });
    case BinaryOp::LogicalXor: return binary_loop<bool, T>([](T x, T y) { return (x != 0) != (y != 0); });
    case BinaryOp::LeftShift: return binary_loop<T, T>([](T x, T y) { return y < bits ? W(x) << y : W(0); });
    case BinaryOp::RightShift: return binary_loop<T, T>([](T x, T y) { return y < bits ? x >> y : 0; });
    default: return nullptr;
  }
}

}  // namespace

Loop unsigned_unary(UnaryOp op, DType dtype) {
  switch (dtype) {
    case DType::UInt16: return unary_of<uint16_t>(op);
    case DType::UInt32: return unary_of<uint32_t>(op);
    case DType::UInt64: return unary_of<uint64_t>(op);
    default: return nullptr;
  }
}

Loop unsigned_binary(BinaryOp op, DType dtype) {
  switch (dtype) {
    case DType::UInt16: return binary_of<uint16_t>(op);
    case DType::UInt32: return binary_of<uint32_t>(op);
    case DType::UInt64: return binary_of<uint64_t>(op);
    default: return nullptr;
  }
}

}  // namespace rushlight::cpu
