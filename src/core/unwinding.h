// Chains of owners (memory that keeps other memory alive, gradients of gradients) are freed in a loop, not by
// recursion.
#pragma once

#include "rushlight/memory.h"

namespace rushlight {

// How many objects this thread is freeing inside one another, and those that wait until the outermost is done.
class Unwinding {
 public:
  // Calls end(object), which frees it, now or when less is going on. A template, so that `end` is inlined.
  template <auto end, class T>
  static void free(T* object) {
    if (depth_ >= kDeepest && later(object, [](void* o) { end(static_cast<T*>(o)); })) [[unlikely]]
      return;
    ++depth_;
    end(object);
    if (--depth_ == 0 && waiting_) [[unlikely]]
      free_waiting();
  }

 private:
  struct Waiting {
    Waiting* next;
    void* object;
    void (*end)(void*);
  };
  // One level may take a kilobyte of stack, where Python objects lie between.
  static constexpr int kDeepest = 32;

  // False without memory for a note.
  static bool later(void* object, void (*end)(void*)) noexcept;
  static void free_waiting() noexcept;

  static constinit thread_local int depth_ RUSHLIGHT_TLS_INITIAL_EXEC;
  static constinit thread_local Waiting* waiting_ RUSHLIGHT_TLS_INITIAL_EXEC;
};

}  // namespace rushlight
