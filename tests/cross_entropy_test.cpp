#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <tapestry/tensor/cross_entropy.h>

#include "random_tensors.h"

using namespace tapestry;
using test::below;

namespace {
constexpr uint64_t kSeed = 20240616;
}

TEST_CASE("cross entropy is the negative log of the target's softmax") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 60; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const double eps = dtype == f32 ? 3e-6 : 1e-13;
    const int64_t rows = 1 + below(rng, 5), classes = 1 + below(rng, 9);
    const Tensor logits = test::random_tensor(rng, {rows, classes}, dtype);
    Tensor targets = test::random_tensor(rng, {rows}, i32, false);
    for (int64_t r = 0; r < rows; ++r)
      targets.set_({r}, static_cast<double>(below(rng, classes + 1) - 1));
    const CrossEntropy out = cross_entropy(logits, targets, -1);
    for (int64_t r = 0; r < rows; ++r) {
      const auto target = static_cast<int64_t>(targets.at({r}));
      double total = 0;
      for (int64_t k = 0; k < classes; ++k) total += std::exp(logits.at({r, k}));
      for (int64_t k = 0; k < classes; ++k)
        REQUIRE(std::abs(out.probabilities.at({r, k}) -
                         (target < 0 ? 0 : std::exp(logits.at({r, k})) / total)) < eps);
      const double loss = target < 0 ? 0 : std::log(total) - logits.at({r, target});
      REQUIRE(std::abs(out.loss.at({r}) - loss) < eps * 10);
    }
  }
}

TEST_CASE("cross entropy stays finite for large logits and keeps a NaN") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor targets = Tensor::indices({0, 1, 0});
  const Tensor logits = Tensor::from({3, 2}, {1e4, 0, 1e4, 0, 0, nan}, f32);
  const CrossEntropy out = cross_entropy(logits, targets, -100);
  CHECK(out.loss.at({0}) == 0);
  CHECK(out.loss.at({1}) == 1e4);
  CHECK(std::isnan(out.loss.at({2})));
}

TEST_CASE("cross entropy names a target outside the classes") {
  const Tensor logits = Tensor::zeros({2, 5});
  CHECK_THROWS_WITH_AS(cross_entropy(logits, Tensor::indices({0, 5}), -100),
                       "cross_entropy: targets[1] = 5 is outside 5 classes", IndexError);
  CHECK_THROWS_AS(cross_entropy(logits, Tensor::indices({-1, 0}), -100), IndexError);
  CHECK_THROWS_AS(cross_entropy(logits, Tensor::indices({0}), -100), ShapeError);
  CHECK_THROWS_AS(cross_entropy(Tensor::zeros({5}), Tensor::indices({0}), -100), ShapeError);
  CHECK_THROWS_AS(cross_entropy(logits, Tensor::zeros({2}), -100), DTypeError);
}
