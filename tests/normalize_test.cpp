#include <doctest/doctest.h>

#include <cmath>

#include <tapestry/tensor/normalize.h>

#include "random_tensors.h"

using namespace tapestry;

namespace {

constexpr uint64_t kSeed = 20240616;

Tensor random_input(Rng& rng, const Shape& shape, DType dtype) {
  Tensor t = test::random_tensor(rng, shape, dtype, false);
  return t.mul_(0.3);
}

}  // namespace

TEST_CASE("normalised rows have mean 0 and variance 1, also far from 0") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 40; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const Shape wide = test::random_shape(rng, n % 4).with(n % 4, 16);
    Tensor t = random_input(rng, wide, dtype);
    t.add_(Tensor::scalar(n % 4 < 2 ? 1000 : 0, dtype));
    const Normalized out = normalize(t, 0);
    REQUIRE(out.x.shape() == wide);
    const Tensor flat = out.x.reshape({-1, 16});
    for (int64_t r = 0; r < flat.shape()[0]; ++r) {
      double mean = 0, square = 0;
      for (int64_t k = 0; k < 16; ++k) {
        mean += flat.at({r, k}) / 16;
        square += flat.at({r, k}) * flat.at({r, k}) / 16;
      }
      REQUIRE(std::abs(mean) < 1e-6);
      REQUIRE(std::abs(square - 1) < 1e-5);
    }
  }
  const Normalized same = normalize(Tensor::full({2, 4}, 3), 1e-5);
  CHECK(same.x.at({1, 2}) == 0);
  CHECK_THROWS_AS(normalize(Tensor::zeros({2, 0}), 1e-5), ShapeError);
  CHECK_THROWS_AS(normalize(Tensor::scalar(1), 1e-5), ShapeError);
}
