// Pseudo-random generator of the CPU: MT19937 with the state layout of torch.Generator.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#pragma GCC visibility push(default)

namespace rushlight {

inline constexpr uint64_t kDefaultSeed = 67280421310721;

// What Generator handles share. The methods do not lock: hold `mutex` while drawing.
class GeneratorImpl {
 public:
  static constexpr int kWords = 624;

  explicit GeneratorImpl(uint64_t seed = kDefaultSeed);
  ~GeneratorImpl();
  GeneratorImpl(const GeneratorImpl&) = delete;

  // Starts the stream of `seed` and forgets the cached normal samples. Only the low 32 bits choose the stream.
  void reseed(uint64_t seed);
  uint64_t initial_seed() const { return seed_; }

  // One word of the stream, uniform over [0, 2^32).
  uint32_t random() {
    if (next_ == end_) [[unlikely]]
      advance();
    uint32_t y = state_[next_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }
  // Two words, the first one high.
  uint64_t random64() {
    const uint64_t high = random();
    return high << 32 | random();
  }
  // The next `count` words; the same as calling random() count times, and several times faster.
  void fill(uint32_t* out, int64_t count);

  // torch's layout, 5056 bytes. load() checks size and contents before it changes anything; throws Error.
  static constexpr int64_t kStateBytes = 5056;
  std::vector<uint8_t> save() const;
  void load(std::span<const uint8_t> bytes);

  // Box-Muller yields two samples; the second one waits here for the next serial draw.
  std::optional<float> next_float_normal;
  std::optional<double> next_double_normal;

  // Free in the child of a fork, whatever other threads were drawing.
  std::mutex mutex;

 private:
  static void register_fork_handlers();
  void advance();

  uint32_t state_[kWords];
  int next_ = 0;  // index of the next word
  int end_ = 0;   // where the words of this round stop
  uint64_t seed_ = 0;
  GeneratorImpl* previous_ = nullptr;  // all that there are
  GeneratorImpl* next_one_ = nullptr;
};

// Handle to a generator; copies share the state, as in Python. Methods lock, except impl().
class Generator {
 public:
  explicit Generator(uint64_t seed = kDefaultSeed);

  Generator& manual_seed(uint64_t seed);
  uint64_t initial_seed() const;
  // Seeds from the operating system's entropy and returns the seed.
  uint64_t seed();
  std::vector<uint8_t> get_state() const;
  void set_state(std::span<const uint8_t> bytes);
  // An independent generator in the same state.
  Generator clone() const;

  GeneratorImpl& impl() const { return *impl_; }
  bool operator==(const Generator& other) const { return impl_ == other.impl_; }

 private:
  std::shared_ptr<GeneratorImpl> impl_;
};

// The generator that functions use when none is given. Seeded from the operating system, as in torch, so that only
// programs that call manual_seed repeat.
Generator& default_generator();

// torch.manual_seed for the default generator. A negative Python seed s is passed as 2^64 + s.
Generator& manual_seed(uint64_t seed);

}  // namespace rushlight

#pragma GCC visibility pop
