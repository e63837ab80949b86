#include <doctest/doctest.h>

#include <cmath>

#include <tapestry/examples/airline/series/series.h>
#include <tapestry/examples/airline/versions/versions.h>

using namespace tapestry;
using namespace tapestry::airline;

namespace {

/// Logarithms of the passengers around 0.
std::vector<double> values() {
  std::vector<double> out;
  for (const double y : airline_passengers().values) out.push_back(std::log(y) - 5.5);
  return out;
}

}  // namespace

TEST_CASE("every version has the same losses in every epoch") {
  const std::vector<double> y = values();
  const std::span<const double> all(y);
  for (const int threads : {2, 3}) {
    const Task task{
        .train = {all.first(115), 12}, .valid = {all.subspan(103), 12}, .threads = threads};
    const std::vector<EpochLoss> first = train(versions()[0], task).losses;
    REQUIRE(first.size() == 5);
    CHECK(first[4].train < 0.5 * first[0].train);
    for (const Version& v : versions()) {
      CAPTURE(v.name);
      const std::vector<EpochLoss> losses = train(v, task).losses;
      for (size_t e = 0; e < 5; ++e) {
        CHECK(std::abs(losses[e].train - first[e].train) < 1e-9);
        CHECK(std::abs(losses[e].valid - first[e].valid) < 1e-9);
      }
    }
  }
}

TEST_CASE("the gradients by hand are those of the tape") {
  // From one step of gradient descent with a rate of 1: the gradient is what the weights lost.
  const std::vector<double> y = values();
  const Windows data{y, 7};
  const auto gradients = [&](const Version& v) {
    Rng rng(4);
    Regressor model(9, rng), before = model;
    v.make(model, 1)->step(data, 3, 20, 1.0);
    std::vector<double> out;
    const auto now = parameters(model), then = parameters(before);
    for (size_t i = 0; i < now.size(); ++i) {
      const auto a = then[i].parameter->value().to_vector<double>(),
                 b = now[i].parameter->value().to_vector<double>();
      for (size_t k = 0; k < a.size(); ++k) out.push_back(a[k] - b[k]);
    }
    return out;
  };
  const std::vector<double> by_hand = gradients(versions()[0]), by_tape = gradients(versions()[5]);
  REQUIRE(by_hand.size() == by_tape.size());
  double largest = 0, norm = 0;
  for (size_t i = 0; i < by_hand.size(); ++i) {
    largest = std::max(largest, std::abs(by_hand[i] - by_tape[i]));
    norm += by_hand[i] * by_hand[i];
  }
  CHECK(norm > 1e-3);
  CHECK(largest < 1e-13);
}

TEST_CASE("the sum of squared errors is the same for every version") {
  const std::vector<double> y = values();
  const Windows data{y, 12};
  Rng rng(4);
  Regressor model(6, rng);
  double first = 0;
  for (const Version& v : versions()) {
    const double sum = v.make(model, 2)->errors(data, 0, 5);
    if (first == 0) first = sum;
    CHECK(sum == doctest::Approx(first).epsilon(1e-12));
  }
}
