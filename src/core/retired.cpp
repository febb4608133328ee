#include "core/retired.h"

#include <pthread.h>

#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace rushlight {

namespace {

// Uses count in one of two places. What is retired waits until all uses in the place of that time are gone; new ones
// count in the other place meanwhile, so that the wait has an end.
struct Uses {
  std::mutex mutex;
  int current = 0;
  int running[2] = {};
  std::vector<Ref<Storage>> fresh;    // retired since the places were last exchanged
  std::vector<Ref<Storage>> waiting;  // for the uses in the other place

  // Appends what nobody uses any more to `free`.
  void advance(std::vector<Ref<Storage>>& free) {
    for (int i = 0; i < 2 && running[1 - current] == 0; ++i) {
      std::move(waiting.begin(), waiting.end(), std::back_inserter(free));
      waiting.clear();
      if (fresh.empty()) return;
      waiting.swap(fresh);
      current = 1 - current;
    }
  }
};

Uses& uses() {
  static Uses& all = *[] {
    auto* made = new Uses;  // outlives all threads
    pthread_atfork([] { uses().mutex.lock(); }, [] { uses().mutex.unlock(); },
                   [] {
                     uses().running[0] = uses().running[1] = 0;  // of threads that are not here
                     uses().mutex.unlock();
                   });
    return made;
  }();
  return all;
}

}  // namespace

int begin_use() {
  Uses& u = uses();
  const std::lock_guard lock(u.mutex);
  ++u.running[u.current];
  return u.current;
}

void end_use(int use) {
  std::vector<Ref<Storage>> free;  // dropped without the lock
  Uses& u = uses();
  const std::lock_guard lock(u.mutex);
  if (u.running[use] > 0) --u.running[use];
  if (!u.fresh.empty() || !u.waiting.empty()) [[unlikely]]
    u.advance(free);
}

void retire(Ref<Storage> storage) {
  std::vector<Ref<Storage>> free;
  Uses& u = uses();
  const std::lock_guard lock(u.mutex);
  if (u.running[0] + u.running[1] == 0) {
    free.push_back(std::move(storage));
    return;
  }
  u.fresh.push_back(std::move(storage));
  u.advance(free);
}

}  // namespace rushlight
