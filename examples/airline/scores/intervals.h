#pragma once
// Prediction intervals by conformal calibration from rolling origins (Vovk, Gammerman and Shafer,
// 2005; Lei et al., 2018): the last values of the training part are forecast from every origin
// among them, by forecasters that are fitted anew on the way and have never seen what they
// forecast. A quantile of the absolute errors is the half width around the final forecast; on the
// scale of square roots where the values are positive: errors grow with the level, but less than in
// proportion to it. Errors grow with the distance, and far ahead there are few: so each is divided
// by the root mean square of those at its distance, made to grow only, and the quantile is that of
// all together. Nothing is assumed of the errors but that the future ones are like these. Errors
// from neighbouring origins overlap, so the guarantee for independent ones does not hold: the
// back-test counts how often the intervals cover. Beyond the distances known, widths grow with the
// square root.

#include <tapestry/examples/airline/methods/baselines.h>

#include <algorithm>
#include <array>

namespace tapestry::airline {

struct Intervals {
  static constexpr std::array<int, 2> levels = {80, 95};  // percent
  static constexpr const char* method = "rolling conformal";

  bool roots = false;  // half widths are of the square root
  std::array<std::vector<double>, 2>
      half_widths;  // [level][distance - 1], as far as known; empty: none

  bool known() const { return !half_widths[0].empty(); }
  double half_width(size_t level, size_t distance) const;
  double low(size_t level, size_t distance, double forecast) const;
  double high(size_t level, size_t distance, double forecast) const;
};

/// How many values to calibrate on: three seasons, 24 to 60, but no more than a third of the
/// `known` ones and than what leaves `least` to learn from. 0: too few, so that there are no
/// intervals; 8 are enough where forecasts three values ahead make 19 errors of them.
size_t calibration_size(size_t known, size_t season, size_t least, size_t horizon);

/// From where the last values of the training part are forecast: `size` origins, the first one that
/// many values before the end, and a forecaster fitted anew at every `stride` of them, but no more
/// often than what is known grows by a fortieth.
struct CalibrationPlan {
  size_t known = 0, size = 0, stride = 1;

  /// How many values each forecaster is fitted on.
  std::vector<size_t> fits() const;
  /// How many origins the one fitted on `first` values is for.
  size_t origins(size_t first) const { return std::min(stride, known - first); }
};
CalibrationPlan plan_calibration(size_t known, size_t season, size_t least, size_t horizon);

/// Forecasts from `origins` origins, those of what `fit` has seen and of each value of `next` more:
/// [origin][distance - 1].
std::vector<std::vector<double>> rolling_forecasts(Forecaster& fit, std::span<const double> next,
                                                   size_t origins, size_t horizon);

class Calibration {
 public:
  Calibration(size_t horizon, bool roots) : roots_(roots), errors_(horizon) {}
  /// A forecast, and as much of what followed as is known.
  void add(std::span<const double> forecast, std::span<const double> actual);
  /// Throws ValueError for fewer than 19 errors.
  Intervals intervals() const;

 private:
  bool roots_;
  std::vector<std::vector<double>> errors_;  // [distance - 1]
};

}  // namespace tapestry::airline
