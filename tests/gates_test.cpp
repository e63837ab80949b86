#include <doctest/doctest.h>

#include <cmath>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/gates.h>
#include <tapestry/tensor/reduce.h>

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
    const LstmGates lstm = lstm_gates(z, s);
    const Tensor h = gru_gates(x, u, s).h;
    REQUIRE(h.shape() == Shape{batch, width});
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t k = 0; k < width; ++k) {
        const auto gate = [&](const Tensor& t, int64_t g) { return t.at({b, g * width + k}); };
        const double old = s.at({b, k});
        const double c = sigma(gate(z, 1)) * old + sigma(gate(z, 0)) * std::tanh(gate(z, 2));
        REQUIRE(std::abs(lstm.c.at({b, k}) - c) < eps);
        REQUIRE(std::abs(lstm.h.at({b, k}) - sigma(gate(z, 3)) * std::tanh(c)) < eps);
        const double r = sigma(gate(x, 0) + gate(u, 0)), keep = sigma(gate(x, 1) + gate(u, 1));
        const double fresh = std::tanh(gate(x, 2) + r * gate(u, 2));
        REQUIRE(std::abs(h.at({b, k}) - ((1 - keep) * fresh + keep * old)) < eps);
      }
  }
}

TEST_CASE("an undefined gradient of an LSTM's h or c counts as zeros") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (const DType dtype : {f32, f64}) {
    const Tensor c = random_input(rng, {3, 7}, dtype), zero = Tensor::zeros({3, 7}, dtype);
    const Tensor gates = lstm_gates(random_input(rng, {3, 28}, dtype), c).gates;
    const Tensor d = test::random_tensor(rng, {3, 7}, dtype);
    const auto same = [&](const Tensor& dh, const Tensor& dc) {
      const auto filled = [&](const Tensor& t) { return t.defined() ? t : zero; };
      const LstmGatesGrad x = lstm_gates_backward(dh, dc, gates, c);
      const LstmGatesGrad y = lstm_gates_backward(filled(dh), filled(dc), gates, c);
      CHECK(squared_norm(x.dz - y.dz) == 0);
      CHECK(squared_norm(x.dc - y.dc) == 0);
      CHECK(squared_norm(x.dz) > 0);
    };
    same(d, {});
    same({}, d);
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
