#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <tapestry/examples/airline/methods/arima.h>
#include <tapestry/examples/airline/methods/baselines.h>
#include <tapestry/examples/airline/methods/holt.h>
#include <tapestry/examples/airline/methods/holt_winters.h>
#include <tapestry/examples/airline/methods/least_squares.h>
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

const Baseline& baseline(const std::string& name) {
  for (const Baseline& b : baselines(12))
    if (name == b.name) return b;
  FAIL("no baseline " << name);
  return baselines(12)[0];
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

double one_step_rmse(const char* name, size_t held_out) {
  const Values y = airline_passengers().values;
  const std::span<const double> all(y);
  const auto fit = baseline(name).fit(all.first(y.size() - held_out), 12);
  return rmse(all.last(held_out), one_step(*fit, all.last(held_out)));
}

}  // namespace

TEST_CASE("the innovations of a first-order moving average follow its recursion") {
  // r(n+1) = 1 + theta^2 - theta^2 / r(n), forecast theta e(n) / r(n): Brockwell and Davis, 5.2.1.
  const double theta = 0.8;
  Innovations ma({1, theta});
  double r = 1 + theta * theta, forecast = 0;
  for (const double w : {0.5, -1.0, 2.0, 0.25, -0.75}) {
    CHECK(ma.variance() == Approx(r));
    CHECK(ma.predict() == Approx(forecast));
    ma.observe(w);
    forecast = theta * (w - forecast) / r;
    r = 1 + theta * theta - theta * theta / r;
  }
  ma.observe(ma.predict());
  CHECK(ma.predict() == Approx(0));  // two steps ahead nothing is known
}

TEST_CASE(
    "innovations of any moving average agree with least-squares prediction by normal equations") {
  // Gaussian elimination of the full covariance matrix, an independent way to the same numbers.
  const Values psi{1, -0.4, 0.1, -0.6, 0.24};
  const Values w{0.3, -1.2, 0.8, 0.1, -0.5, 1.7, -0.9, 0.4, 0.6, -0.2};
  const auto covariance = [&](size_t i, size_t j) {
    const size_t lag = i > j ? i - j : j - i;
    double sum = 0;
    for (size_t k = lag; k < psi.size(); ++k) sum += psi[k] * psi[k - lag];
    return sum;
  };
  Innovations ma(psi);
  for (size_t n = 0; n < w.size(); ++n) {
    // Rows i < n: sum_j c(i, j) a(j) = c(i, n).
    std::vector<Values> m(n, Values(n + 1));
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j <= n; ++j) m[i][j] = covariance(i, j);
    for (size_t p = 0; p < n; ++p)
      for (size_t i = 0; i < n; ++i) {
        if (i == p) continue;
        const double factor = m[i][p] / m[p][p];
        for (size_t j = p; j <= n; ++j) m[i][j] -= factor * m[p][j];
      }
    double prediction = 0, variance = covariance(n, n);
    for (size_t i = 0; i < n; ++i) {
      const double a = m[i][n] / m[i][i];
      prediction += a * w[i];
      variance -= a * covariance(i, n);
    }
    CHECK(ma.predict() == Approx(prediction));
    CHECK(ma.variance() == Approx(variance));
    ma.observe(w[n]);
  }
}

TEST_CASE(
    "the airline model of the whole series has the published maximum-likelihood coefficients") {
  // R 4: arima(log(AirPassengers), c(0,1,1), list(order = c(0,1,1))): -0.4018, -0.5569, 0.001348.
  const Arima fit(airline_passengers().values, 12);
  CHECK(std::abs(fit.theta() - -0.4018) < 1e-4);
  CHECK(std::abs(fit.seasonal_theta() - -0.5569) < 1e-4);
  CHECK(std::abs(fit.variance() - 0.001348) < 1e-6);
}

TEST_CASE("the coefficients of a simulated airline model are recovered") {
  const uint64_t seed = 7;
  CAPTURE(seed);
  Rng rng(seed);
  const double theta = -0.6, seasonal = 0.3, sigma = 0.05;
  Values e, logs;
  for (size_t t = 0; t < 2000; ++t) {
    e.push_back(sigma * rng.normal());
    const auto back = [&](const Values& v, size_t lag) { return t < lag ? 0.0 : v[t - lag]; };
    logs.push_back(e[t] + theta * back(e, 1) + seasonal * back(e, 4) +
                   theta * seasonal * back(e, 5));
    if (t >= 5) logs[t] += logs[t - 1] + logs[t - 4] - logs[t - 5];
  }
  // The doubly summed logarithms wander far; a hundredth of them keeps exp finite.
  Values y;
  for (const double l : logs) y.push_back(std::exp(l / 100));
  const Arima fit(y, 4);
  CHECK(std::abs(fit.theta() - theta) < 0.06);  // three standard errors
  CHECK(std::abs(fit.seasonal_theta() - seasonal) < 0.07);
  CHECK(std::sqrt(fit.variance()) * 100 == Approx(sigma).epsilon(0.05));
}

TEST_CASE("a series that grows by a constant rate is continued exactly by the airline model") {
  Values y;
  for (int t = 0; t < 30; ++t) y.push_back(10 * std::pow(1.02, t) * (t % 4 == 0 ? 2 : 1));
  const Arima fit(Train(y).first(20), 4);
  check_close(fit.forecast(10), Values(y.begin() + 20, y.end()), 1e-6);
}

TEST_CASE("the airline model has the errors that another program found on the airline series") {
  CHECK(std::abs(multi_step_rmse("arima", 12) - 18.6) < 0.06);
  CHECK(std::abs(multi_step_rmse("arima", 24) - 43.2) < 0.06);
  CHECK(std::abs(multi_step_rmse("arima", 29) - 15.7) < 0.06);
  CHECK(std::abs(one_step_rmse("arima", 24) - 15.3) < 0.06);
}

TEST_CASE("innovations of a long series take no more than their few weights, and the same result") {
  const uint64_t seed = 4;
  CAPTURE(seed);
  Rng rng(seed);
  Innovations fast({1, -0.4, 0, 0, -0.5, 0.2});
  Values errors;  // w(t) - the plain recursion, which the exact one tends to
  Values w, e(5, 0.0);
  for (int t = 0; t < 3000; ++t) w.push_back(rng.normal());
  for (const double x : w) {
    const double plain = -0.4 * e[e.size() - 1] - 0.5 * e[e.size() - 4] + 0.2 * e[e.size() - 5];
    errors.push_back(fast.predict() - plain);
    fast.observe(x);
    e.push_back(x - plain);
  }
  CHECK(std::abs(errors.back()) < 1e-9);
  CHECK(fast.variance() == Approx(1).epsilon(1e-12));
}
