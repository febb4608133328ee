#include "rushlight/dtype.h"

#include <atomic>
#include <utility>

#include "rushlight/error.h"

namespace rushlight {

namespace {

struct Names {
  const char* name;
  const char* scalar_type;
  const char* tensor_type;
  const char* cpp_type;
};

constexpr Names kNames[] = {
    {"bool", "Bool", "torch.BoolTensor", "bool"},
    {"uint8", "Byte", "torch.ByteTensor", "unsigned char"},
    {"int8", "Char", "torch.CharTensor", "signed char"},
    {"int16", "Short", "torch.ShortTensor", "short int"},
    {"int32", "Int", "torch.IntTensor", "int"},
    {"int64", "Long", "torch.LongTensor", "long int"},
    {"float16", "Half", "torch.HalfTensor", "c10::Half"},
    {"bfloat16", "BFloat16", "torch.BFloat16Tensor", "c10::BFloat16"},
    {"float32", "Float", "torch.FloatTensor", "float"},
    {"float64", "Double", "torch.DoubleTensor", "double"},
    {"complex64", "ComplexFloat", "torch.ComplexFloatTensor", "c10::complex<float>"},
    {"complex128", "ComplexDouble", "torch.ComplexDoubleTensor", "c10::complex<double>"},
    {"uint16", "UInt16", "torch.UInt16Tensor", "short unsigned int"},
    {"uint32", "UInt32", "torch.UInt32Tensor", "unsigned int"},
    {"uint64", "UInt64", "torch.UInt64Tensor", "long unsigned int"},
    {"complex32", "ComplexHalf", "torch.ComplexHalfTensor", "ComplexHalf"},
    {"quint8", "QUInt8", "torch.QUInt8Tensor", "QUInt8"},
    {"qint8", "QInt8", "torch.QInt8Tensor", "QInt8"},
    {"qint32", "QInt32", "torch.QInt32Tensor", "QInt32"},
    {"quint4x2", "QUInt4x2", "torch.QUInt4x2Tensor", "QUInt4x2"},
    {"undefined", "Undefined", "torch.UndefinedTensor", "Undefined"},
};

// 0 bool, 1 integer, 2 floating point, 3 complex
int category(DType d) {
  if (d == DType::Bool) return 0;
  if (is_integral(d, false)) return 1;
  return is_complex(d) ? 3 : 2;
}

std::atomic<DType> g_default_dtype{DType::Float32};

}  // namespace

const char* name(DType dtype) { return kNames[static_cast<int>(dtype)].name; }
const char* scalar_type_name(DType dtype) { return kNames[static_cast<int>(dtype)].scalar_type; }
const char* cpp_type_name(DType dtype) { return kNames[static_cast<int>(dtype)].cpp_type; }
const char* tensor_type_name(DType dtype) { return kNames[static_cast<int>(dtype)].tensor_type; }

DType to_real(DType dtype) {
  switch (dtype) {
    case DType::Complex32: return DType::Float16;
    case DType::Complex64: return DType::Float32;
    case DType::Complex128: return DType::Float64;
    default: return dtype;
  }
}

DType to_complex(DType dtype) {
  switch (dtype) {
    case DType::Float16: return DType::Complex32;
    case DType::BFloat16:
    case DType::Float32: return DType::Complex64;
    case DType::Float64: return DType::Complex128;
    default: return dtype;
  }
}

DType promote_types(DType a, DType b) {
  if (a == b) return a;
  if (a >= DType::QUInt8 || b >= DType::QUInt8) fail("promoteTypes with quantized numbers is not handled yet");
  int ca = category(a), cb = category(b);
  if (ca > cb || (ca == cb && a > b)) {
    std::swap(a, b);
    std::swap(ca, cb);
  }
  // b is now the larger category, or the later type of the same one.
  if (ca != cb) {
    if (cb != 3 || ca != 2) return b;
    const DType real = promote_types(a, to_real(b));
    if (b == DType::Complex32) return a == DType::Float16 ? b : to_complex(real);
    return to_complex(real);
  }
  if (ca == 1) {
    if (b >= DType::UInt16) {
      if (a == DType::UInt8) return b;
      fail("Promotion for uint16, uint32, uint64 types is not supported, attempted to promote ", a, " and ", b);
    }
    return a == DType::UInt8 && b == DType::Int8 ? DType::Int16 : b;
  }
  if (ca == 2) return a == DType::Float16 && b == DType::BFloat16 ? DType::Float32 : b;
  return b == DType::Complex32 ? a : b;
}

bool can_cast(DType from, DType to) {
  if (is_complex(from) && !is_complex(to)) return false;
  if (is_floating_point(from) && is_integral(to, false)) return false;
  return from == DType::Bool || to != DType::Bool;
}

DType default_dtype() { return g_default_dtype.load(std::memory_order_relaxed); }

void set_default_dtype(DType dtype) {
  if (!is_floating_point(dtype))
    fail<TypeError>("only floating-point types are supported as the default type, got torch.", name(dtype));
  g_default_dtype.store(dtype, std::memory_order_relaxed);
}

}  // namespace rushlight
