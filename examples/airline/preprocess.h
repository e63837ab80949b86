#pragma once
// What the network sees of a series: its growth over a season, z(t) = (f(y(t)) - f(y(t-m)) - mean)
// / deviation, with f the logarithm or nothing, so that trend and season are gone and the numbers
// are of order 1. Mean and deviation are those of the training part; nothing else is ever fitted.

#include <span>
#include <vector>

namespace tapestry::airline {

class SeasonalGrowth {
 public:
  /// `season` is m, at least 1 (then growth is from one value to the next). Throws ValueError
  /// unless there are m + 2 values, or when one that is not positive should have a logarithm.
  SeasonalGrowth(std::span<const double> train, size_t season, bool log);

  /// z of the value `now`, m after `before`.
  double growth(double before, double now) const;
  /// z of all values but the first m.
  std::vector<double> growth(std::span<const double> values) const;
  /// The inverse: the value m after `before` when it has grown by z.
  double value(double before, double z) const;

  size_t season() const { return season_; }
  bool log() const { return log_; }
  double mean() const { return mean_; }
  double deviation() const { return deviation_; }

 private:
  double transform(double value) const;

  size_t season_;
  bool log_;
  double mean_ = 0, deviation_ = 1;
};

}  // namespace tapestry::airline
