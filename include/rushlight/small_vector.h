// A vector of trivially copyable values that needs the heap only beyond N of them.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <type_traits>

#pragma GCC visibility push(default)

namespace rushlight {

template <class T, int N>
class SmallVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  SmallVector() = default;
  explicit SmallVector(int64_t count, T value = T()) { resize(count, value); }
  SmallVector(std::initializer_list<T> values) { assign(values.begin(), static_cast<int64_t>(values.size())); }
  SmallVector(std::span<const T> values) { assign(values.data(), static_cast<int64_t>(values.size())); }
  SmallVector(const SmallVector& other) { assign(other.data_, other.size_); }
  SmallVector(SmallVector&& other) noexcept { take(other); }
  SmallVector& operator=(const SmallVector& other) {
    if (this != &other) assign(other.data_, other.size_);
    return *this;
  }
  SmallVector& operator=(SmallVector&& other) noexcept {
    if (this != &other) {
      release();
      take(other);
    }
    return *this;
  }
  ~SmallVector() { release(); }

  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  T& back() { return data_[size_ - 1]; }
  const T& back() const { return data_[size_ - 1]; }
  operator std::span<const T>() const { return {data_, static_cast<size_t>(size_)}; }

  void clear() { size_ = 0; }
  void resize(int64_t count, T value = T()) {
    reserve(count);
    for (int64_t i = size_; i < count; ++i) data_[i] = value;
    size_ = count;
  }
  void push_back(T value) {
    if (size_ == capacity_) reserve(2 * capacity_);
    data_[size_++] = value;
  }
  void insert(int64_t at, T value) {
    push_back(value);
    for (int64_t i = size_ - 1; i > at; --i) data_[i] = data_[i - 1];
    data_[at] = value;
  }
  void erase(int64_t at) {
    for (int64_t i = at; i + 1 < size_; ++i) data_[i] = data_[i + 1];
    --size_;
  }
  void assign(const T* values, int64_t count) {
    reserve(count);
    if (count) std::memmove(data_, values, static_cast<size_t>(count) * sizeof(T));
    size_ = count;
  }
  void reserve(int64_t count) {
    if (count <= capacity_) return;
    T* grown = new T[static_cast<size_t>(count)];
    if (size_) std::memcpy(grown, data_, static_cast<size_t>(size_) * sizeof(T));
    release();
    data_ = grown;
    capacity_ = count;
  }

 private:
  void release() {
    if (data_ != inline_) delete[] data_;
  }
  void take(SmallVector& other) {
    if (other.data_ == other.inline_) {
      data_ = inline_;
      capacity_ = N;
      size_ = other.size_;
      std::memcpy(inline_, other.inline_, static_cast<size_t>(size_) * sizeof(T));
    } else {
      data_ = other.data_;
      capacity_ = other.capacity_;
      size_ = other.size_;
      other.data_ = other.inline_;
      other.capacity_ = N;
    }
    other.size_ = 0;
  }

  T* data_ = inline_;
  int64_t size_ = 0;
  int64_t capacity_ = N;
  T inline_[N];
};

using DimVector = SmallVector<int64_t, 8>;

template <class T, int N>
bool operator==(const SmallVector<T, N>& a, const SmallVector<T, N>& b) {
  if (a.size() != b.size()) return false;
  for (int64_t i = 0; i < a.size(); ++i)
    if (!(a[i] == b[i])) return false;
  return true;
}

inline bool equal(std::span<const int64_t> a, std::span<const int64_t> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) return false;
  return true;
}

}  // namespace rushlight

#pragma GCC visibility pop
