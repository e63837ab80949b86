#include <tapestry/examples/airline/scores/metrics.h>

#include <cmath>
#include <limits>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

// The mean of term(actual, forecast) over all pairs.
template <class Term>
double mean_over(std::span<const double> actual, std::span<const double> forecast, Term term) {
  require<ShapeError>(actual.size() == forecast.size() && !actual.empty(),
                      "metrics: ", actual.size(), " actual values and ", forecast.size(),
                      " forecasts: expected as many, and at least one");
  double sum = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    require<NonFiniteError>(std::isfinite(actual[i]) && std::isfinite(forecast[i]),
                            "metrics: actual ", actual[i], " and forecast ", forecast[i],
                            " at index ", i, ": expected finite numbers");
    sum += term(actual[i], forecast[i]);
  }
  return sum / static_cast<double>(actual.size());
}

}  // namespace

double rmse(std::span<const double> actual, std::span<const double> forecast) {
  return std::sqrt(
      mean_over(actual, forecast, [](double a, double f) { return (a - f) * (a - f); }));
}

double mae(std::span<const double> actual, std::span<const double> forecast) {
  return mean_over(actual, forecast, [](double a, double f) { return std::abs(a - f); });
}

double smape(std::span<const double> actual, std::span<const double> forecast) {
  return mean_over(actual, forecast, [](double a, double f) {
    return a == f ? 0 : 200 * std::abs(a - f) / (std::abs(a) + std::abs(f));
  });
}

double mape(std::span<const double> actual, std::span<const double> forecast) {
  return mean_over(actual, forecast, [](double a, double f) {
    return a == 0 ? undefined : 100 * std::abs((a - f) / a);
  });
}

double mase(std::span<const double> actual, std::span<const double> forecast,
            std::span<const double> train, size_t m) {
  require<ValueError>(m > 0, "mase: the season is 0, expected at least 1");
  const double error = mae(actual, forecast);
  if (train.size() <= m) return undefined;
  const double scale = mae(train.subspan(m), train.first(train.size() - m));
  return scale > 0 ? error / scale : undefined;
}

Scores score(std::span<const double> actual, std::span<const double> forecast,
             std::span<const double> train, size_t m) {
  return {rmse(actual, forecast), mae(actual, forecast), smape(actual, forecast),
          mape(actual, forecast), mase(actual, forecast, train, m)};
}

double skill(double error, double reference) {
  return reference > 0 ? 1 - error / reference : undefined;
}

}  // namespace tapestry::airline
