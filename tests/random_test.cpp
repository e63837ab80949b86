#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <tapestry/tensor/error.h>
#include <tapestry/tensor/random.h>

using namespace tapestry;

namespace {

struct Block {
  uint32_t x[4];
  bool operator==(const Block&) const = default;
};

/// Philox4x32-10 written from the paper: counter words 0 ... 3, key words 0 and 1.
Block philox(Block c, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c.x[0], b = uint64_t{0xCD9E8D57} * c.x[2];
    c = {{static_cast<uint32_t>(b >> 32) ^ c.x[1] ^ k0, static_cast<uint32_t>(b),
          static_cast<uint32_t>(a >> 32) ^ c.x[3] ^ k1, static_cast<uint32_t>(a)}};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

uint64_t join(uint32_t low, uint32_t high) { return low | uint64_t{high} << 32; }

Block draw(Rng rng) {
  Block out;
  for (uint32_t& x : out.x) x = rng.next_u32();
  return out;
}

}  // namespace

TEST_CASE("the generator is Philox4x32-10") {
  // Known answers of the Random123 library (kat_vectors).
  constexpr uint32_t ones = 0xffffffff;
  REQUIRE(philox({{0, 0, 0, 0}}, 0, 0) == Block{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  REQUIRE(philox({{ones, ones, ones, ones}}, ones, ones) ==
          Block{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  REQUIRE(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0) ==
          Block{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});

  CHECK(draw(Rng(0)) == Block{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  // The second and third vector have counters beyond what a position reaches, so Rng is compared
  // with the function above, which reproduces them.
  CHECK(draw(Rng(~uint64_t{0}, ~uint64_t{0})) == philox({{0, 0, ones, ones}}, ones, ones));
  CHECK(draw(Rng(join(0xa4093822, 0x299f31d0), join(0x13198a2e, 0x03707344))) ==
        philox({{0, 0, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0));
  const uint64_t far = join(0x243f6a88, 0x05a308d3);  // a block number
  CHECK(draw(Rng({.seed = 5, .stream = 7, .position = 4 * far})) ==
        philox({{0x243f6a88, 0x05a308d3, 7, 0}}, 5, 0));
}

TEST_CASE("words follow each other block by block") {
  Rng rng(1, 2);
  for (uint32_t block = 0; block < 5; ++block) {
    const Block expected = philox({{block, 0, 2, 0}}, 1, 0);
    for (const uint32_t x : expected.x) REQUIRE(rng.next_u32() == x);
  }
  Rng pairs(1, 2);
  const Block first = philox({{0, 0, 2, 0}}, 1, 0);
  CHECK(pairs.next_u64() == join(first.x[0], first.x[1]));
  CHECK(pairs.next_u64() == join(first.x[2], first.x[3]));
}

TEST_CASE("the state restores the sequence at any position") {
  Rng rng(99, 3);
  for (int n = 0; n < 23; ++n) {
    Rng again(rng.state());
    CHECK(again.state() == rng.state());
    Rng ahead = rng;
    for (int i = 0; i < 9; ++i) REQUIRE(again.next_u32() == ahead.next_u32());
    Rng a(rng.state()), b = rng;
    CHECK(a.normal() == b.normal());
    CHECK(a.below(10) == b.below(10));
    rng.next_u32();
  }
  CHECK(rng.state().position == 23);
}

TEST_CASE("streams and seeds are independent") {
  std::vector<uint64_t> all;
  for (uint64_t seed = 0; seed < 10; ++seed)
    for (uint64_t stream = 0; stream < 10; ++stream) {
      Rng rng(seed, stream);
      for (int i = 0; i < 10; ++i) all.push_back(rng.next_u64());
    }
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());

  double covariance = 0;
  Rng a(1, 0), b(1, 1);
  for (int i = 0; i < 20000; ++i) covariance += (a.uniform() - 0.5) * (b.uniform() - 0.5);
  CHECK(std::abs(covariance / 20000) < 0.003);  // 5 sigma: 5 / 12 / sqrt(20000)
}

TEST_CASE("uniform and normal numbers have their moments") {
  Rng rng(20240611);
  constexpr int n = 100000;
  double mean = 0, square = 0, low = 1, high = 0;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform();
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    mean += u / n, square += u * u / n;
    low = std::min(low, u), high = std::max(high, u);
  }
  CHECK(std::abs(mean - 0.5) < 0.005);
  CHECK(std::abs(square - 1.0 / 3) < 0.005);
  CHECK(low < 1e-3);
  CHECK(high > 0.999);

  double first = 0, second = 0, fourth = 0;
  for (int i = 0; i < n; ++i) {
    const double z = rng.normal();
    REQUIRE(std::isfinite(z));
    first += z / n, second += z * z / n, fourth += z * z * z * z / n;
  }
  CHECK(std::abs(first) < 0.016);
  CHECK(std::abs(second - 1) < 0.023);
  CHECK(std::abs(fourth - 3) < 0.16);

  for (int i = 0; i < 1000; ++i) {
    const double u = rng.uniform(-2, 5);
    REQUIRE(u >= -2);
    REQUIRE(u < 5);
  }
}

TEST_CASE("below draws every number of its range equally often") {
  Rng rng(7);
  std::vector<int> counts(6);
  for (int i = 0; i < 60000; ++i) ++counts[rng.below(6)];
  for (const int c : counts) CHECK(std::abs(c - 10000) < 500);  // 5 sigma is 456
  CHECK(rng.below(1) == 0);
  // Three quarters of 2^64: a plain remainder would draw the lower third twice as often.
  const uint64_t n = uint64_t{3} << 62;
  int lower = 0;
  for (int i = 0; i < 30000; ++i) {
    const uint64_t x = rng.below(n);
    REQUIRE(x < n);
    lower += x < n / 3;
  }
  CHECK(std::abs(lower - 10000) < 420);
  CHECK_THROWS_WITH_AS(rng.below(0), "Rng::below: n is 0, expected at least 1", ValueError);
}

TEST_CASE("shuffle permutes, and is the same for the same state") {
  std::vector<int> items(100);
  std::iota(items.begin(), items.end(), 0);
  auto a = items, b = items, c = items;
  Rng(5).shuffle(std::span(a));
  Rng(5).shuffle(std::span(b));
  Rng(6).shuffle(std::span(c));
  CHECK(a == b);
  CHECK(a != c);
  CHECK(a != items);
  std::sort(a.begin(), a.end());
  CHECK(a == items);

  // each of the 6 orders of three items
  Rng rng(1);
  std::vector<int> counts(27);
  for (int i = 0; i < 12000; ++i) {
    int order[3] = {0, 1, 2};
    rng.shuffle(std::span<int>(order));
    ++counts[static_cast<size_t>(order[0] * 9 + order[1] * 3 + order[2])];
  }
  int seen = 0;
  for (const int n : counts)
    if (n) {
      ++seen;
      CHECK(std::abs(n - 2000) < 210);
    }
  CHECK(seen == 6);

  std::vector<int> none;
  rng.shuffle(std::span(none));
  CHECK(none.empty());
}
