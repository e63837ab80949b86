#pragma once
// Prediction intervals by split-conformal calibration (Vovk, Gammerman and Shafer, 2005; Lei et
// al., 2018): a forecaster fitted without the last values of the training part forecasts these from
// every origin among them; the quantiles of its absolute errors at each distance are the half
// widths around the forecast of the final one. On a logarithmic scale (relative errors) where the
// forecaster works on one. Nothing is assumed of the errors but that the future ones are like
// these. Errors from neighbouring origins overlap, so the guarantee for independent ones does not
// hold: the back-test counts how often the intervals cover.
//
// A quantile of 95 % needs 19 errors. Further ahead, where there are fewer, the half width grows
// with the square root of the distance; it never shrinks with it.

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

/// How many values to calibrate on: three seasons, 24 to 60.
size_t calibration_size(size_t season);

/// `fit` must not have seen `calibration`, the values that follow those it was fitted on; at least
/// 19. At the end it has.
Intervals calibrate(Forecaster& fit, std::span<const double> calibration, size_t horizon,
                    bool relative);

}  // namespace tapestry::airline
