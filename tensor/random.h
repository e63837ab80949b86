#pragma once
// Rng: a counter-based generator (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011). A draw depends only on (seed, stream, position), so results do not depend
// on the number of threads: give each unit of work its own stream. There is no global generator.
// The state is three numbers, which is what a checkpoint stores.

#include <cstdint>
#include <span>
#include <utility>

namespace tapestry {

class Rng {
 public:
  struct State {
    uint64_t seed = 0, stream = 0, position = 0;  // position: 32-bit words drawn so far
    bool operator==(const State&) const = default;
  };

  explicit Rng(uint64_t seed, uint64_t stream = 0) : state_{seed, stream, 0} {}
  explicit Rng(const State& state);

  uint32_t next_u32();
  uint64_t next_u64();
  /// Uniform in [0, 1), 53 random bits.
  double uniform();
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Standard normal (Box-Muller, two draws, nothing cached).
  double normal();
  /// Uniform in {0, ..., n-1}, unbiased; throws ValueError when n is 0.
  uint64_t below(uint64_t n);
  /// Fisher-Yates; the same order on every platform.
  template <class T>
  void shuffle(std::span<T> items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

  const State& state() const { return state_; }

 private:
  void refill();

  State state_;
  uint64_t block_ = ~uint64_t{0};  // which block of four words `words_` holds
  uint32_t words_[4] = {};
};

}  // namespace tapestry
