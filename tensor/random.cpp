#include <tapestry/tensor/random.h>

#include <cmath>
#include <numbers>

#include <tapestry/tensor/error.h>

namespace tapestry {

Rng::Rng(const State& state) : state_(state) {
  if (state_.position % 4 != 0) refill();
}

// One block of Philox4x32-10: counter = (block, stream), key = seed.
void Rng::refill() {
  block_ = state_.position / 4;
  uint32_t x0 = static_cast<uint32_t>(block_), x1 = static_cast<uint32_t>(block_ >> 32);
  uint32_t x2 = static_cast<uint32_t>(state_.stream);
  uint32_t x3 = static_cast<uint32_t>(state_.stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(state_.seed), k1 = static_cast<uint32_t>(state_.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * x0, p1 = uint64_t{0xCD9E8D57} * x2;
    const uint32_t y0 = static_cast<uint32_t>(p1 >> 32) ^ x1 ^ k0;
    const uint32_t y2 = static_cast<uint32_t>(p0 >> 32) ^ x3 ^ k1;
    x1 = static_cast<uint32_t>(p1), x3 = static_cast<uint32_t>(p0), x0 = y0, x2 = y2;
    k0 += 0x9E3779B9, k1 += 0xBB67AE85;
  }
  words_[0] = x0, words_[1] = x1, words_[2] = x2, words_[3] = x3;
}

uint32_t Rng::next_u32() {
  if (state_.position / 4 != block_) refill();
  return words_[state_.position++ % 4];
}

uint64_t Rng::next_u64() {
  const uint64_t low = next_u32();
  return low | uint64_t{next_u32()} << 32;
}

double Rng::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

double Rng::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));  // 1 - u is in (0, 1]
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

uint64_t Rng::below(uint64_t n) {
  require<ValueError>(n > 0, "Rng::below: n is 0, expected at least 1");
  const uint64_t unbiased = ~uint64_t{0} - ~uint64_t{0} % n;
  for (;;)
    if (const uint64_t x = next_u64(); x < unbiased) return x % n;
}

}  // namespace tapestry
