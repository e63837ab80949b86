#pragma once
// A series as the hybrid model takes it: on an additive scale, with first states of its smoothing
// and rates to start from, which a grid of forecasts within the series itself chooses.

#include <array>
#include <span>
#include <vector>

namespace tapestry::airline {

/// What the smoothing of all series of a panel has in common.
struct SmoothingShape {
  size_t season1 = 0, season2 = 0;  // values; 0: there is none
  size_t horizon = 12;
  bool log = true;            // smooth logarithms: a multiplicative season
  bool smooth = true;         // false: the level is the last value, and there are no seasons
  size_t most_values = 2000;  // the last ones of a series that are used
};

struct Prepared {
  std::vector<double> x;
  double unit = 1;  // of x without logarithms: the mean absolute value
  double scale =
      1;  // mean absolute difference of x from a season of at most 24, or a value, before
  std::vector<double> initial;    // level, then both seasons
  std::array<double, 3> rates{};  // logits of those of level and seasons

  bool log = true;

  double value(double x_at) const;
};

/// Throws ValueError for fewer than least_values(), or one without a logarithm.
Prepared prepare(std::span<const double> values, const SmoothingShape& shape);

/// The same with further values at the end, which nothing about it was chosen by.
Prepared extended(const Prepared& part, std::span<const double> values);

/// What lies between the values whose differences are a series' scale: a season of at most 24,
/// or 1.
size_t scale_lag(size_t values, const SmoothingShape& shape);

/// Two horizons, of which one is learnt from, and 8.
size_t least_values(const SmoothingShape& shape);

}  // namespace tapestry::airline
