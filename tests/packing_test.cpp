// Packing: its index tensors by hand and, for random lengths, by their meaning.

#include <doctest/doctest.h>

#include <algorithm>

#include <tapestry/nn/packing.h>
#include <tapestry/tensor/random.h>

using namespace tapestry;

namespace {

using Ints = std::vector<int32_t>;
Ints ints(const Tensor& t) { return t.to_vector<int32_t>(); }
Packing packing(const std::vector<int64_t>& lengths) { return Packing(lengths); }

}  // namespace

TEST_CASE("three sequences are packed longest first") {
  // sequences  0: a0 a1   1: b0 b1 b2 b3   2: c0     in slots  b, a, c
  const Packing p = packing({2, 4, 1});
  CHECK(p.steps() == 4);
  CHECK(p.batch() == 3);
  CHECK(p.rows() == 7);
  CHECK_FALSE(p.is_uniform);
  CHECK(p.order == Ints{1, 0, 2});
  CHECK(p.counts == std::vector<int64_t>{3, 2, 1, 1});  // b0 a0 c0 | b1 a1 | b2 | b3
  CHECK(p.offsets == std::vector<int64_t>{0, 3, 5, 6, 7});
  CHECK(ints(p.padded) == Ints{1, 0, 2, 4, 3, 7, 10});  // t * 3 + sequence
  CHECK(ints(p.packed) == Ints{1, 0, 2, 4, 3, 7, 7, 5, 7, 7, 6, 7});
  CHECK(ints(p.previous) == Ints{0, 1, 3, 5});
  CHECK(ints(p.mirrored) == Ints{6, 4, 2, 5, 1, 3, 0});
  CHECK(ints(p.last) == Ints{4, 6, 2});
  CHECK(ints(p.slots) == Ints{1, 0, 2});
}

TEST_CASE("equal lengths keep the order and the layout as given") {
  const Packing p = Packing::uniform(3, 2);
  CHECK(p.is_uniform);
  CHECK(p.order == Ints{0, 1});
  CHECK(ints(p.padded) == Ints{0, 1, 2, 3, 4, 5});
  CHECK(ints(p.packed) == Ints{0, 1, 2, 3, 4, 5});
  CHECK(ints(p.mirrored) == Ints{4, 5, 2, 3, 0, 1});
  CHECK(p.order == packing({5, 5}).order);
  CHECK(packing({5, 5}).is_uniform);
}

TEST_CASE("one sequence of one step") {
  const Packing p = packing({1});
  CHECK(p.rows() == 1);
  CHECK(p.previous.numel() == 0);
  CHECK(ints(p.last) == Ints{0});
}

TEST_CASE("the index tensors mean what they say for random lengths") {
  const uint64_t seed = 11;
  CAPTURE(seed);
  Rng rng(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<int64_t> lengths(1 + rng.below(6));
    for (int64_t& n : lengths) n = 1 + static_cast<int64_t>(rng.below(5));
    const Packing p(lengths);
    const int64_t batch = p.batch();
    REQUIRE(batch == static_cast<int64_t>(lengths.size()));
    CHECK(p.steps() == *std::max_element(lengths.begin(), lengths.end()));
    CHECK(std::is_sorted(p.counts.rbegin(), p.counts.rend()));

    const Ints padded = ints(p.padded), packed = ints(p.packed), previous = ints(p.previous),
               mirrored = ints(p.mirrored), last = ints(p.last), slots = ints(p.slots);
    int64_t rows = 0;
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t length = lengths[static_cast<size_t>(b)];
      rows += length;
      const auto row = [&](int64_t t) { return packed[static_cast<size_t>(t * batch + b)]; };
      for (int64_t t = 0; t < p.steps(); ++t) {
        if (t >= length) {
          CHECK(row(t) == p.rows());
          continue;
        }
        const auto r = static_cast<size_t>(row(t));
        CHECK(padded[r] == t * batch + b);
        CHECK(row(t) == p.offsets[static_cast<size_t>(t)] + slots[static_cast<size_t>(b)]);
        CHECK(mirrored[r] == row(length - 1 - t));
        if (t > 0) CHECK(previous[r - static_cast<size_t>(batch)] == row(t - 1));
      }
      CHECK(last[static_cast<size_t>(b)] == row(length - 1));
      CHECK(p.order[static_cast<size_t>(slots[static_cast<size_t>(b)])] == b);
    }
    CHECK(p.rows() == rows);
  }
}

TEST_CASE("sequences that cannot be packed are refused") {
  CHECK_THROWS_WITH_AS(packing({}), "Packing: no sequences", ShapeError);
  CHECK_THROWS_WITH_AS(packing({3, 0}), "Packing: lengths[1] = 0, expected at least 1 step",
                       ShapeError);
  CHECK_THROWS_WITH_AS(packing({-2}), "Packing: lengths[0] = -2, expected at least 1 step",
                       ShapeError);
  CHECK_THROWS_WITH_AS(Packing::uniform(3, 0), "Packing: 0 sequences, expected at least 1",
                       ShapeError);
  CHECK_THROWS_WITH_AS(Packing::uniform(0, 3), "Packing: lengths[0] = 0, expected at least 1 step",
                       ShapeError);
}
