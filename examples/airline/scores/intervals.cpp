#include <tapestry/examples/airline/scores/intervals.h>

#include <algorithm>
#include <cmath>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

/// The rank, from 1, of the conformal quantile among n errors; more than n where n are too few.
size_t rank(size_t n, int level) {
  return static_cast<size_t>(std::ceil(static_cast<double>(n + 1) * level / 100 - 1e-9));
}

/// Half widths at the distances 1, 2, ... that have enough errors.
std::vector<double> widths(std::vector<std::vector<double>> errors, int level) {
  std::vector<double> out;
  for (std::vector<double>& e : errors) {
    const size_t r = rank(e.size(), level);
    if (r > e.size()) break;
    std::sort(e.begin(), e.end());
    out.push_back(out.empty() ? e[r - 1] : std::max(e[r - 1], out.back()));
  }
  return out;
}

}  // namespace

double Intervals::half_width(size_t level, size_t distance) const {
  const std::vector<double>& w = half_widths[level];
  if (distance <= w.size()) return w[distance - 1];
  return w.back() * std::sqrt(static_cast<double>(distance) / static_cast<double>(w.size()));
}

double Intervals::low(size_t level, size_t distance, double forecast) const {
  const double w = half_width(level, distance);
  return relative ? forecast * std::exp(-w) : forecast - w;
}

double Intervals::high(size_t level, size_t distance, double forecast) const {
  const double w = half_width(level, distance);
  return relative ? forecast * std::exp(w) : forecast + w;
}

size_t calibration_size(size_t season) { return std::clamp<size_t>(3 * season, 24, 60); }

Intervals calibrate(Forecaster& fit, std::span<const double> calibration, size_t horizon,
                    bool relative) {
  require<ValueError>(calibration.size() >= 19, "intervals: ", calibration.size(),
                      " values to calibrate on, expected at least 19");
  std::vector<std::vector<double>> errors(horizon);
  for (size_t origin = 0; origin < calibration.size(); ++origin) {
    const size_t ahead = std::min(horizon, calibration.size() - origin);
    const std::vector<double> forecast = fit.forecast(ahead);
    for (size_t h = 0; h < ahead; ++h) {
      const double actual = calibration[origin + h];
      errors[h].push_back(
          std::abs(relative ? std::log(actual / forecast[h]) : actual - forecast[h]));
    }
    fit.update(calibration[origin]);
  }
  Intervals out{relative, {}};
  for (size_t i = 0; i < Intervals::levels.size(); ++i)
    out.half_widths[i] = widths(errors, Intervals::levels[i]);
  return out;
}

}  // namespace tapestry::airline
