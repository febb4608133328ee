// Copies of many short runs, for which a call per run would cost more than the copy.
#pragma once

#include <cstdint>
#include <cstring>

namespace rushlight::cpu {

// Runs up to this many bytes are short.
inline constexpr int64_t kShortRun = 64;

// n bytes, 0 < n <= kShortRun, in at most four moves that may overlap.
inline void copy_short(char* to, const char* from, int64_t n) {
  struct B16 {
    char b[16];
  };
  const auto ends = [&](auto unit) {
    decltype(unit) first, last;
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&last, from + n - sizeof last, sizeof last);
    std::memcpy(to, &first, sizeof first);
    std::memcpy(to + n - sizeof last, &last, sizeof last);
  };
  if (n > 16) {
    if (n > 32) {
      B16 second, third;
      std::memcpy(&second, from + 16, 16);
      std::memcpy(&third, from + n - 32, 16);
      std::memcpy(to + 16, &second, 16);
      std::memcpy(to + n - 32, &third, 16);
    }
    ends(B16{});
  } else if (n >= 8) {
    ends(uint64_t{});
  } else if (n >= 4) {
    ends(uint32_t{});
  } else if (n >= 2) {
    ends(uint16_t{});
  } else {
    *to = *from;
  }
}

// Every one of `runs` runs of n <= kShortRun bytes, `step` apart, `count` times in a row.
void repeat_runs(char* to, const char* from, int64_t runs, int64_t n, int64_t step, int64_t count);

// `runs` runs of n elements of `item` bytes. Strides in bytes: between elements, then between runs.
struct ShortRuns {
  char* to;
  const char* from;
  int64_t item, n, runs;
  int64_t to_step, from_step, to_run, from_run;
};
// True for n and item that copy_runs() takes.
inline bool are_short(int64_t n, int64_t item) { return n * item <= kShortRun && n <= 16; }
void copy_runs(const ShortRuns& r);

}  // namespace rushlight::cpu
