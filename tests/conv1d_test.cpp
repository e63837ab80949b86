#include <doctest/doctest.h>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/conv1d.h>
#include <tapestry/tensor/reduce.h>

#include "random_tensors.h"

using namespace tapestry;
using test::below;

namespace {
constexpr uint64_t kSeed = 20240620;
}

TEST_CASE("conv1d agrees with its sum, and its gradients with its transpose") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 200; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const int64_t width = 1 + below(rng, 4), c = 1 + below(rng, 3), d = 1 + below(rng, 3);
    const Conv1dOptions o{
        .dilation = 1 + below(rng, 3), .pad_before = below(rng, 8), .pad_after = below(rng, 8)};
    const int64_t steps = 1 + (width - 1) * o.dilation + below(rng, 5), batch = 1 + below(rng, 3);
    const Tensor x = test::random_tensor(rng, {steps, batch, c}, dtype);
    const Tensor w = test::random_tensor(rng, {width, c, d}, dtype);
    CAPTURE(n);
    const Tensor y = conv1d(x, w, o);
    const int64_t outputs = steps + o.pad_before + o.pad_after - (width - 1) * o.dilation;
    REQUIRE(y.shape() == Shape{outputs, batch, d});
    test::for_each_index(y.shape(), [&](const test::Index& i) {
      double expected = 0;
      for (int64_t k = 0; k < width; ++k)
        for (int64_t j = 0; j < c; ++j)
          if (const int64_t t = i[0] + k * o.dilation - o.pad_before; t >= 0 && t < steps)
            expected += x.at({t, i[1], j}) * w.at({k, j, i[2]});
      REQUIRE(y.at({i[0], i[1], i[2]}) == expected);
    });
    const Tensor dy = test::random_tensor(rng, y.shape(), dtype);
    Tensor dx = Tensor::full(x.shape(), 1, dtype), dw = Tensor::full(w.shape(), 1, dtype);
    conv1d_add_dx(dx, dy, w, o);
    conv1d_add_dweight(dw, dy, x, o);
    const double expected = sum(dy * y).item();
    REQUIRE(sum((dx - 1) * x).item() == expected);
    REQUIRE(sum((dw - 1) * w).item() == expected);
  }
}

TEST_CASE("conv1d says what does not fit") {
  const Tensor x = Tensor::zeros({5, 2, 3}), w = Tensor::zeros({3, 3, 4});
  CHECK(conv1d(x, w, {.dilation = 2}).shape() == Shape{1, 2, 4});
  CHECK(conv1d(Tensor::zeros({0, 2, 3}), w, {.pad_before = 2, .pad_after = 1}).size(0) == 1);
  CHECK_THROWS_WITH_AS(
      conv1d(x, w, {.dilation = 3}),
      "conv1d: a window of 7 steps does not fit x (5, 2, 3) with its padding, 5 steps", ShapeError);
  CHECK_THROWS_WITH_AS(conv1d(x, Tensor::zeros({3, 2, 4})),
                       "conv1d: x (5, 2, 3) and weight (3, 2, 4): expected (T, B, C) and (W, C, D)",
                       ShapeError);
  CHECK_THROWS_AS(conv1d(Tensor::zeros({5, 3}), w), ShapeError);
  CHECK_THROWS_AS(conv1d(x, Tensor::zeros({0, 3, 4})), ShapeError);
  CHECK_THROWS_AS(conv1d(x, w, {.dilation = 0}), ValueError);
  CHECK_THROWS_AS(conv1d(x, w, {.pad_before = -1}), ValueError);
  CHECK_THROWS_AS(conv1d(x, w.cast(f64)), DTypeError);
  Tensor dx = Tensor::zeros({5, 2, 3});
  CHECK_THROWS_AS(conv1d_add_dx(dx, Tensor::zeros({4, 2, 4}), w, {}), ShapeError);
}
