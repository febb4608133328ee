// CHECK for test programs without a framework: prints what failed and goes on; main returns check_result().
#pragma once

#include <atomic>
#include <cstdio>

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#elif defined(__has_feature)
inline constexpr bool kAddressSanitizer = __has_feature(address_sanitizer);
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
inline constexpr bool kThreadSanitizer = __has_feature(thread_sanitizer);
#else
inline constexpr bool kThreadSanitizer = false;
#endif

inline std::atomic<int>& check_failures() {
  static std::atomic<int> failures{0};
  return failures;
}
inline int check_result() { return check_failures().load() == 0 ? 0 : 1; }

#define CHECK(...)                                                                         \
  do {                                                                                     \
    if (!(__VA_ARGS__)) {                                                                  \
      ++check_failures();                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #__VA_ARGS__); \
    }                                                                                      \
  } while (0)

#define CHECK_THROWS(type, ...)                                                                      \
  do {                                                                                               \
    bool thrown_ = false;                                                                            \
    try {                                                                                            \
      static_cast<void>(__VA_ARGS__);                                                                \
    } catch (const type&) {                                                                          \
      thrown_ = true;                                                                                \
    }                                                                                                \
    if (!thrown_) {                                                                                  \
      ++check_failures();                                                                            \
      std::fprintf(stderr, "%s:%d: %s did not throw %s\n", __FILE__, __LINE__, #__VA_ARGS__, #type); \
    }                                                                                                \
  } while (0)
