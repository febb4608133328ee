// The one thread pool: parallel loops over index ranges.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include "rushlight/memory.h"

#pragma GCC visibility push(default)

namespace rushlight {

// Threads that a parallel loop may use, the caller included. Default: RUSHLIGHT_NUM_THREADS, else OMP_NUM_THREADS, else
// the cores this process may run on.
int get_num_threads();
// Throws Error unless n >= 1.
void set_num_threads(int n);

// True while this thread works on a chunk of a loop that was split over threads.
bool in_parallel_region();

namespace detail {
// Called between the chunks of long loops by the thread that has set it, while that thread runs them; may throw, which
// stops the loop. The Python layer looks for signals here.
using Callback = void (*)();
extern constinit thread_local Callback between_chunks RUSHLIGHT_TLS_INITIAL_EXEC;

// Called between the nodes of a backward, with the lock of the interpreter if there is one; may throw. Set once.
extern constinit Callback between_nodes;

using ChunkFunction = void (*)(void* context, int64_t begin, int64_t end);
void run_chunks(int64_t begin, int64_t end, int64_t grain, ChunkFunction function, void* context);
}  // namespace detail

// For loops without chunks, every millisecond or so.
inline void poll_interrupts() {
  if (detail::between_chunks) detail::between_chunks();
}

// Calls f(b, e) for the chunks [begin + i * grain, begin + (i + 1) * grain), the last one cut at `end`; a grain below 1
// counts as 1. The chunks never depend on the number of threads, so per-chunk results combined in order have the same
// bits on 1 or N. They run in the calling thread, in order, when there is one chunk, one thread, an enclosing parallel
// region or another thread's loop in the pool; otherwise in any order on any thread. The first exception of f stops the
// loop and is thrown to the caller.
template <class F>
inline void parallel_for(int64_t begin, int64_t end, int64_t grain, F&& f) {
  if (begin >= end) return;
  if (static_cast<uint64_t>(end) - static_cast<uint64_t>(begin) <= static_cast<uint64_t>(grain < 1 ? 1 : grain)) {
    f(begin, end);
    return;
  }
  using Function = std::remove_reference_t<F>;
  detail::run_chunks(
      begin, end, grain, [](void* context, int64_t b, int64_t e) { (*static_cast<Function*>(context))(b, e); },
      const_cast<void*>(static_cast<const void*>(std::addressof(f))));
}

}  // namespace rushlight

#pragma GCC visibility pop
