// The adaptive softmax: a distribution, its loss, its gradients, and the plain softmax without
// tails.

#include <doctest/doctest.h>

#include <cmath>

#include <tapestry/nn/adaptive_softmax.h>
#include <tapestry/nn/gradcheck.h>
#include <tapestry/optim/optimizer.h>

using namespace tapestry;

namespace {

const AdaptiveSoftmaxOptions kThree{.cutoffs = {4, 9, 15}, .shrink = 2, .dtype = f64};

Tensor targets() { return Tensor::indices({0, 19, 3, 4, 8, 9, 14, 15, 2, 2}); }

}  // namespace

TEST_CASE("probabilities of the adaptive softmax add up to 1, and its losses are theirs") {
  Rng rng(3);
  const AdaptiveSoftmax softmax(6, 20, rng, kThree);
  const Tensor h = gaussian({10, 6}, 1, rng, f64);
  const Tensor logs = softmax.log_probabilities(h), losses = softmax.losses(h, targets());
  REQUIRE(logs.shape() == Shape{10, 20});
  double sum = 0;
  for (int64_t t = 0; t < 10; ++t) {
    double total = 0;
    for (int64_t j = 0; j < 20; ++j) total += std::exp(logs.at({t, j}));
    CHECK(total == doctest::Approx(1));
    CHECK(losses.at({t}) ==
          doctest::Approx(-logs.at({t, static_cast<int64_t>(targets().at({t}))})));
    sum += losses.at({t});
  }
  CHECK(softmax.loss_sum(h, targets(), 0.3).value().item() == doctest::Approx(0.3 * sum));
}

TEST_CASE("gradients of the adaptive softmax are those of its loss") {
  Rng rng(4);
  struct Model {
    AdaptiveSoftmax softmax;
    Parameter h;
    FIELDS(softmax, h)
  } model{AdaptiveSoftmax(6, 20, rng, kThree), Parameter(gaussian({10, 6}, 1, rng, f64))};
  const GradReport report =
      gradcheck(model, [](const Model& m) { return m.softmax.loss_sum(m.h, targets()); });
  CHECK_MESSAGE(report.ok, report.message);
}

TEST_CASE("without tails the adaptive softmax is the plain one") {
  Rng rng(5);
  const AdaptiveSoftmax softmax(6, 20, rng, {.dtype = f64});
  const Tensor h = gaussian({10, 6}, 1, rng, f64);
  CHECK(softmax.loss_sum(h, targets()).value().item() ==
        linear_cross_entropy_sum(h, softmax.head, softmax.head_bias, targets()).value().item());
}

TEST_CASE("the adaptive softmax learns words of every tail") {
  Rng rng(6);
  struct Model {
    AdaptiveSoftmax softmax;
    Parameter h;
    FIELDS(softmax, h)
  } model{AdaptiveSoftmax(6, 20, rng, kThree), Parameter(gaussian({10, 6}, 1, rng, f64))};
  Optimizer optimizer(model, Adam{.lr = 0.05});
  for (int i = 0; i < 200; ++i) {
    {
      Tape tape;
      tape.backward(model.softmax.loss_sum(model.h, targets(), 0.1));
    }
    optimizer.step();
  }
  CHECK(mean(model.softmax.losses(model.h.value(), targets())).item() < 0.1);
}

TEST_CASE("cutoffs out of order and targets beyond the words are refused") {
  Rng rng(7);
  for (const std::vector<int64_t>& cutoffs :
       {std::vector<int64_t>{5, 5}, {9, 4}, {0, 4}, {-1}, {20}, {25}})
    CHECK_THROWS_AS(AdaptiveSoftmax(4, 20, rng, {.cutoffs = cutoffs}), ValueError);
  CHECK_THROWS_WITH_AS(AdaptiveSoftmax(4, 20, rng, {.cutoffs = {9, 4}}),
                       "AdaptiveSoftmax: a cutoff of 4 is out of order (cutoffs rise from 1 to "
                       "words - 1, here 19)",
                       ValueError);
  CHECK_THROWS_AS(AdaptiveSoftmax(4, 20, rng, {.cutoffs = {5}, .shrink = 0}), ValueError);
  const AdaptiveSoftmax softmax(4, 20, rng, {.cutoffs = {5}});
  CHECK_THROWS_AS(softmax.loss_sum(Tensor::zeros({1, 4}), Tensor::indices({20})), IndexError);
}
