// Exceptions, one C++ class per Python exception type, and the builder of their messages.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "rushlight/dtype.h"

#pragma GCC visibility push(default)

namespace rushlight {

using IntSpan = std::span<const int64_t>;

// RuntimeError, and the base of all others.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
class IndexError : public Error {
 public:
  using Error::Error;
};
class TypeError : public Error {
 public:
  using Error::Error;
};
class ValueError : public Error {
 public:
  using Error::Error;
};
class NotImplementedError : public Error {
 public:
  using Error::Error;
};
class OutOfMemoryError : public Error {
 public:
  using Error::Error;
};
class AssertionError : public Error {
 public:
  using Error::Error;
};
class LinAlgError : public Error {
 public:
  using Error::Error;
};

// Collects the parts of a message; the overloads keep <sstream> out of every including file.
class Message {
 public:
  Message& operator<<(std::string_view text);
  Message& operator<<(const char* text) { return *this << std::string_view(text); }
  Message& operator<<(char c) { return *this << std::string_view(&c, 1); }
  Message& operator<<(bool value) { return *this << (value ? "True" : "False"); }
  Message& operator<<(int value) { return *this << static_cast<long long>(value); }
  Message& operator<<(unsigned value) { return *this << static_cast<long long>(value); }
  Message& operator<<(long value) { return *this << static_cast<long long>(value); }
  Message& operator<<(long long value);
  Message& operator<<(unsigned long value) { return *this << static_cast<unsigned long long>(value); }
  Message& operator<<(unsigned long long value);
  Message& operator<<(double value);
  // "[2, 3]"
  Message& operator<<(IntSpan values);
  // "Float"
  Message& operator<<(DType dtype) { return *this << scalar_type_name(dtype); }

  std::string text;
};

template <class E = Error, class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const Parts&... parts) {
  Message message;
  (message << ... << parts);
  throw E(message.text);
}

template <class... Parts>
inline void check(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail<Error>(parts...);
}

// Warnings go to a handler that the embedding program sets (Python's warnings.warn); the default prints to stderr.
void warn(const std::string& message);
void set_warning_handler(void (*handler)(const std::string& message));

}  // namespace rushlight

#pragma GCC visibility pop
