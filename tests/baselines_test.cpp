#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <tapestry/examples/airline/methods/arima.h>
#include <tapestry/examples/airline/methods/baselines.h>
#include <tapestry/examples/airline/methods/combination.h>
#include <tapestry/examples/airline/methods/holt.h>
#include <tapestry/examples/airline/methods/holt_winters.h>
#include <tapestry/examples/airline/methods/least_squares.h>
#include <tapestry/examples/airline/methods/theta.h>
#include <tapestry/examples/airline/scores/metrics.h>
#include <tapestry/examples/airline/series/series.h>
#include <tapestry/tensor/error.h>
#include <tapestry/tensor/random.h>

using namespace tapestry;
using namespace tapestry::airline;
using doctest::Approx;
using Values = std::vector<double>;
using Train = std::span<const double>;

namespace {

const Baseline& baseline(const std::string& name, size_t season = 12) {
  for (const Baseline& b : baselines(season))
    if (name == b.name) return b;
  FAIL("no baseline " << name);
  return baselines(season)[0];
}

void check_close(const Values& a, const Values& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(a[i] - b[i]) <= tolerance);
  }
}

// RMSE on the last `held_out` months of the airline series.
double multi_step_rmse(const char* name, size_t held_out) {
  const Values y = airline_passengers().values;
  const std::span<const double> all(y);
  const auto fit = baseline(name).fit(all.first(y.size() - held_out), 12);
  return rmse(all.last(held_out), fit->forecast(held_out));
}

}  // namespace

TEST_CASE("metrics are what their definitions say") {
  const Values actual{1, 2, 4}, forecast{2, 2, 1}, train{1, 3, 2, 6};
  CHECK(rmse(actual, forecast) == Approx(std::sqrt(10.0 / 3)));
  CHECK(mae(actual, forecast) == Approx(4.0 / 3));
  CHECK(mape(actual, forecast) == Approx((100 + 0 + 75) / 3.0));
  CHECK(smape(actual, forecast) == Approx((200.0 / 3 + 0 + 600.0 / 5) / 3));
  CHECK(mase(actual, forecast, train, 1) == Approx((4.0 / 3) / (7.0 / 3)));
  CHECK(mase(actual, forecast, train, 2) == Approx((4.0 / 3) / 2));
  const Scores s = score(actual, forecast, train, 2);
  CHECK(s.rmse == rmse(actual, forecast));
  CHECK(s.mae == mae(actual, forecast));
  CHECK(s.smape == smape(actual, forecast));
  CHECK(s.mape == mape(actual, forecast));
  CHECK(s.mase == mase(actual, forecast, train, 2));
  CHECK(skill(1, 4) == 0.75);
  CHECK(skill(6, 4) == -0.5);
}

TEST_CASE("sMAPE runs from 0 to 200 and takes a right zero for no error") {
  CHECK(smape(Values{0, 0}, Values{0, 5}) == 100);
  CHECK(smape(Values{-3}, Values{3}) == 200);
}

TEST_CASE("a ratio without a denominator is NaN, a number that is not finite an error") {
  CHECK(std::isnan(mape(Values{0, 1}, Values{1, 1})));
  CHECK(std::isnan(mase(Values{1}, Values{2}, Values{5, 7, 5, 7}, 2)));
  CHECK(std::isnan(mase(Values{1}, Values{2}, Values{5, 7}, 2)));
  CHECK(std::isnan(skill(1, 0)));
  CHECK_THROWS_WITH_AS(
      rmse(Values{1, 2}, Values{1}),
      "metrics: 2 actual values and 1 forecasts: expected as many, and at least one", ShapeError);
  CHECK_THROWS_AS(mae(Values{}, Values{}), ShapeError);
  CHECK_THROWS_WITH_AS(rmse(Values{1, 2}, Values{1, INFINITY}),
                       "metrics: actual 2 and forecast inf at index 1: expected finite numbers",
                       NonFiniteError);
  CHECK_THROWS_AS(mase(Values{1}, Values{2}, Values{5, 7}, 0), ValueError);
}

TEST_CASE("least squares finds the minimum of Rosenbrock's valley") {
  const auto residuals = [](std::span<const double> x) {
    return Values{10 * (x[1] - x[0] * x[0]), 1 - x[0]};
  };
  check_close(least_squares(residuals, {-1.2, 1}), {1, 1}, 1e-6);
}

TEST_CASE(
    "least squares leaves alone a parameter without effect, and walks around refused points") {
  const auto residuals = [](std::span<const double> x) {
    return Values{x[0] < -0.5 ? std::log(-1.0) : x[0] - 2, x[0] * x[0] - 4};
  };
  check_close(least_squares(residuals, {5, 7}), {2, 7}, 1e-6);
  CHECK_THROWS_AS(least_squares(residuals, {-1, 0}), NonFiniteError);
}

TEST_CASE("naive, seasonal naive and drift forecast what their names say") {
  const Values train{1, 5, 2, 7}, test{4, 9, 3};
  const auto naive = baseline("naive").fit(train, 2);
  CHECK(naive->forecast(3) == Values{7, 7, 7});
  CHECK(one_step(*naive, test) == Values{7, 4, 9});
  const auto seasonal = baseline("seasonal_naive").fit(train, 2);
  CHECK(seasonal->forecast(5) == Values{2, 7, 2, 7, 2});
  CHECK(one_step(*seasonal, test) == Values{2, 7, 4});
  CHECK(seasonal->forecast(2) == Values{9, 3});
  const auto drift = baseline("drift").fit(train, 2);
  CHECK(drift->forecast(2) == Values{9, 11});
  CHECK(one_step(*drift, test) == Values{9, 6, 11});  // the slope stays that of the training part
  const auto fitted = baseline("seasonal_naive").fit(train, 2);
  CHECK(std::isnan(fitted->fitted()[1]));
  CHECK(fitted->fitted()[3] == 5);
}

TEST_CASE("every baseline's fitted values are its one-step forecasts, one per training value") {
  const Values y = airline_passengers().values;
  const std::span<const double> train = Train(y).first(120);
  for (const Baseline& b : baselines(12)) {
    CAPTURE(b.name);
    const auto fit = b.fit(train, 12);
    REQUIRE(fit->fitted().size() == 120);
    size_t undefined = 0;
    for (const double f : fit->fitted()) undefined += std::isnan(f);
    CHECK(undefined <= 13);
    CHECK(std::isfinite(fit->fitted().back()));
    CHECK(std::abs(fit->fitted()[119] - y[119]) < 60);
  }
}

TEST_CASE("a one-step forecast never sees the value it forecasts, nor a later one") {
  const Values y = airline_passengers().values;
  const std::span<const double> all(y);
  Values changed(all.last(24).begin(), all.last(24).end());
  for (size_t i = 10; i < changed.size(); ++i) changed[i] *= 3;
  for (const Baseline& b : baselines(12)) {
    CAPTURE(b.name);
    const auto a = b.fit(all.first(120), 12), c = b.fit(all.first(120), 12);
    CHECK(one_step(*a, all.last(24))[0] == c->forecast(1)[0]);
    const auto again = b.fit(all.first(120), 12);
    const Values before = one_step(*again, all.last(24)), after = one_step(*c, changed);
    for (size_t i = 0; i <= 10; ++i) CHECK(before[i] == after[i]);
    CHECK(before[23] != after[23]);
  }
}

TEST_CASE("updates carry Holt-Winters along a noiseless series") {
  Values y;
  for (int t = 0; t < 48; ++t) y.push_back((50 + t) * (1 + 0.3 * ((t % 4) - 1.5) / 1.5));
  const std::span<const double> all(y);
  HoltWinters fit(all.first(32), 4);
  for (const double actual : all.subspan(32, 8)) fit.update(actual);
  check_close(fit.forecast(8), Values(all.last(8).begin(), all.last(8).end()), 1e-3);
}

TEST_CASE("Holt-Winters continues a straight line times a season without error") {
  Values y;
  for (int t = 0; t < 36; ++t) y.push_back((20 + 0.5 * t) * (t % 3 == 0 ? 1.3 : 0.85));
  const HoltWinters fit(Train(y).first(24), 3);
  check_close(fit.forecast(12), Values(y.begin() + 24, y.end()), 1e-3);
}

TEST_CASE("forecasts scale with the unit of the series") {
  const Values y = airline_passengers().values;
  Values thousands = y;
  for (double& v : thousands) v *= 1000;
  for (const Baseline& b : baselines(12)) {
    CAPTURE(b.name);
    const Values a = b.fit(y, 12)->forecast(12);
    Values c = b.fit(thousands, 12)->forecast(12);
    for (double& v : c) v /= 1000;
    check_close(c, a, 1e-3);
  }
}

TEST_CASE("the simple baselines have the known errors on the airline series") {
  CHECK(multi_step_rmse("seasonal_naive", 12) == Approx(50.708).epsilon(1e-4));
  CHECK(multi_step_rmse("seasonal_naive", 24) == Approx(76.995).epsilon(1e-4));
  CHECK(multi_step_rmse("seasonal_naive", 29) == Approx(75.230).epsilon(1e-4));
  CHECK(multi_step_rmse("naive", 24) == Approx(137.329).epsilon(1e-4));
  CHECK(multi_step_rmse("drift", 24) == Approx(115.698).epsilon(1e-4));
}

TEST_CASE("Holt-Winters comes close to what another program found on the airline series") {
  // That program had 15.8, 32.5 and 26.0; where a descent stops makes the difference.
  CHECK(std::abs(multi_step_rmse("holt_winters", 12) - 15.8) < 0.6);
  CHECK(std::abs(multi_step_rmse("holt_winters", 24) - 32.5) < 0.8);
  CHECK(std::abs(multi_step_rmse("holt_winters", 29) - 26.0) < 1.2);
}

TEST_CASE("without a season there are Holt and a plain ARIMA, and no seasonal naive") {
  Values y;
  for (int t = 0; t < 40; ++t) y.push_back(50 + 2 * t);
  for (const Baseline& b : baselines(1)) {
    CAPTURE(b.name);
    CHECK(std::string(b.name) != "seasonal_naive");
    const auto fit = b.fit(y, 1);
    CHECK(fit->fitted().size() == 40);
    CHECK(fit->forecast(3).size() == 3);
  }
  check_close(baseline("holt", 1).fit(y, 1)->forecast(3), {130, 132, 134}, 1e-4);
  // Of a random walk with noise, log y = level + e: theta tends to -1, and the forecast is flat.
  const uint64_t seed = 3;
  CAPTURE(seed);
  Rng rng(seed);
  Values noise;
  for (int t = 0; t < 400; ++t) noise.push_back(std::exp(2 + 0.1 * rng.normal()));
  const Arima fit(noise, 1);
  CHECK(fit.theta() < -0.9);
  CHECK(fit.forecast(5)[4] == Approx(fit.forecast(1)[0]));
  CHECK(std::abs(std::log(fit.forecast(1)[0]) - 2) < 0.05);
}

TEST_CASE("a damped trend levels off") {
  Values y;
  for (int t = 0; t < 40; ++t) y.push_back(50 + 2 * t);
  const Values next = Holt(y, true).forecast(200);
  CHECK(next[199] - next[198] < 0.1);
}

TEST_CASE("a method that fails on a series says so instead of ending everything") {
  // One value 300 times the others: the start of Holt-Winters has a level below 0.
  Values y = airline_passengers().values;
  y[5] *= 300;
  size_t failed = 0;
  for (const Baseline& b : baselines(12)) {
    try {
      CHECK(checked_forecast(b, y, 12, 12).size() == 12);
    } catch (const Error&) {
      ++failed;
    }
  }
  CHECK(failed >= 1);
}

TEST_CASE("a long series is fitted on its end, and has fitted values there only") {
  Values y;
  for (int t = 0; t < 6000; ++t) y.push_back(100 + t % 7);
  const auto fit = baseline("arima").fit(y, 7);
  REQUIRE(fit->fitted().size() == 6000);
  CHECK(std::isnan(fit->fitted()[999]));
  CHECK(std::isfinite(fit->fitted()[1100]));
}

TEST_CASE("a baseline that does not apply says why") {
  const Values few{1, 2, 3}, zero{1, 2, 3, 0, 5, 6, 7, 8};
  const auto complaint = [](const char* name, const Values& train, size_t season) -> std::string {
    try {
      baseline(name).fit(train, season);
    } catch (const ValueError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(complaint("naive", {}, 1) ==
        "seasonal naive: 0 training values and a season of 1: expected at "
        "least a season");
  CHECK(complaint("seasonal_naive", few, 4) ==
        "seasonal naive: 3 training values and a season of 4: expected at least a season");
  CHECK(complaint("drift", {1}, 1) == "drift: 1 training values: expected at least 2");
  CHECK(
      complaint("holt_winters", few, 2) ==
      "holt_winters: 3 training values and a season of 2: expected a season of at least 2, twice");
  CHECK(complaint("holt_winters", zero, 2) ==
        "holt_winters: value 0 at index 3: a multiplicative season needs positive values");
  CHECK(complaint("arima", few, 2) ==
        "arima: 3 training values and a season of 2: expected the season twice, and 2 values more");
  CHECK(complaint("arima", Values(500, 1), 240) ==
        "arima: a season of 240 is too long for the exact likelihood (at most 200)");
  CHECK(complaint("arima", zero, 2) == "arima: value 0: only positive values have a logarithm");
}

TEST_CASE("Theta is half the line and half the smoothing of twice the distance from it") {
  Values y;
  for (int t = 0; t < 30; ++t) y.push_back(100 + 3 * t);
  // The line goes on by 3 a step, its smoothing stays at the last value.
  const Values next = Theta(y, 1).forecast(3);
  for (size_t h = 0; h < 3; ++h)
    CHECK(next[h] == Approx((187 + 190 + 3 * static_cast<double>(h)) / 2).epsilon(1e-3));
  Values seasonal;
  for (int t = 0; t < 48; ++t) seasonal.push_back(100 * (t % 4 == 1 ? 1.5 : 1));
  check_close(Theta(seasonal, 4).forecast(4), {100, 150, 100, 100}, 0.1);
  check_close(Naive2(seasonal, 4).forecast(4), {100, 150, 100, 100}, 0.1);
  CHECK(Naive2(y, 4).forecast(2) == Values{187, 187});  // no season in a line: the test says so
}

TEST_CASE("a combination is the mean of its parts on the log scale") {
  const std::vector<Values> parts{{4, 9, 2}, {1, 4, -2}};
  CHECK(combine(parts) == Values{2, 6, 0});
  const Values y = airline_passengers().values;
  std::vector<std::unique_ptr<Forecaster>> two;
  for (const char* name : {"naive", "drift"}) two.push_back(baseline(name).fit(y, 12));
  const double last = y.back(), slope = (y.back() - y.front()) / 143;
  Combination both(std::move(two));
  CHECK(both.forecast(1)[0] == Approx(std::sqrt(last * (last + slope))));
  both.update(500);
  CHECK(both.forecast(1)[0] == Approx(std::sqrt(500 * (500 + slope))));
}
