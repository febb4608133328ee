// The central part of the CPU allocator: size classes, what a thread caches, and the heap behind all threads' caches.
#pragma once

#include <algorithm>
#include <bit>
#include <mutex>

#include "rushlight/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define RUSHLIGHT_PLAIN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RUSHLIGHT_PLAIN_MALLOC 1
#endif
#endif
#ifndef RUSHLIGHT_PLAIN_MALLOC
#define RUSHLIGHT_PLAIN_MALLOC 0
#endif

namespace rushlight::detail {

inline constexpr auto kRelaxed = std::memory_order_relaxed;
// AddressSanitizer aborts on requests of 2^40 bytes instead of refusing them.
inline constexpr size_t kMaxRequest = size_t{1} << (RUSHLIGHT_PLAIN_MALLOC ? 39 : 62);

#if !RUSHLIGHT_PLAIN_MALLOC

inline constexpr size_t kMaxMedium = size_t{1} << 20;
inline constexpr size_t kSlabBytes = size_t{1} << 16;

// Null where the system has no memory; large blocks begin at a huge page.
void* system_allocate(size_t nbytes);
void system_free(void* p, size_t nbytes);

// ---- size classes above 4 KiB

constexpr int big_class(size_t nbytes) {
  const size_t last = nbytes - 1;
  const int bits = std::bit_width(last);
  return (bits - 13) * 8 + static_cast<int>((last >> (bits - 4)) & 7);
}
constexpr size_t big_size(int cls) { return static_cast<size_t>(cls % 8 + 9) << (cls / 8 + 9); }

inline constexpr int kNumBigClasses = big_class(kMaxRequest) + 1;
inline constexpr int kNumMediumClasses = big_class(kMaxMedium) + 1;
static_assert(big_class(kMaxSmall + 1) == 0 && big_size(0) == 4608);
static_assert(big_size(kNumMediumClasses - 1) == kMaxMedium && big_size(kNumBigClasses - 1) == kMaxRequest);

// Blocks that one thread keeps per small class, and how many move at once.
constexpr uint32_t small_room(int cls) { return std::clamp<uint32_t>(32768 / kSmallSize[cls], 16, 256); }

// ---- the parts of the heap

struct Cache : ThreadCache {
  FreeBlock* medium[kNumMediumClasses] = {};
  std::atomic<int64_t> medium_bytes{0};
  std::atomic<int64_t> medium_low{0};  // least medium_bytes since the peak was last looked at
  int64_t published = 0;               // cached bytes that the heap knows of; under its lock, as are the links
  Cache* prev = nullptr;
  Cache* next = nullptr;

  Cache() {
    for (int c = 0; c < kNumSmallClasses; ++c) small[c].room.store(small_room(c), kRelaxed);
  }
  int64_t small_bytes() const {
    int64_t sum = 0;
    for (int c = 0; c < kNumSmallClasses; ++c)
      sum += static_cast<int64_t>(small_room(c) - small[c].room.load(kRelaxed)) * kSmallSize[c];
    return sum;
  }
};

template <class T>
struct List {
  T* head = nullptr;
  void push(T* item) {
    item->prev = nullptr;
    item->next = head;
    if (head) head->prev = item;
    head = item;
  }
  void remove(T* item) {
    (item->prev ? item->prev->next : head) = item->next;
    if (item->next) item->next->prev = item->prev;
  }
};

// 2 MiB of address space. Bit i of the masks stands for slab i.
struct Region {
  Region* prev;
  Region* next;
  char* base;
  uint32_t free;   // not handed out
  uint32_t dirty;  // has memory of the system behind it
};

// Header at the start of a slab.
struct alignas(64) Slab {
  Slab* prev;
  Slab* next;
  Region* region;
  FreeBlock* free;
  uint16_t cls;
  uint16_t used;    // blocks handed out
  uint16_t carved;  // blocks that were ever handed out: the rest is untouched
  uint16_t capacity;
};
static_assert(sizeof(Slab) == 64);

// A big block in the central cache; lies in the block.
struct CachedBlock {
  CachedBlock* prev;  // of the same class
  CachedBlock* next;
  CachedBlock* older;  // of all
  CachedBlock* newer;
  int cls;
};

// Everything under one lock. Never destroyed: static destructors of others may still free memory.
class Heap {
 public:
  std::mutex mutex;

  // Size class `cls` of small blocks: appends up to `count` blocks to *list, returns how many.
  uint32_t take_small(int cls, uint32_t count, FreeBlock** list);
  void give_small(FreeBlock* block) {
    Slab* slab = reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(block) & ~(kSlabBytes - 1));
    block->next = slab->free;
    slab->free = block;
    if (slab->used-- == slab->capacity) partial_[slab->cls].push(slab);
    if (slab->used == 0) {
      partial_[slab->cls].remove(slab);
      free_slab(slab);
    }
  }

  // Null where no block of the class is kept.
  void* take_big(int cls);
  // Keeps a big block. The blocks to return to the system are prepended to *evicted, linked by `next`.
  void give_big(void* p, int cls, CachedBlock** evicted);
  // Drops the oldest big blocks until at most `limit` bytes are cached.
  void evict(size_t limit, CachedBlock** evicted);
  // Returns the memory of empty slabs to the system.
  void trim_slabs();

  // Notes a change of the bytes that threads hold, and the peak before and after it. `cache`: the caller's, or null.
  void account(Cache* cache, int64_t change) {
    if (cache) {
      const int64_t small = cache->small_bytes(), medium = cache->medium_bytes.load(kRelaxed);
      const int64_t others = published_ - cache->published;
      peak = std::max(peak, held - others - small - cache->medium_low.load(kRelaxed));
      cache->medium_low.store(medium, kRelaxed);
      publish(cache, small + medium);
    }
    held += change;
    peak = std::max(peak, held - published_);
  }

  // Bytes move between a thread's cache and the heap.
  void move_to_thread(Cache* cache, int64_t nbytes) {
    held += nbytes;
    publish(cache, cache->published + nbytes);
  }

  // Bytes in use now, from fresh counters of all threads.
  int64_t in_use() {
    for (Cache* c = caches_.head; c; c = c->next) publish(c, c->small_bytes() + c->medium_bytes.load(kRelaxed));
    return held - published_;
  }

  void add(Cache* cache) { caches_.push(cache); }
  void remove(Cache* cache) {
    publish(cache, 0);
    allocations += static_cast<int64_t>(cache->allocations.load(kRelaxed));
    caches_.remove(cache);
  }
  template <class F>
  void for_each_cache(F&& f) {
    for (Cache *c = caches_.head, *next; c; c = next) {
      next = c->next;
      f(c);
    }
  }

  size_t limit();
  void set_limit(size_t nbytes) { limit_ = std::min(nbytes, kUnset - 1); }

  int64_t held = 0;      // handed to threads: in use or in a thread's cache
  int64_t reserved = 0;  // taken from the system
  int64_t peak = 0;
  int64_t allocations = 0;  // of threads that have no cache (any more)
  int64_t system_allocations = 0;

 private:
  static constexpr size_t kUnset = SIZE_MAX;

  void publish(Cache* cache, int64_t nbytes) {
    published_ += nbytes - cache->published;
    cache->published = nbytes;
  }

  void unlink(CachedBlock* block);
  Slab* new_slab(int cls);
  void free_slab(Slab* slab);
  void trim(Region* region);

  size_t limit_ = kUnset;
  size_t cached_bytes_ = 0;     // big blocks
  size_t idle_slab_bytes_ = 0;  // empty slabs with memory behind them
  int64_t published_ = 0;       // sum over all caches
  List<Region> regions_;        // those with free slabs
  List<Slab> partial_[kNumSmallClasses];
  List<CachedBlock> cached_[kNumBigClasses];
  CachedBlock* oldest_ = nullptr;
  CachedBlock* newest_ = nullptr;
  List<Cache> caches_;
};

#endif  // !RUSHLIGHT_PLAIN_MALLOC

}  // namespace rushlight::detail
