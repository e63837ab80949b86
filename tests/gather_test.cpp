#include <doctest/doctest.h>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/gather.h>
#include <tapestry/tensor/reduce.h>

#include "random_tensors.h"

using namespace tapestry;
using test::below;
using test::element;
using test::Index;

namespace {

constexpr uint64_t kSeed = 20240619;

/// Positions 0 ... n-1 in a random layout.
Tensor random_positions(Rng& rng, const Shape& shape, int64_t n) {
  Tensor wide = Tensor::empty(shape.with(shape.rank(), 2), i32);
  for (int32_t& i : wide.write<int32_t>()) i = static_cast<int32_t>(below(rng, n));
  return wide.select(-1, 1);
}

}  // namespace

TEST_CASE("gather picks along any dim, and scatter_add is its transpose") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 300; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const Shape shape = test::random_shape(rng, 1 + n % 5, 4);
    const int d = static_cast<int>(below(rng, shape.rank())), given = n % 3 ? d : d - shape.rank();
    const bool keepdim = n % 4;
    Shape picks = shape;
    picks[d] = below(rng, 5);
    const Tensor t = test::random_tensor(rng, shape, dtype);
    const Tensor at = random_positions(rng, keepdim ? picks : shape.without(d), shape[d]);
    CAPTURE(n);
    const Tensor got = gather(t, given, at);
    REQUIRE(got.shape() == at.shape());
    test::for_each_index(at.shape(), [&](const Index& i) {
      Index from = i;
      const auto dim = static_cast<size_t>(d);
      if (!keepdim) std::copy_backward(i.begin() + d, i.end() - 1, from.end());
      from[dim] = static_cast<int64_t>(element(at, i));
      REQUIRE(element(got, i) == element(t, from));
    });
    REQUIRE(sum(gather(t.cast(i32), given, at).cast(dtype) - got).item() == 0);
    const Tensor dy = test::random_tensor(rng, at.shape(), dtype);
    const Tensor placed = scatter_add(dy, given, at, shape);
    REQUIRE(placed.shape() == shape);
    REQUIRE(sum(placed * t).item() == sum(dy * got).item());
    REQUIRE(sum(placed).item() == sum(dy).item());
  }
}

TEST_CASE("gather and scatter_add check shapes, types and positions") {
  const Tensor one = Tensor::full({2}, 1), t = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(gather(t, 1, Tensor::indices({0, 3})),
                       "gather: position 3 is outside dim 1 of (2, 3)", IndexError);
  CHECK_THROWS_AS(gather(t, 1, Tensor::indices({0, -1})), IndexError);
  CHECK_THROWS_AS(gather(t, 2, Tensor::indices({0, 0})), IndexError);
  CHECK_THROWS_WITH_AS(gather(t, 1, Tensor::indices({0, 0, 0})),
                       "gather: index (3) does not fit dim 1 of (2, 3)", ShapeError);
  CHECK_THROWS_AS(gather(t, 1, Tensor::zeros({3, 1}, i32)), ShapeError);
  CHECK_THROWS_AS(gather(t, 1, one), DTypeError);
  CHECK(gather(t, 1, Tensor::zeros({2, 0}, i32)).shape() == Shape{2, 0});
  CHECK(gather(Tensor::zeros({2, 0}), 1, Tensor::zeros({2, 0}, i32)).shape() == Shape{2, 0});
  CHECK_THROWS_AS(gather(Tensor::zeros({2, 0}), 1, Tensor::zeros({2, 1}, i32)), IndexError);
  CHECK_THROWS_AS(scatter_add(one, 1, Tensor::indices({0, 3}), {2, 3}), IndexError);
  CHECK_THROWS_AS(scatter_add(one, 1, Tensor::indices({0, -1}), {2, 3}), IndexError);
  CHECK_THROWS_AS(scatter_add(one, 1, Tensor::indices({0}), {2, 3}), ShapeError);
  CHECK_THROWS_AS(scatter_add(one, 1, Tensor::indices({0, 0}), {4, 3}), ShapeError);
  CHECK_THROWS_AS(scatter_add(one, 1, one, {2, 3}), DTypeError);
}

TEST_CASE("flip reverses the order along a dim") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 100; ++n) {
    const Tensor t = test::random_tensor(rng, test::random_shape(rng, 1 + n % kMaxRank, 4, true),
                                         n % 3 ? f64 : i32);
    const int d = static_cast<int>(below(rng, t.rank()));
    const Tensor reversed = flip(t, n % 2 ? d : d - t.rank());
    REQUIRE_FALSE(reversed.shares_storage(t));
    test::for_each_index(t.shape(), [&](const Index& i) {
      Index from = i;
      from[static_cast<size_t>(d)] = t.size(d) - 1 - i[static_cast<size_t>(d)];
      REQUIRE(element(reversed, i) == element(t, from));
    });
  }
}
