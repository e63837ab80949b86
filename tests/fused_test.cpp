#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/fused.h>

#include "random_tensors.h"

// Backward kernels are checked with their ops in ops_test.cpp; here the values, against the
// formulas, in every layout and both types.

using namespace tapestry;
using test::below;

namespace {

constexpr uint64_t kSeed = 20240616;
double sigma(double x) { return 1 / (1 + std::exp(-x)); }

Tensor random_input(Rng& rng, const Shape& shape, DType dtype) {
  Tensor t = test::random_tensor(rng, shape, dtype, false);
  return t.mul_(0.3);
}

}  // namespace

TEST_CASE("gates agree with their formulas in every layout") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 60; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const double eps = dtype == f32 ? 3e-6 : 1e-14;
    const int64_t batch = 1 + below(rng, 4), width = 1 + below(rng, 9);
    const Tensor z = random_input(rng, {batch, 4 * width}, dtype);
    const Tensor x = random_input(rng, {batch, 3 * width}, dtype);
    const Tensor u = random_input(rng, {batch, 3 * width}, dtype);
    const Tensor s = random_input(rng, {batch, width}, dtype);
    const Tensor hc = lstm_gates(z, s).hc, h = gru_gates(x, u, s).h;
    REQUIRE(hc.shape() == Shape{2, batch, width});
    REQUIRE(h.shape() == Shape{batch, width});
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t k = 0; k < width; ++k) {
        const auto gate = [&](const Tensor& t, int64_t g) { return t.at({b, g * width + k}); };
        const double old = s.at({b, k});
        const double c = sigma(gate(z, 1)) * old + sigma(gate(z, 0)) * std::tanh(gate(z, 2));
        REQUIRE(std::abs(hc.at({1, b, k}) - c) < eps);
        REQUIRE(std::abs(hc.at({0, b, k}) - sigma(gate(z, 3)) * std::tanh(c)) < eps);
        const double r = sigma(gate(x, 0) + gate(u, 0)), keep = sigma(gate(x, 1) + gate(u, 1));
        const double fresh = std::tanh(gate(x, 2) + r * gate(u, 2));
        REQUIRE(std::abs(h.at({b, k}) - ((1 - keep) * fresh + keep * old)) < eps);
      }
  }
}

TEST_CASE("gates name the operand whose size is wrong") {
  const Tensor c = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(lstm_gates(Tensor::zeros({2, 9}), c),
                       "lstm_gates: the gate input is (2, 9), expected (2, 12)", ShapeError);
  CHECK_THROWS_WITH_AS(lstm_gates(Tensor::zeros({2, 12}), Tensor::zeros({3})),
                       "lstm_gates: the cell state is (3), expected (batch, hidden)", ShapeError);
  CHECK_THROWS_WITH_AS(gru_gates(Tensor::zeros({2, 9}), Tensor::zeros({1, 9}), c),
                       "gru_gates: the recurrent part is (1, 9), expected (2, 9)", ShapeError);
  CHECK_THROWS_AS(gru_gates(Tensor::zeros({2, 8}), Tensor::zeros({2, 9}), c), ShapeError);
  CHECK_THROWS_AS(lstm_gates(Tensor::zeros({2, 12}, i32), Tensor::zeros({2, 3}, i32)), DTypeError);
}

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
