#pragma once
// Prediction intervals by split-conformal calibration (Vovk, Gammerman and Shafer, 2005; Lei et
// al., 2018): a forecaster fitted without the last values of the training part forecasts these from
// every origin among them, and a quantile of its absolute errors is the half width around the
// forecast of the final one; on a logarithmic scale (relative errors) where the forecaster works on
// one. Errors grow with the distance, and far ahead there are few: so each is divided by the root
// mean square of those at its distance, made to grow only, and the quantile is that of all
// together. Nothing is assumed of the errors but that the future ones are like these. Errors from
// neighbouring origins overlap, so the guarantee for independent ones does not hold: the back-test
// counts how often the intervals cover. Beyond the distances known, widths grow with the square
// root.

#include <tapestry/examples/airline/methods/baselines.h>

#include <array>

namespace tapestry::airline {

struct Intervals {
  static constexpr std::array<int, 2> levels = {80, 95};  // percent
  static constexpr const char* method = "split-conformal";

  bool relative = false;  // half widths are of the logarithm
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

/// `fit` must not have seen `calibration`, the values that follow those it was fitted on. At the
/// end it has. Throws ValueError where these make fewer than 19 errors.
Intervals calibrate(Forecaster& fit, std::span<const double> calibration, size_t horizon,
                    bool relative);

}  // namespace tapestry::airline
