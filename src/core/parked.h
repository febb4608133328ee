// What an owner above the core keeps for a tensor while it has no object of its own for it.
#pragma once

#include <cstdint>

#pragma GCC visibility push(default)

namespace rushlight {

// TensorImpl::python is either a live object or, with its lowest bit set, something parked that dies with the tensor.
inline bool is_parked(const void* python) { return reinterpret_cast<uintptr_t>(python) & 1; }
inline void* parked(void* object) { return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(object) | 1); }
template <class T>
T* unparked(void* python) {
  return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(python) & ~uintptr_t{1});
}

// Drops what is parked; set once by the bindings.
extern void (*release_parked)(void* python);

}  // namespace rushlight

#pragma GCC visibility pop
