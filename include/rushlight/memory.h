// CPU memory: a thread-safe caching allocator with 64-byte alignment, its limits and its statistics.
//
// Blocks of at most 4 KiB come from per-thread free lists, inline and without a lock. Blocks of at most 1 MiB go
// through a small per-thread cache, larger ones through a central cache; what exceeds the cache limit goes back to the
// system, least recently freed first. A block may be freed by any thread. Built with AddressSanitizer, the library
// passes every request to malloc instead.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

#include "rushlight/error.h"

// A library loaded at run time must not pay for a call per thread-local access. Only glibc keeps room for this model.
#if defined(__GLIBC__) && defined(__ELF__)
#define RUSHLIGHT_TLS_INITIAL_EXEC [[gnu::tls_model("initial-exec")]]
#else
#define RUSHLIGHT_TLS_INITIAL_EXEC
#endif

#pragma GCC visibility push(default)

namespace rushlight {

inline constexpr size_t kMemoryAlignment = 64;

// Bytes, unless named otherwise. Sizes count as rounded up to their size class.
struct MemoryStats {
  int64_t allocated_bytes = 0;       // in use now
  int64_t peak_allocated_bytes = 0;  // largest value since the start or the last reset; blocks of at most 4 KiB that
                                     // only move within a thread's free lists (< 1 MiB) may go unnoticed
  int64_t cached_bytes = 0;          // taken from the system and not in use
  int64_t reserved_bytes = 0;        // allocated_bytes + cached_bytes
  int64_t allocations = 0;           // count of calls that returned memory
  int64_t system_allocations = 0;    // count of requests to the system
  int64_t cache_limit = 0;
};

MemoryStats memory_stats();
// Sets the peak to the bytes in use now.
void reset_peak_memory_stats();
// Returns unused memory to the system. What other threads keep for themselves (at most 3 MiB each) stays with them.
void empty_cache();
// Most bytes the central cache may keep. Default: 1/8 of the memory this process may use, but at least 256 MiB and
// at most half of that memory.
void set_cache_limit(size_t nbytes);

namespace detail {

inline constexpr size_t kMaxSmall = 4096;
// Multiples of 64 up to 512, then four steps per power of two.
inline constexpr int kNumSmallClasses = 20;
inline constexpr std::array<uint16_t, kNumSmallClasses> kSmallSize = {
    64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096};
// Indexed by (nbytes - 1) / 64.
inline constexpr std::array<uint8_t, kMaxSmall / 64> kSmallClass = [] {
  std::array<uint8_t, kMaxSmall / 64> table{};
  size_t cls = 0;
  for (size_t i = 0; i < table.size(); ++i) {
    while (kSmallSize[cls] < (i + 1) * 64) ++cls;
    table[i] = static_cast<uint8_t>(cls);
  }
  return table;
}();

struct FreeBlock {
  FreeBlock* next;
};

// Only the owning thread writes; the counters are atomic so that the statistics may read them.
struct FreeList {
  FreeBlock* head = nullptr;
  std::atomic<uint32_t> room{0};  // blocks that still fit
};

struct ThreadCache {
  std::atomic<uint64_t> allocations{0};
  FreeList small[kNumSmallClasses];
};

// Never null: a thread without a cache points to an empty one that never gets a block.
extern constinit thread_local ThreadCache* tls_cache RUSHLIGHT_TLS_INITIAL_EXEC;

void* allocate_slow(size_t nbytes);
void deallocate_slow(void* p, size_t nbytes) noexcept;

template <class T>
inline void bump(std::atomic<T>& counter, T by) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace detail

// Uninitialised memory aligned to 64 bytes; null for zero bytes. Throws OutOfMemoryError.
inline void* allocate(size_t nbytes) {
  if (nbytes - 1 < detail::kMaxSmall) [[likely]] {
    detail::ThreadCache* cache = detail::tls_cache;
    detail::FreeList& list = cache->small[detail::kSmallClass[(nbytes - 1) / 64]];
    if (detail::FreeBlock* block = list.head) [[likely]] {
      list.head = block->next;
      detail::bump(list.room, uint32_t{1});
      detail::bump(cache->allocations, uint64_t{1});
      return block;
    }
  }
  return detail::allocate_slow(nbytes);
}

// `p` and `nbytes` as in the call of allocate; a null `p` is ignored.
inline void deallocate(void* p, size_t nbytes) noexcept {
  if (nbytes - 1 < detail::kMaxSmall && p) [[likely]] {
    detail::FreeList& list = detail::tls_cache->small[detail::kSmallClass[(nbytes - 1) / 64]];
    const uint32_t room = list.room.load(std::memory_order_relaxed);
    if (room != 0) [[likely]] {
      list.head = ::new (p) detail::FreeBlock{list.head};
      list.room.store(room - 1, std::memory_order_relaxed);
      return;
    }
  }
  detail::deallocate_slow(p, nbytes);
}

}  // namespace rushlight

#pragma GCC visibility pop
