// The caching CPU allocator: thread caches in front of a central heap with one lock.
//
// Small blocks (<= 4 KiB) are cut from 64 KiB slabs, which are cut from 2 MiB regions; the slab of a block is found by
// masking its address. Big blocks have size classes with at most 12.5 % waste: eight steps per power of two.
#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>

#include "core/heap.h"
#include "rushlight/memory.h"

namespace rushlight {

namespace {

using namespace detail;

constexpr int64_t kMediumBudget = int64_t{2} << 20;  // bytes of medium blocks that one thread keeps

[[noreturn, gnu::cold, gnu::noinline]] void out_of_memory(size_t nbytes) {
  fail<OutOfMemoryError>("DefaultCPUAllocator: can't allocate memory: you tried to allocate ",
                         static_cast<unsigned long long>(nbytes), " bytes. Error code 12 (Cannot allocate memory)");
}

#if RUSHLIGHT_PLAIN_MALLOC

std::atomic<int64_t> g_allocated{0}, g_peak{0}, g_allocations{0};
std::atomic<size_t> g_limit{0};

#else

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
