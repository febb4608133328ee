#include "core/heap.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#if !RUSHLIGHT_PLAIN_MALLOC

namespace rushlight::detail {
namespace {

constexpr size_t kHugePage = size_t{1} << 21;
constexpr size_t kMmapFrom = size_t{4} << 20;
constexpr int kSlabsPerRegion = 32;

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

}  // namespace

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

// ---- small blocks

uint32_t Heap::take_small(int cls, uint32_t count, FreeBlock** list) {
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
        block =
            reinterpret_cast<FreeBlock*>(reinterpret_cast<char*>(slab + 1) + size_t{slab->carved++} * kSmallSize[cls]);
      *list = ::new (static_cast<void*>(block)) FreeBlock{*list};
    }
    slab->used = static_cast<uint16_t>(slab->used + n);
    if (slab->used == slab->capacity) partial_[cls].remove(slab);
    taken += n;
  }
  return taken;
}

Slab* Heap::new_slab(int cls) {
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

void Heap::free_slab(Slab* slab) {
  Region* region = slab->region;
  if (region->free == 0) regions_.push(region);
  region->free |= uint32_t{1} << ((reinterpret_cast<char*>(slab) - region->base) / kSlabBytes);
  idle_slab_bytes_ += kSlabBytes;
  if (idle_slab_bytes_ + cached_bytes_ > limit()) trim(region);
}

void Heap::trim(Region* region) {
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

void Heap::trim_slabs() {
  for (Region *region = regions_.head, *next; region; region = next) {
    next = region->next;
    trim(region);
  }
}

// ---- big blocks

void* Heap::take_big(int cls) {
  CachedBlock* block = cached_[cls].head;
  if (block) unlink(block);
  return block;
}

void Heap::give_big(void* p, int cls, CachedBlock** evicted) {
  CachedBlock* block = ::new (p) CachedBlock{nullptr, nullptr, newest_, nullptr, cls};
  cached_[cls].push(block);
  (newest_ ? newest_->newer : oldest_) = block;
  newest_ = block;
  cached_bytes_ += big_size(cls);
  evict(limit(), evicted);
}

void Heap::evict(size_t limit, CachedBlock** evicted) {
  while (oldest_ && cached_bytes_ + idle_slab_bytes_ > limit) {
    CachedBlock* block = oldest_;
    unlink(block);
    reserved -= static_cast<int64_t>(big_size(block->cls));
    block->next = *evicted;
    *evicted = block;
  }
}

void Heap::unlink(CachedBlock* block) {
  cached_[block->cls].remove(block);
  (block->older ? block->older->newer : oldest_) = block->newer;
  (block->newer ? block->newer->older : newest_) = block->older;
  cached_bytes_ -= big_size(block->cls);
}

size_t Heap::limit() {
  if (limit_ == kUnset) limit_ = default_cache_limit();
  return limit_;
}

}  // namespace rushlight::detail

#endif  // !RUSHLIGHT_PLAIN_MALLOC
