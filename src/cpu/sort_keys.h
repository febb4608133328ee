// Order-preserving integer keys of all dtypes, for the sort kernels of one instruction set.
#pragma once

#include <type_traits>

#include "cpu/boolean.h"
#include "cpu/loops.h"

namespace rushlight::cpu::RL_ISA {

// Half precision as its bits.
struct Half {
  uint16_t bits;
};
struct BHalf {
  uint16_t bits;
};

// Key: signed integer. is_special: values that differ from others of the same key (-0, NaN), which the key loses.
template <class T>
struct KeyOf {
  using Key = std::conditional_t<(sizeof(T) < 8 && !(sizeof(T) == 4 && std::is_unsigned_v<T>)), int32_t, int64_t>;
  static constexpr bool kUnsigned = std::is_unsigned_v<T>;  // no key is negative
  static RL_INLINE Key key(T x) {
    if constexpr (sizeof(T) == 8 && std::is_unsigned_v<T>)
      return static_cast<Key>(x ^ (T(1) << 63));
    else
      return static_cast<Key>(x);
  }
  static RL_INLINE T value(Key k) {
    if constexpr (sizeof(T) == 8 && std::is_unsigned_v<T>)
      return static_cast<T>(k) ^ (T(1) << 63);
    else
      return static_cast<T>(k);
  }
  static RL_INLINE bool is_special(T) { return false; }
};

template <>
struct KeyOf<Boolean> {
  using Key = int32_t;
  static constexpr bool kUnsigned = true;
  static RL_INLINE Key key(Boolean x) { return x; }
  static RL_INLINE Boolean value(Key k) { return k != 0; }
  static RL_INLINE bool is_special(Boolean) { return false; }
};

template <class Bits, class K, Bits Inf>
struct FloatKey {
  using Key = K;
  static constexpr bool kUnsigned = false;
  static constexpr int kTop = sizeof(Bits) * 8 - 1;
  static constexpr Bits kMagnitude = static_cast<Bits>(~(Bits(1) << kTop));
  static constexpr K kNan = sizeof(K) == 8 ? static_cast<K>(INT64_MAX) : static_cast<K>(INT32_MAX);
  static RL_INLINE K key_of(Bits b) {
    const K m = static_cast<K>(b & kMagnitude), s = -static_cast<K>(b >> kTop);
    const K k = (m ^ s) - s;
    return m > static_cast<K>(Inf) ? kNan : k;
  }
  static RL_INLINE Bits bits_of(K k) {
    const K s = k >> (sizeof(K) * 8 - 1);
    return static_cast<Bits>(((k ^ s) - s) | static_cast<K>(static_cast<std::make_unsigned_t<K>>(s) << kTop));
  }
  static RL_INLINE bool special(Bits b) { return (b == static_cast<Bits>(Bits(1) << kTop)) | ((b & kMagnitude) > Inf); }
};
template <class T, class Bits, class K, Bits Inf>
struct NumberKey : FloatKey<Bits, K, Inf> {
  using Base = FloatKey<Bits, K, Inf>;
  static RL_INLINE Bits bits(T x) { return __builtin_bit_cast(Bits, x); }
  static RL_INLINE K key(T x) { return Base::key_of(bits(x)); }
  static RL_INLINE T value(K k) { return __builtin_bit_cast(T, Base::bits_of(k)); }
  static RL_INLINE bool is_special(T x) { return Base::special(bits(x)); }
};
template <>
struct KeyOf<Half> : NumberKey<Half, uint16_t, int32_t, 0x7c00> {};
template <>
struct KeyOf<BHalf> : NumberKey<BHalf, uint16_t, int32_t, 0x7f80> {};
template <>
struct KeyOf<float> : NumberKey<float, uint32_t, int32_t, 0x7f800000u> {};
template <>
struct KeyOf<double> : NumberKey<double, uint64_t, int64_t, 0x7ff0000000000000u> {};

}  // namespace rushlight::cpu::RL_ISA
