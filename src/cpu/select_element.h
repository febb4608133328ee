// What selections move around.
#pragma once

#include <cstdint>

namespace rushlight::cpu {

struct Element {
  int64_t key, at;
};
inline bool in_order(const Element& a, const Element& b) { return a.key < b.key || (a.key == b.key && a.at < b.at); }

// Rows up to this size give equal elements in torch's order.
inline constexpr int64_t kShortRow = 256;

}  // namespace rushlight::cpu
