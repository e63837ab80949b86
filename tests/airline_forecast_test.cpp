#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include <tapestry/examples/airline/methods/ensemble.h>
#include <tapestry/examples/airline/scores/metrics.h>
#include <tapestry/examples/airline/scores/rolling.h>
#include <tapestry/examples/airline/series/series.h>
#include <tapestry/nn/gradcheck.h>
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

TEST_CASE("the gradients of the forecasting network are those of finite differences") {
  Rng rng(3);
  Network network(5, 2, 4, 2, 3, rng);
  for (const auto& [name, p] : parameters(network))  // also away from the zeros of the start
    p->value().copy_(uniform(p->shape(), 0.5, rng, f64));
  const Tensor x = uniform({5, 3, 3}, 1, rng, f64), y = uniform({3, 3}, 1, rng, f64);
  const GradReport report = gradcheck(network, [&](Network& n) { return mse(n(x), y); });
  CHECK_MESSAGE(report.ok, report.message);
}

TEST_CASE("an untrained network forecasts that the average growth of the season goes on") {
  LstmSettings s = quick();
  s.epochs = 1;
  s.lr = 1e-15;
  const LstmForecaster model(first(60), 12, s);
  CHECK(model.forecast(1)[0] == doctest::Approx(model.preprocessing().value(0)));
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
  CHECK(std::isnan(fitted[24]));
  CHECK(std::isfinite(fitted[25]));

  model.update(passengers()[60] * 1.5);
  CHECK(largest_difference(model.forecast(12), before) > 1);
  CHECK(largest_difference(std::span(fitted).subspan(25), model.fitted().subspan(25)) == 0);
}

TEST_CASE("the fitted values are the one-step forecasts of the training part") {
  const LstmForecaster model(first(60), 12, quick());
  for (size_t t = 25; t < 60; t += 7) {
    const auto window = model.preprocessing().z().subspan(t - 25, 12);
    const Tensor x = Tensor::from<double>({12, 1, 1}, window);
    const double next = model.network()(x).value().item();
    CHECK(model.fitted()[t] == doctest::Approx(model.preprocessing().value(next, t)));
  }
}

TEST_CASE("a direct forecast is one row of the network's outputs, as long as it was trained for") {
  LstmSettings s = quick();
  s.direct = 12;
  s.month_features = true;
  const LstmForecaster model(first(60), 12, s);
  const std::vector<double> all = model.forecast(12), some = model.forecast(5);
  CHECK(largest_difference(some, std::span(all).first(5)) == 0);
  CHECK_THROWS_WITH_AS(model.forecast(13),
                       "lstm: a horizon of 13 for a network that predicts 12 values at once",
                       ValueError);
  CHECK(LstmForecaster::minimum(12, s) == 48);
}

TEST_CASE("features of the month tell the network the time of the year, and only then") {
  LstmSettings s = quick();
  LstmForecaster with(first(60), 12, s);
  s.month_features = true;
  const LstmForecaster without(first(60), 12, s);
  CHECK(largest_difference(with.forecast(12), without.forecast(12)) > 1e-6);
}

TEST_CASE("the same seed gives the same forecast, another seed another") {
  LstmSettings s = quick();
  const std::vector<double> one = LstmForecaster(first(60), 12, s).forecast(12);
  CHECK(largest_difference(LstmForecaster(first(60), 12, s).forecast(12), one) == 0);
  s.seed = 2;
  CHECK(largest_difference(LstmForecaster(first(60), 12, s).forecast(12), one) > 1e-6);
}

TEST_CASE("the default LSTM meets its goals on the held-out months, with several seeds") {
  const auto all = std::span<const double>(passengers());
  const struct {
    size_t held_out;
    double limit;
  } rows[] = {{12, 22}, {24, 35}, {29, 26}};  // seasonal naive: 50.7, 77.0, 75.2
  for (const auto& row : rows) {
    const size_t held_out = row.held_out;  // clang 14 cannot capture a structured binding
    const double limit = row.limit;
    CAPTURE(held_out);
    Ensemble fit(all.first(144 - held_out), 12, {}, 5, 1);
    std::vector<double> errors;
    for (const LstmForecaster& m : fit.members())
      errors.push_back(rmse(all.last(held_out), m.forecast(held_out)));
    CHECK(median(errors) < limit);
    if (held_out == 24) CHECK(rmse(all.last(24), one_step(fit, all.last(24))) < 17);
  }
}

TEST_CASE("an LSTM forecast needs its minimum of values and a rate that does not diverge") {
  const LstmSettings s = quick();
  CHECK(LstmForecaster::minimum(12, s) == 37);
  CHECK(LstmForecaster::minimum(1, s) == 15);
  CHECK_NOTHROW(LstmForecaster(first(37), 12, s));
  CHECK_THROWS_AS(LstmForecaster(first(36), 12, s), ValueError);
  LstmSettings wild = s;
  wild.lr = 1e200;
  CHECK_THROWS_AS(LstmForecaster(first(60), 12, wild).forecast(12), NonFiniteError);
}

TEST_CASE("an ensemble forecasts the medians of its runs, whatever the number of threads") {
  Ensemble one(first(60), 12, quick(), 3, 1), two(first(60), 12, quick(), 3, 2);
  CHECK(largest_difference(one.forecast(12), two.forecast(12)) == 0);
  std::vector<double> third;
  for (const LstmForecaster& m : one.members()) third.push_back(m.forecast(3)[2]);
  CHECK(one.forecast(3)[2] == median(third));
  CHECK(one.fitted().size() == 60);
  CHECK(std::isnan(one.fitted()[24]));
  LstmSettings second = quick();
  second.seed = 2;
  CHECK(largest_difference(LstmForecaster(first(60), 12, second).forecast(3),
                           one.members()[1].forecast(3)) == 0);
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 2, 3}) == 2.5);
}

TEST_CASE("a run that diverges stops the ensemble with its error") {
  LstmSettings wild = quick();
  wild.lr = 1e200;
  CHECK_THROWS_AS(Ensemble(first(60), 12, wild, 4, 2).forecast(12), NonFiniteError);
}

TEST_CASE("conformal half widths are the ranks that their definition asks for, and only grow") {
  // Errors of a naive forecast of 0, 1, 0, 2, 0, 3 ... one step ahead: 1, 1, 2, 2, 3, 3 ...
  std::vector<double> values;
  for (int i = 0; i < 41; ++i) values.push_back(i % 2 == 0 ? 0 : (i + 1) / 2);
  const auto calibrated = [&](size_t horizon) {
    const auto fit = baselines(1)[0].fit(std::span(values).first(1), 1);
    const auto next = std::span<const double>(values).subspan(1);
    const auto forecasts = rolling_forecasts(*fit, next, 40, horizon);
    Calibration calibration(horizon, false);
    for (size_t i = 0; i < 40; ++i) calibration.add(forecasts[i], next.subspan(i));
    return calibration.intervals();
  };
  const Intervals one = calibrated(1);
  // 40 errors 1, 1, 2, 2, ..., 20, 20: the ranks are ceil(41 * 0.8) = 33 and ceil(41 * 0.95) = 39.
  CHECK(one.half_width(0, 1) == doctest::Approx(17));
  CHECK(one.half_width(1, 1) == doctest::Approx(20));

  const Intervals intervals = calibrated(30);
  REQUIRE(intervals.known());
  CHECK(intervals.half_widths[1].size() == 30);
  for (size_t h = 2; h <= 30; ++h)
    CHECK(intervals.half_width(1, h) >= intervals.half_width(1, h - 1));
  CHECK(intervals.half_width(1, 120) == doctest::Approx(2 * intervals.half_width(1, 30)));
  CHECK(one.low(0, 1, 100) == doctest::Approx(83));
  CHECK(one.high(0, 1, 100) == doctest::Approx(117));
  Intervals roots{true, {}};
  for (size_t i = 0; i < 2; ++i) roots.half_widths[i] = {static_cast<double>(2 + i)};
  CHECK(roots.low(0, 1, 100) == doctest::Approx(64));
  CHECK(roots.high(0, 1, 100) == doctest::Approx(144));
  CHECK(roots.low(1, 1, 4) == 0);
}

TEST_CASE("a short series has intervals, too, from all distances together") {
  Calibration calibration(3, false);
  for (size_t known = 2; known <= 8; ++known)
    calibration.add(std::vector<double>(3, 1), std::vector<double>(9 - known, 2));
  CHECK_THROWS_AS(calibration.intervals(), ValueError);  // 18 errors: 3 + 3 + 3 + 3 + 3 + 2 + 1
  calibration.add(std::vector<double>(3, 1), std::vector<double>(3, 3));
  CHECK(calibration.intervals().half_width(1, 3) > 0);
  CHECK(calibration_size(120, 12, 37, 12) == 36);
  CHECK(calibration_size(40, 1, 15, 8) == 13);
  CHECK(calibration_size(20, 1, 15, 8) == 0);
}

TEST_CASE("intervals are calibrated by fits that follow the series, fewer of a long one") {
  const CalibrationPlan plan = plan_calibration(120, 12, 37, 12);
  const std::vector<size_t> fits = plan.fits();
  REQUIRE(fits.size() == 12);
  size_t origins = 0;
  for (const size_t first : fits) origins += plan.origins(first);
  CHECK(fits.front() == 84);
  CHECK(origins == 36);
  CHECK(plan_calibration(100'000, 24, 37, 12).fits().size() == 1);
  CHECK(plan_calibration(20, 1, 15, 8).fits().empty());
}

TEST_CASE("the intervals of the back-test cover what they say on the built-in series") {
  RollingSettings s{{}, 24, 12};
  s.training.runs = 1;
  s.training.lstm.epochs = 5;
  const Rolling r = roll(passengers(), 12, s);
  const std::vector<double> covered = coverage(r, passengers());
  CHECK(covered[0] == doctest::Approx(0.80).epsilon(0.08));
  CHECK(covered[1] == doctest::Approx(0.95).epsilon(0.04));
  // The first origin's are those that its own training part gives.
  const CalibrationPlan plan = plan_calibration(r.first, 12, least_of(s.training, 12, 12), 12);
  const auto train = std::span<const double>(passengers()).first(r.first);
  Calibration calibration(12, true);
  for (const size_t first : plan.fits()) {
    const auto fit = fit_chosen(s.training, train.first(first), 12, 12, 1);
    const auto forecasts = rolling_forecasts(*fit, train.subspan(first), plan.origins(first), 12);
    for (size_t i = 0; i < forecasts.size(); ++i)
      calibration.add(forecasts[i], train.subspan(first + i));
  }
  CHECK(calibration.intervals().half_widths == r.intervals[0].half_widths);
}

TEST_CASE("what follows a forecast takes only the end of a long series") {
  std::vector<double> values;
  for (size_t t = 0; t < 400; ++t) values.push_back(passengers()[t % 144] + static_cast<double>(t));
  LstmSettings s = quick();
  s.month_features = true;
  const LstmForecaster model(values, 12, s);
  const Preprocessing recent = model.preprocessing().recent(12);
  CHECK(recent.z().size() == 12);
  CHECK(recent.size() == 400);
  CHECK(recent.value(0.3) == model.preprocessing().value(0.3));
  LstmForecaster fed = model;
  const std::vector<double> ahead = model.forecast(15);
  for (const double value : ahead) {
    CHECK(fed.forecast(1)[0] == doctest::Approx(value).epsilon(1e-9));
    fed.update(value);
  }
}

TEST_CASE("an epoch of a long series sees at most so many windows") {
  LstmSettings s = quick();
  s.most_windows = 10;
  const LstmForecaster few(first(100), 12, s);
  s.most_windows = 20'000;
  const LstmForecaster all(first(100), 12, s);
  CHECK(few.losses().size() == 2);
  CHECK(few.losses()[1] != all.losses()[1]);
}
