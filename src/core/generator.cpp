// MT19937 (Matsumoto and Nishimura, 1998): seeding, the recurrence, and torch's serialised state.
#include "rushlight/generator.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "cpu/clones.h"
#include "rushlight/error.h"

namespace rushlight {
namespace {

constexpr int kN = GeneratorImpl::kWords;
constexpr int kM = 397;

[[gnu::always_inline]] inline uint32_t twist(uint32_t upper, uint32_t lower) {
  const uint32_t y = (upper & 0x80000000u) | (lower & 0x7fffffffu);
  return (y >> 1) ^ ((0u - (lower & 1u)) & 0x9908b0dfu);
}

// One round: all 624 words in place. Each loop reads only words at least 227 places from those it writes, or ones it
// has not reached yet, so both vectorise.
RUSHLIGHT_CLONES void next_round(uint32_t* s) {
  for (int i = 0; i < kN - kM; ++i) s[i] = s[i + kM] ^ twist(s[i], s[i + 1]);
  for (int i = kN - kM; i < kN - 1; ++i) s[i] = s[i + kM - kN] ^ twist(s[i], s[i + 1]);
  s[kN - 1] = s[kM - 1] ^ twist(s[kN - 1], s[0]);
}

RUSHLIGHT_CLONES void temper(const uint32_t* __restrict state, uint32_t* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t y = state[i];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    out[i] = y ^ (y >> 18);
  }
}

// torch's state: the record of its first generator, which kept each word in 64 bits, then what was added later.
// In torch's terms `left` is the number of words to the next round plus one.
struct SavedState {
  uint64_t seed;
  int32_t left;
  int32_t seeded;
  uint64_t next;
  uint64_t words[kN];
  double unused_x;
  double normal;
  double unused_rho;
  int32_t normal_valid;
  int32_t pad;
  float float_normal;
  uint8_t float_normal_valid;
  uint8_t pad2[3];
};
static_assert(sizeof(SavedState) == GeneratorImpl::kStateBytes);

}  // namespace

// ---- fork: the thread that was drawing does not exist in the child, and its lock would never be given back

namespace {
constinit std::mutex g_all_mutex;
constinit GeneratorImpl* g_all = nullptr;
}  // namespace

void GeneratorImpl::register_fork_handlers() {
  static const int registered = pthread_atfork([] { g_all_mutex.lock(); }, [] { g_all_mutex.unlock(); },
                                               [] {
                                                 for (GeneratorImpl* g = g_all; g; g = g->next_one_) {
                                                   if (!g->mutex.try_lock())
                                                     ::new (&g->mutex) std::mutex;
                                                   else
                                                     g->mutex.unlock();
                                                 }
                                                 g_all_mutex.unlock();
                                               });
  static_cast<void>(registered);
}

GeneratorImpl::GeneratorImpl(uint64_t seed) {
  reseed(seed);
  register_fork_handlers();
  const std::lock_guard lock(g_all_mutex);
  next_one_ = g_all;
  if (g_all) g_all->previous_ = this;
  g_all = this;
}

GeneratorImpl::~GeneratorImpl() {
  const std::lock_guard lock(g_all_mutex);
  (previous_ ? previous_->next_one_ : g_all) = next_one_;
  if (next_one_) next_one_->previous_ = previous_;
}

void GeneratorImpl::reseed(uint64_t seed) {
  seed_ = seed;
  state_[0] = static_cast<uint32_t>(seed);
  for (int i = 1; i < kN; ++i)
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + static_cast<uint32_t>(i);
  next_ = end_ = 0;
  next_float_normal.reset();
  next_double_normal.reset();
}

void GeneratorImpl::advance() {
  next_round(state_);
  next_ = 0;
  end_ = kN;
}

void GeneratorImpl::fill(uint32_t* out, int64_t count) {
  while (count > 0) {
    if (next_ == end_) advance();
    const int64_t now = std::min<int64_t>(count, end_ - next_);
    temper(state_ + next_, out, now);
    next_ += static_cast<int>(now);
    out += now;
    count -= now;
  }
}

std::vector<uint8_t> GeneratorImpl::save() const {
  SavedState saved{};
  saved.seed = seed_;
  saved.left = end_ - next_ + 1;
  saved.seeded = 1;
  saved.next = static_cast<uint64_t>(next_);
  std::copy(state_, state_ + kN, saved.words);
  saved.normal_valid = next_double_normal.has_value();
  saved.normal = next_double_normal.value_or(0.0);
  saved.float_normal_valid = next_float_normal.has_value();
  saved.float_normal = next_float_normal.value_or(0.0f);
  std::vector<uint8_t> bytes(sizeof saved);
  std::memcpy(bytes.data(), &saved, sizeof saved);
  return bytes;
}

void GeneratorImpl::load(std::span<const uint8_t> bytes) {
  check(bytes.size() == sizeof(SavedState), "Expected a CPUGeneratorImplState of size ",
        static_cast<int64_t>(sizeof(SavedState)), " but found the input RNG state size to be ",
        static_cast<int64_t>(bytes.size()));
  SavedState saved;
  std::memcpy(&saved, bytes.data(), sizeof saved);
  // torch tests left and next one by one; together they must also stay inside the words.
  const auto next = static_cast<uint32_t>(saved.next);
  check(saved.seeded != 0 && saved.left > 0 && saved.left <= kN && next <= kN &&
            next + static_cast<uint32_t>(saved.left) - 1 <= kN,
        "Invalid mt19937 state");
  seed_ = saved.seed;
  next_ = static_cast<int>(next);
  end_ = next_ + saved.left - 1;
  for (int i = 0; i < kN; ++i) state_[i] = static_cast<uint32_t>(saved.words[i]);
  next_double_normal.reset();
  next_float_normal.reset();
  if (saved.normal_valid != 0) next_double_normal = saved.normal;
  if (saved.float_normal_valid != 0) next_float_normal = saved.float_normal;
}

Generator::Generator(uint64_t seed) : impl_(std::make_shared<GeneratorImpl>(seed)) {}

Generator& Generator::manual_seed(uint64_t seed) {
  std::lock_guard lock(impl_->mutex);
  impl_->reseed(seed);
  return *this;
}

uint64_t Generator::initial_seed() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->initial_seed();
}

uint64_t Generator::seed() {
  // 53 bits: the seed survives a round trip through a double, as torch's does.
  std::random_device device;
  const uint64_t high = device();
  const uint64_t value = (high << 32 | device()) & ((uint64_t{1} << 53) - 1);
  manual_seed(value);
  return value;
}

std::vector<uint8_t> Generator::get_state() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->save();
}

void Generator::set_state(std::span<const uint8_t> bytes) {
  std::lock_guard lock(impl_->mutex);
  impl_->load(bytes);
}

Generator Generator::clone() const {
  Generator copy;
  copy.set_state(get_state());
  return copy;
}

Generator& default_generator() {
  // Never destroyed: other static objects may draw while the program ends.
  static Generator& generator = *[] {
    auto* g = new Generator;
    g->seed();
    return g;
  }();
  return generator;
}

Generator& manual_seed(uint64_t seed) { return default_generator().manual_seed(seed); }

}  // namespace rushlight
