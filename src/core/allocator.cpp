// The caching CPU allocator: thread caches in front of a central heap with one lock.
//
// Small blocks (<= 4 KiB) are cut from 64 KiB slabs, which are cut from 2 MiB regions; the slab of a block is found by
// masking its address. Big blocks have size classes with at most 12.5 % waste: eight steps per power of two.
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
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

namespace rushlight {

namespace {

using detail::bump;
using detail::FreeBlock;
using detail::FreeList;
using detail::kMaxSmall;
using detail::kNumSmallClasses;
using detail::kSmallClass;
using detail::kSmallSize;

constexpr auto kRelaxed = std::memory_order_relaxed;
// AddressSanitizer aborts on requests of 2^40 bytes instead of refusing them.
constexpr size_t kMaxRequest = size_t{1} << (RUSHLIGHT_PLAIN_MALLOC ? 39 : 62);
constexpr size_t kMaxMedium = size_t{1} << 20;
constexpr size_t kHugePage = size_t{1} << 21;
constexpr size_t kMmapFrom = size_t{4} << 20;
constexpr size_t kSlabBytes = size_t{1} << 16;
constexpr int kSlabsPerRegion = 32;
constexpr int64_t kMediumBudget = int64_t{2} << 20;  // bytes of medium blocks that one thread keeps

[[noreturn, gnu::cold, gnu::noinline]] void out_of_memory(size_t nbytes) {
  fail<OutOfMemoryError>("DefaultCPUAllocator: can't allocate memory: you tried to allocate ",
                         static_cast<unsigned long long>(nbytes), " bytes. Error code 12 (Cannot allocate memory)");
}

#if RUSHLIGHT_PLAIN_MALLOC

std::atomic<int64_t> g_allocated{0}, g_peak{0}, g_allocations{0};
std::atomic<size_t> g_limit{0};

#else

// ---- system memory

// 1/8 of the memory this process may use, within [256 MiB, 1/2 of it].
size_t default_cache_limit() {
  size_t total = size_t{1} << 31;
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) total = static_cast<size_t>(pages) * static_cast<size_t>(page);
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    if (FILE* file = std::fopen(path, "re")) {
      unsigned long long limit = 0;
      if (std::fscanf(file, "%llu", &limit) == 1 && limit > 0) total = std::min<size_t>(total, limit);
      std::fclose(file);
    }
  }
  return std::min(std::max(total / 8, size_t{256} << 20), total / 2);
}

void* map_huge(size_t nbytes) {
  if (nbytes > SIZE_MAX - kHugePage) return nullptr;
  const size_t padded = nbytes + kHugePage;
  void* raw = mmap(nullptr, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  char* const begin = static_cast<char*>(raw);
  char* const p = begin + (-reinterpret_cast<uintptr_t>(begin) & (kHugePage - 1));
  if (p != begin) munmap(begin, p - begin);
  if (p + nbytes != begin + padded) munmap(p + nbytes, begin + padded - (p + nbytes));
  return p;
}

void* system_allocate(size_t nbytes) {
  if (nbytes < kMmapFrom) {
    void* p = nullptr;
    return posix_memalign(&p, kMemoryAlignment, nbytes) == 0 ? p : nullptr;
  }
  void* p = map_huge(nbytes);
#ifdef MADV_HUGEPAGE
  if (p) madvise(p, nbytes, MADV_HUGEPAGE);
#endif
  return p;
}

void system_free(void* p, size_t nbytes) {
  if (nbytes < kMmapFrom)
    std::free(p);
  else
    munmap(p, nbytes);
}

// ---- size classes above 4 KiB

constexpr int big_class(size_t nbytes) {
  const size_t last = nbytes - 1;
  const int bits = std::bit_width(last);
  return (bits - 13) * 8 + static_cast<int>((last >> (bits - 4)) & 7);
}
constexpr size_t big_size(int cls) { return static_cast<size_t>(cls % 8 + 9) << (cls / 8 + 9); }

constexpr int kNumBigClasses = big_class(kMaxRequest) + 1;
constexpr int kNumMediumClasses = big_class(kMaxMedium) + 1;
static_assert(big_class(kMaxSmall + 1) == 0 && big_size(0) == 4608);
static_assert(big_size(kNumMediumClasses - 1) == kMaxMedium && big_size(kNumBigClasses - 1) == kMaxRequest);

// Blocks that one thread keeps per small class, and how many move at once.
constexpr uint32_t small_room(int cls) { return std::clamp<uint32_t>(32768 / kSmallSize[cls], 16, 256); }

// ---- the parts of the heap

struct Cache : detail::ThreadCache {
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
  uint32_t take_small(int cls, uint32_t count, FreeBlock** list) {
    uint32_t taken = 0;
    while (taken < count) {
      Slab* slab = partial_[cls].head;
      if (!slab && !(slab = new_slab(cls))) break;
      const uint32_t n = std::min<uint32_t>(count - taken, slab->capacity - slab->used);
      for (uint32_t i = 0; i < n; ++i) {
        FreeBlock* block = slab->free;
        if (block)
          slab->free = block->next;
        else
          block = reinterpret_cast<FreeBlock*>(reinterpret_cast<char*>(slab + 1) +
                                               size_t{slab->carved++} * kSmallSize[cls]);
        *list = ::new (static_cast<void*>(block)) FreeBlock{*list};
      }
      slab->used = static_cast<uint16_t>(slab->used + n);
      if (slab->used == slab->capacity) partial_[cls].remove(slab);
      taken += n;
    }
    return taken;
  }

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

  void* take_big(int cls) {
    CachedBlock* block = cached_[cls].head;
    if (block) unlink(block);
    return block;
  }

  // Keeps a big block. The blocks to return to the system are prepended to *evicted, linked by `next`.
  void give_big(void* p, int cls, CachedBlock** evicted) {
    CachedBlock* block = ::new (p) CachedBlock{nullptr, nullptr, newest_, nullptr, cls};
    cached_[cls].push(block);
    (newest_ ? newest_->newer : oldest_) = block;
    newest_ = block;
    cached_bytes_ += big_size(cls);
    evict(limit(), evicted);
  }

  void evict(size_t limit, CachedBlock** evicted) {
    while (oldest_ && cached_bytes_ + idle_slab_bytes_ > limit) {
      CachedBlock* block = oldest_;
      unlink(block);
      reserved -= static_cast<int64_t>(big_size(block->cls));
      block->next = *evicted;
      *evicted = block;
    }
  }

  void trim_slabs() {
    for (Region *region = regions_.head, *next; region; region = next) {
      next = region->next;
      trim(region);
    }
  }

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

  size_t limit() {
    if (limit_ == kUnset) limit_ = default_cache_limit();
    return limit_;
  }
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

  void unlink(CachedBlock* block) {
    cached_[block->cls].remove(block);
    (block->older ? block->older->newer : oldest_) = block->newer;
    (block->newer ? block->newer->older : newest_) = block->older;
    cached_bytes_ -= big_size(block->cls);
  }

  Slab* new_slab(int cls) {
    Region* region = regions_.head;
    if (!region) {
      region = static_cast<Region*>(std::malloc(sizeof(Region)));
      void* base = region ? map_huge(kSlabsPerRegion * kSlabBytes) : nullptr;
      if (!base) {
        std::free(region);
        return nullptr;
      }
      ++system_allocations;
      ::new (region) Region{nullptr, nullptr, static_cast<char*>(base), ~uint32_t{0}, 0};
      regions_.push(region);
    }
    const uint32_t warm = region->free & region->dirty;
    const int i = std::countr_zero(warm ? warm : region->free);
    const uint32_t bit = uint32_t{1} << i;
    region->free &= ~bit;
    if (region->dirty & bit)
      idle_slab_bytes_ -= kSlabBytes;
    else
      reserved += kSlabBytes;
    region->dirty |= bit;
    if (region->free == 0) regions_.remove(region);
    Slab* slab = ::new (static_cast<void*>(region->base + i * kSlabBytes)) Slab{};
    slab->region = region;
    slab->cls = static_cast<uint16_t>(cls);
    slab->capacity = static_cast<uint16_t>((kSlabBytes - sizeof(Slab)) / kSmallSize[cls]);
    partial_[cls].push(slab);
    return slab;
  }

  void free_slab(Slab* slab) {
    Region* region = slab->region;
    if (region->free == 0) regions_.push(region);
    region->free |= uint32_t{1} << ((reinterpret_cast<char*>(slab) - region->base) / kSlabBytes);
    idle_slab_bytes_ += kSlabBytes;
    if (idle_slab_bytes_ + cached_bytes_ > limit()) trim(region);
  }

  void trim(Region* region) {
    for (uint32_t idle; (idle = region->free & region->dirty) != 0;) {
      const int first = std::countr_zero(idle), count = std::countr_one(idle >> first);
      madvise(region->base + first * kSlabBytes, count * kSlabBytes, MADV_DONTNEED);
      region->dirty &= ~static_cast<uint32_t>(((uint64_t{1} << count) - 1) << first);
      idle_slab_bytes_ -= count * kSlabBytes;
      reserved -= static_cast<int64_t>(count * kSlabBytes);
    }
    if (region->free == ~uint32_t{0}) {
      regions_.remove(region);
      munmap(region->base, kSlabsPerRegion * kSlabBytes);
      std::free(region);
    }
  }

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

union Immortal {
  Heap heap;
  constexpr Immortal() : heap() {}
  ~Immortal() {}
};
constinit Immortal g_immortal;
inline Heap& heap() { return g_immortal.heap; }

using Lock = std::lock_guard<std::mutex>;

// ---- thread caches

constinit detail::ThreadCache g_no_cache;
constinit thread_local bool t_exiting = false;

Cache* own_cache() { return detail::tls_cache == &g_no_cache ? nullptr : static_cast<Cache*>(detail::tls_cache); }

void free_evicted(CachedBlock* block) {
  while (block) {
    CachedBlock* next = block->next;
    system_free(block, big_size(block->cls));
    block = next;
  }
}

// Moves everything that `cache` holds to the heap, under its lock.
void flush_medium(Cache* cache, CachedBlock** evicted) {
  int64_t moved = 0;
  for (int c = 0; c < kNumMediumClasses; ++c) {
    while (FreeBlock* block = cache->medium[c]) {
      cache->medium[c] = block->next;
      moved += static_cast<int64_t>(big_size(c));
      heap().give_big(block, c, evicted);
    }
  }
  heap().account(cache, 0);
  cache->medium_bytes.store(0, kRelaxed);
  cache->medium_low.store(0, kRelaxed);
  heap().move_to_thread(cache, -moved);
}

void flush_small(Cache* cache, int cls, uint32_t count) {
  FreeList& list = cache->small[cls];
  uint32_t moved = 0;
  for (; moved < count && list.head; ++moved) {
    FreeBlock* block = list.head;
    list.head = block->next;
    heap().give_small(block);
  }
  bump(list.room, moved);
  heap().move_to_thread(cache, -static_cast<int64_t>(moved) * kSmallSize[cls]);
}

void flush(Cache* cache, CachedBlock** evicted) {
  flush_medium(cache, evicted);
  for (int c = 0; c < kNumSmallClasses; ++c) flush_small(cache, c, small_room(c));
}

struct ThreadExit {
  bool armed = false;
  ~ThreadExit() {
    t_exiting = true;
    Cache* cache = own_cache();
    if (!cache) return;
    detail::tls_cache = &g_no_cache;
    CachedBlock* evicted = nullptr;
    {
      Lock lock(heap().mutex);
      flush(cache, &evicted);
      heap().remove(cache);
    }
    cache->~Cache();
    std::free(cache);
    free_evicted(evicted);
  }
};
thread_local ThreadExit t_exit;

// In the child only the forking thread lives on. What other threads kept is lost with them.
void after_fork_in_child() {
  Heap& h = heap();
  Cache* own = own_cache();
  h.for_each_cache([&](Cache* c) {
    if (c == own) return;
    h.held -= c->small_bytes() + c->medium_bytes.load(kRelaxed);
    h.remove(c);
  });
  h.mutex.unlock();
}

// Null while the thread exits or when there is no memory for it.
[[gnu::noinline]] Cache* make_cache() {
  if (t_exiting) return nullptr;
  static const int registered =
      pthread_atfork([] { heap().mutex.lock(); }, [] { heap().mutex.unlock(); }, after_fork_in_child);
  static_cast<void>(registered);
  void* memory = nullptr;
  if (posix_memalign(&memory, 64, sizeof(Cache)) != 0) return nullptr;
  Cache* cache = ::new (memory) Cache;
  t_exit.armed = true;  // the first use arranges for its destructor
  detail::tls_cache = cache;
  Lock lock(heap().mutex);
  heap().add(cache);
  return cache;
}

Cache* cache_of_thread() {
  Cache* cache = own_cache();
  return cache ? cache : make_cache();
}

// ---- slow paths

void* small_once(Cache* cache, int cls) {
  FreeBlock* list = nullptr;
  Heap& h = heap();
  Lock lock(h.mutex);
  const uint32_t taken = h.take_small(cls, cache ? small_room(cls) / 2 : 1, &list);
  if (!taken) return nullptr;
  h.account(cache, kSmallSize[cls]);
  if (cache) {
    cache->small[cls].head = list->next;
    cache->small[cls].room.store(small_room(cls) - (taken - 1), kRelaxed);
    h.move_to_thread(cache, static_cast<int64_t>(taken - 1) * kSmallSize[cls]);
  }
  return list;
}

void* big_once(Cache* cache, int cls) {
  const size_t size = big_size(cls);
  Heap& h = heap();
  {
    Lock lock(h.mutex);
    if (void* p = h.take_big(cls)) {
      h.account(cache, static_cast<int64_t>(size));
      return p;
    }
  }
  void* p = system_allocate(size);
  if (!p) return nullptr;
  Lock lock(h.mutex);
  h.reserved += static_cast<int64_t>(size);
  ++h.system_allocations;
  h.account(cache, static_cast<int64_t>(size));
  return p;
}

void count_allocation(Cache* cache) {
  if (cache) {
    bump(cache->allocations, uint64_t{1});
  } else {
    Lock lock(heap().mutex);
    ++heap().allocations;
  }
}

#endif  // !RUSHLIGHT_PLAIN_MALLOC

}  // namespace

#if RUSHLIGHT_PLAIN_MALLOC

namespace {
constinit detail::ThreadCache g_no_cache;
}
constinit thread_local detail::ThreadCache* detail::tls_cache RUSHLIGHT_TLS_INITIAL_EXEC = &g_no_cache;

void* detail::allocate_slow(size_t nbytes) {
  if (nbytes == 0) return nullptr;
  void* p = nullptr;
  if (nbytes > kMaxRequest || posix_memalign(&p, kMemoryAlignment, nbytes) != 0 || !p) out_of_memory(nbytes);
  g_allocations.fetch_add(1, kRelaxed);
  const int64_t now = g_allocated.fetch_add(static_cast<int64_t>(nbytes), kRelaxed) + static_cast<int64_t>(nbytes);
  for (int64_t peak = g_peak.load(kRelaxed); peak < now && !g_peak.compare_exchange_weak(peak, now, kRelaxed);) {
  }
  return p;
}

void detail::deallocate_slow(void* p, size_t nbytes) noexcept {
  if (!p) return;
  g_allocated.fetch_sub(static_cast<int64_t>(nbytes), kRelaxed);
  std::free(p);
}

MemoryStats memory_stats() {
  MemoryStats stats;
  stats.allocated_bytes = stats.reserved_bytes = g_allocated.load(kRelaxed);
  stats.peak_allocated_bytes = g_peak.load(kRelaxed);
  stats.allocations = stats.system_allocations = g_allocations.load(kRelaxed);
  stats.cache_limit = static_cast<int64_t>(g_limit.load(kRelaxed));
  return stats;
}
void reset_peak_memory_stats() { g_peak.store(g_allocated.load(kRelaxed), kRelaxed); }
void empty_cache() {}
void set_cache_limit(size_t nbytes) { g_limit.store(nbytes, kRelaxed); }

#else

constinit thread_local detail::ThreadCache* detail::tls_cache RUSHLIGHT_TLS_INITIAL_EXEC = &g_no_cache;

void* detail::allocate_slow(size_t nbytes) {
  if (nbytes == 0) return nullptr;
  if (nbytes > kMaxRequest) out_of_memory(nbytes);
  Cache* cache = cache_of_thread();
  void* p;
  if (nbytes <= kMaxSmall) {
    const int cls = kSmallClass[(nbytes - 1) / 64];
    if (!(p = small_once(cache, cls))) {
      empty_cache();
      p = small_once(cache, cls);
    }
  } else {
    const int cls = big_class(nbytes);
    if (nbytes <= kMaxMedium && cache && cache->medium[cls]) {
      FreeBlock* block = cache->medium[cls];
      cache->medium[cls] = block->next;
      bump(cache->medium_bytes, -static_cast<int64_t>(big_size(cls)));
      const int64_t now = cache->medium_bytes.load(kRelaxed);
      if (now < cache->medium_low.load(kRelaxed)) cache->medium_low.store(now, kRelaxed);
      bump(cache->allocations, uint64_t{1});
      return block;
    }
    if (!(p = big_once(cache, cls))) {
      empty_cache();
      p = big_once(cache, cls);
    }
  }
  if (!p) out_of_memory(nbytes);
  count_allocation(cache);
  return p;
}

void detail::deallocate_slow(void* p, size_t nbytes) noexcept {
  if (!p || nbytes == 0) return;
  Cache* cache = cache_of_thread();
  if (nbytes <= kMaxSmall) {
    const int cls = kSmallClass[(nbytes - 1) / 64];
    FreeBlock* block = ::new (p) FreeBlock{nullptr};
    {
      Lock lock(heap().mutex);
      if (!cache) {
        heap().give_small(block);
        heap().held -= kSmallSize[cls];
        return;
      }
      if (cache->small[cls].room.load(kRelaxed) == 0) flush_small(cache, cls, small_room(cls) / 2);
    }
    block->next = cache->small[cls].head;
    cache->small[cls].head = block;
    bump(cache->small[cls].room, ~uint32_t{0});
    return;
  }
  const int cls = big_class(nbytes);
  const int64_t size = static_cast<int64_t>(big_size(cls));
  CachedBlock* evicted = nullptr;
  if (nbytes <= kMaxMedium && cache) {
    if (cache->medium_bytes.load(kRelaxed) + size > kMediumBudget) {
      Lock lock(heap().mutex);
      flush_medium(cache, &evicted);
    }
    cache->medium[cls] = ::new (p) FreeBlock{cache->medium[cls]};
    bump(cache->medium_bytes, size);
  } else {
    Lock lock(heap().mutex);
    heap().account(cache, -size);
    heap().give_big(p, cls, &evicted);
  }
  free_evicted(evicted);
}

MemoryStats memory_stats() {
  MemoryStats stats;
  Heap& h = heap();
  Lock lock(h.mutex);
  h.for_each_cache([&](Cache* c) { h.account(c, 0); });
  stats.allocated_bytes = h.in_use();
  stats.peak_allocated_bytes = h.peak = std::max(h.peak, stats.allocated_bytes);
  stats.reserved_bytes = h.reserved;
  stats.cached_bytes = h.reserved - stats.allocated_bytes;
  stats.allocations = h.allocations;
  h.for_each_cache([&](Cache* c) { stats.allocations += static_cast<int64_t>(c->allocations.load(kRelaxed)); });
  stats.system_allocations = h.system_allocations;
  stats.cache_limit = static_cast<int64_t>(std::min<size_t>(h.limit(), INT64_MAX));
  return stats;
}

void reset_peak_memory_stats() {
  Lock lock(heap().mutex);
  heap().for_each_cache([](Cache* c) { c->medium_low.store(c->medium_bytes.load(kRelaxed), kRelaxed); });
  heap().peak = heap().in_use();
}

void empty_cache() {
  CachedBlock* evicted = nullptr;
  {
    Lock lock(heap().mutex);
    if (Cache* cache = own_cache()) flush(cache, &evicted);
    heap().evict(0, &evicted);
    heap().trim_slabs();
  }
  free_evicted(evicted);
}

void set_cache_limit(size_t nbytes) {
  CachedBlock* evicted = nullptr;
  {
    Lock lock(heap().mutex);
    heap().set_limit(nbytes);
    heap().evict(nbytes, &evicted);
    if (nbytes == 0) heap().trim_slabs();
  }
  free_evicted(evicted);
}

#endif

}  // namespace rushlight
