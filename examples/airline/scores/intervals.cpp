#include <tapestry/examples/airline/scores/intervals.h>

#include <algorithm>
#include <cmath>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

constexpr size_t kFewestErrors = 19;  // errors, of which a quantile of 95 % can be taken

double root(double y) { return std::sqrt(std::max(y, 0.0)); }

size_t errors_of(size_t values, size_t horizon) {
  size_t n = 0;
  for (size_t h = 0; h < std::min(values, horizon); ++h) n += values - h;
  return n;
}

/// Root mean squares at each distance, made not to fall by pooling neighbours (isotonic regression
/// of the squares; Barlow et al., 1972).
std::vector<double> scales(const std::vector<std::vector<double>>& errors) {
  struct Pool {
    double squares, count;
    size_t distances;
    double mean() const { return squares / count; }
  };
  std::vector<Pool> pools;
  for (const std::vector<double>& e : errors) {
    Pool next{0, static_cast<double>(e.size()), 1};
    for (const double x : e) next.squares += x * x;
    while (!pools.empty() && pools.back().mean() > next.mean()) {
      next = {next.squares + pools.back().squares, next.count + pools.back().count,
              next.distances + pools.back().distances};
      pools.pop_back();
    }
    pools.push_back(next);
  }
  std::vector<double> out;
  for (const Pool& p : pools) out.insert(out.end(), p.distances, std::sqrt(p.mean()));
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
  if (!roots) return forecast - w;
  const double low = std::max(0.0, root(forecast) - w);
  return low * low;
}

double Intervals::high(size_t level, size_t distance, double forecast) const {
  const double w = half_width(level, distance);
  if (!roots) return forecast + w;
  const double high = root(forecast) + w;
  return high * high;
}

size_t calibration_size(size_t known, size_t season, size_t least, size_t horizon) {
  if (known < least) return 0;
  const size_t wanted = std::clamp<size_t>(3 * season, 24, 60);
  const size_t size = std::min({wanted, known - least, known / 3});
  return size < 8 || errors_of(size, horizon) < kFewestErrors ? 0 : size;
}

std::vector<size_t> CalibrationPlan::fits() const {
  std::vector<size_t> out;
  for (size_t first = known - size; first < known; first += stride) out.push_back(first);
  return out;
}

CalibrationPlan plan_calibration(size_t known, size_t season, size_t least, size_t horizon) {
  constexpr size_t most = 12;  // fits
  const size_t size = calibration_size(known, season, least, horizon);
  return {known, size, std::max({size_t{1}, (size + most - 1) / most, known / 40})};
}

std::vector<std::vector<double>> rolling_forecasts(Forecaster& fit, std::span<const double> next,
                                                   size_t origins, size_t horizon) {
  std::vector<std::vector<double>> out;
  for (size_t origin = 0; origin < origins; ++origin) {
    if (origin > 0) fit.update(next[origin - 1]);
    out.push_back(fit.forecast(horizon));
  }
  return out;
}

void Calibration::add(std::span<const double> forecast, std::span<const double> actual) {
  const size_t ahead = std::min({errors_.size(), forecast.size(), actual.size()});
  for (size_t h = 0; h < ahead; ++h)
    errors_[h].push_back(
        std::abs(roots_ ? root(actual[h]) - root(forecast[h]) : actual[h] - forecast[h]));
}

Intervals Calibration::intervals() const {
  std::vector<std::vector<double>> errors = errors_;
  while (!errors.empty() && errors.back().empty()) errors.pop_back();
  const std::vector<double> scale = scales(errors);
  std::vector<double> all;  // in units of the scale at their distance
  for (size_t h = 0; h < errors.size(); ++h)
    for (const double e : errors[h]) all.push_back(scale[h] > 0 ? e / scale[h] : 0);
  require<ValueError>(all.size() >= kFewestErrors, "intervals: ", all.size(),
                      " errors to calibrate on: ", kFewestErrors, " are needed");
  std::sort(all.begin(), all.end());
  Intervals out{roots_, {}};
  for (size_t i = 0; i < Intervals::levels.size(); ++i) {
    // The conformal rank, from 1.
    const double rank =
        std::ceil(static_cast<double>(all.size() + 1) * Intervals::levels[i] / 100 - 1e-9);
    const double quantile = all[std::min(static_cast<size_t>(rank), all.size()) - 1];
    for (const double s : scale) out.half_widths[i].push_back(quantile * s);
  }
  return out;
}

}  // namespace tapestry::airline
