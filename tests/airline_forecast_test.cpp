#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include <tapestry/examples/airline/lstm.h>
#include <tapestry/examples/airline/metrics.h>
#include <tapestry/examples/airline/series.h>
#include <tapestry/tensor/error.h>

using namespace tapestry;
using namespace tapestry::airline;

namespace {

const std::vector<double>& passengers() {
  static const std::vector<double> values = airline_passengers().values;
  return values;
}

std::span<const double> first(size_t n) { return std::span(passengers()).first(n); }

/// Trains for a moment: enough where the weights only must not be those of the start.
LstmSettings quick() {
  LstmSettings s;
  s.hidden = 8;
  s.epochs = 2;
  return s;
}

double largest_difference(std::span<const double> a, std::span<const double> b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace

TEST_CASE("seasonal growth has mean 0 and deviation 1 in the training part, and is inverted") {
  for (const bool log : {true, false}) {
    CAPTURE(log);
    const SeasonalGrowth growth(first(120), 12, log);
    const std::vector<double> z = growth.growth(first(120));
    REQUIRE(z.size() == 108);
    double sum = 0, squares = 0;
    for (const double g : z) sum += g, squares += g * g;
    CHECK(std::abs(sum) < 1e-9);
    CHECK(squares == doctest::Approx(108));
    const std::vector<double> all = growth.growth(passengers());
    for (size_t t = 12; t < passengers().size(); ++t)
      CHECK(growth.value(passengers()[t - 12], all[t - 12]) == doctest::Approx(passengers()[t]));
  }
}

TEST_CASE("growth that never varies is neither divided by 0 nor blown up") {
  std::vector<double> doubling;
  for (int t = 0; t < 60; ++t)
    doubling.push_back((2 + std::sin(t * std::numbers::pi / 6)) * std::exp2(t / 12));
  const SeasonalGrowth growth(doubling, 12, true);
  CHECK(growth.mean() == doctest::Approx(std::log(2)));
  CHECK(growth.deviation() == 1);
  CHECK(growth.value(3, 0) == doctest::Approx(6));
}

TEST_CASE("seasonal growth refuses what it cannot compute") {
  CHECK_THROWS_AS(SeasonalGrowth(first(13), 12, true), ValueError);
  CHECK_THROWS_AS(SeasonalGrowth(first(20), 0, true), ValueError);
  CHECK_THROWS_AS(SeasonalGrowth(std::vector<double>{1, 2, 0, 4}, 1, true), ValueError);
  CHECK_NOTHROW(SeasonalGrowth(std::vector<double>{1, 2, 0, 4}, 1, false));
}

TEST_CASE("the gradients of the forecasting network are those of finite differences") {
  Rng rng(3);
  Network network(5, 4, rng);
  for (const auto& [name, p] : parameters(network))  // also away from the zeros of the start
    p->value().copy_(uniform(p->shape(), 0.5, rng, f64));
  const Tensor x = uniform({5, 3, 1}, 1, rng, f64), y = uniform({3, 1}, 1, rng, f64);
  const GradReport report = gradcheck(network, [&](Network& n) { return mse(n(x), y); });
  CHECK_MESSAGE(report.ok, report.message);
}

TEST_CASE("an untrained network says that a share of the window's level will last") {
  Rng rng(1);
  const Network network(4, 8, rng);
  const Tensor windows = Tensor::from({4, 2, 1}, {1, -1, 2, -2, 3, -3, 4, -4}, f64);
  const Tensor next = network(windows).value();
  CHECK(next.at({0, 0}) == doctest::Approx(2.5 * Network::level_share));
  CHECK(next.at({1, 0}) == doctest::Approx(-2.5 * Network::level_share));
}

TEST_CASE("a recursive forecast is a chain of one-step forecasts fed back") {
  const LstmForecaster model(first(60), 12, quick());
  const std::vector<double> ahead = model.forecast(30);
  LstmForecaster fed = model;
  for (const double value : ahead) {
    CHECK(fed.forecast(1)[0] == doctest::Approx(value).epsilon(1e-9));
    fed.update(value);
  }
}

TEST_CASE("updates move the state of an LSTM forecast and not what was fitted") {
  LstmForecaster model(first(60), 12, quick());
  const std::vector<double> before = model.forecast(12);
  const std::vector<double> fitted(model.fitted().begin(), model.fitted().end());
  REQUIRE(fitted.size() == 60);
  CHECK(std::isnan(fitted[23]));
  CHECK(std::isfinite(fitted[24]));

  model.update(passengers()[60] * 1.5);
  CHECK(largest_difference(model.forecast(12), before) > 1);
  CHECK(largest_difference(std::span(fitted).subspan(24), model.fitted().subspan(24)) == 0);
}

TEST_CASE("the fitted values are the one-step forecasts of the training part") {
  const LstmForecaster model(first(60), 12, quick());
  const SeasonalGrowth& growth = model.preprocessing();
  const std::vector<double> z = growth.growth(first(60));
  for (size_t t = 24; t < 60; t += 7) {
    const auto window = std::span(z).subspan(t - 24, 12);
    const Tensor x = Tensor::from<double>({12, 1, 1}, window);
    const double next = model.network()(x).value().item();
    CHECK(model.fitted()[t] == doctest::Approx(growth.value(passengers()[t - 12], next)));
  }
}

TEST_CASE("the same seed gives the same forecast, another seed another") {
  LstmSettings s = quick();
  const std::vector<double> one = LstmForecaster(first(60), 12, s).forecast(12);
  CHECK(largest_difference(LstmForecaster(first(60), 12, s).forecast(12), one) == 0);
  s.seed = 2;
  CHECK(largest_difference(LstmForecaster(first(60), 12, s).forecast(12), one) > 1e-6);
}

TEST_CASE("the default LSTM beats seasonal naive by far on the last 24 months") {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    CAPTURE(seed);
    LstmSettings s;
    s.seed = seed;
    LstmForecaster model(first(120), 12, s);
    const auto actual = std::span(passengers()).subspan(120);
    CHECK(rmse(actual, model.forecast(24)) < 35);  // seasonal naive: 77.0
    CHECK(rmse(actual, one_step(model, actual)) < 17.5);
  }
}

TEST_CASE("an LSTM forecast needs its minimum of values and a rate that does not diverge") {
  const LstmSettings s = quick();
  CHECK(LstmForecaster::minimum(12, s) == 36);
  CHECK(LstmForecaster::minimum(1, s) == 15);
  CHECK_NOTHROW(LstmForecaster(first(36), 12, s));
  CHECK_THROWS_AS(LstmForecaster(first(35), 12, s), ValueError);
  LstmSettings wild = s;
  wild.lr = 1e200;
  CHECK_THROWS_AS(LstmForecaster(first(60), 12, wild).forecast(12), NonFiniteError);
}
