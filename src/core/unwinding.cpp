#include "core/unwinding.h"

namespace rushlight {

constinit thread_local int Unwinding::depth_ RUSHLIGHT_TLS_INITIAL_EXEC = 0;
constinit thread_local Unwinding::Waiting* Unwinding::waiting_ RUSHLIGHT_TLS_INITIAL_EXEC = nullptr;

bool Unwinding::later(void* object, void (*end)(void*)) noexcept {
  try {
    waiting_ = ::new (allocate(sizeof(Waiting))) Waiting{waiting_, object, end};
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void Unwinding::free_waiting() noexcept {
  ++depth_;
  while (Waiting* w = waiting_) {
    waiting_ = w->next;
    void* const object = w->object;
    void (*const end)(void*) = w->end;
    deallocate(w, sizeof(Waiting));
    end(object);
  }
  --depth_;
}

}  // namespace rushlight
