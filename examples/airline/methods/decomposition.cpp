#include <tapestry/examples/airline/methods/decomposition.h>

#include <algorithm>
#include <cmath>

namespace tapestry::airline {

bool is_seasonal(std::span<const double> y, size_t season) {
  const size_t n = y.size();
  if (season < 2 || n < 3 * season) return false;
  double mean = 0, variance = 0;
  for (const double v : y) mean += v / static_cast<double>(n);
  for (const double v : y) variance += (v - mean) * (v - mean);
  if (variance == 0) return false;
  const auto correlation = [&](size_t lag) {
    double sum = 0;
    for (size_t t = lag; t < n; ++t) sum += (y[t] - mean) * (y[t - lag] - mean);
    return sum / variance;
  };
  double squares = 0;
  for (size_t lag = 1; lag < season; ++lag) squares += correlation(lag) * correlation(lag);
  const double limit = 1.645 * std::sqrt((1 + 2 * squares) / static_cast<double>(n));
  return std::abs(correlation(season)) > limit;
}

std::vector<double> seasonal_factors(std::span<const double> y, size_t season) {
  const size_t n = y.size(), half = season / 2;
  const bool even = season % 2 == 0;  // then both ends of the average count half
  std::vector<double> sums(season, 0), counts(season, 0);
  double window = 0;
  for (size_t i = 0; i < std::min(n, 2 * half + 1); ++i) window += y[i];
  for (size_t t = half; t + half < n; ++t) {
    const double ends = even ? (y[t - half] + y[t + half]) / 2 : 0;
    sums[t % season] += y[t] * static_cast<double>(season) / (window - ends);
    ++counts[t % season];
    if (t + half + 1 < n) window += y[t + half + 1] - y[t - half];
  }
  double total = 0;
  for (size_t i = 0; i < season; ++i) {
    sums[i] = counts[i] > 0 ? sums[i] / counts[i] : 1;
    total += sums[i];
  }
  for (double& f : sums) f *= static_cast<double>(season) / total;
  return sums;
}

}  // namespace tapestry::airline
