#pragma once
// The benchmarks that M4 is scored against. Both take off a season that a test finds, by
// multiplicative decomposition, and put it back on their forecasts.
//   Naive2   the last value
//   Theta    the mean of the straight line through all values and of simple exponential smoothing
//   of
//            the series with twice the distance from that line (Assimakopoulos and Nikolopoulos,
//            2000)

#include <tapestry/examples/airline/methods/baselines.h>

namespace tapestry::airline {

class Naive2 : public Forecaster {
 public:
  /// Needs a positive value; throws ValueError.
  Naive2(std::span<const double> train, size_t season);
  std::vector<double> forecast(size_t horizon) const override;
  void update(double actual) override;

 private:
  std::vector<double> factors_;
  size_t at_;  // of the next value
  double last_;
};

class Theta : public Forecaster {
 public:
  /// Needs 3 positive values; throws ValueError.
  Theta(std::span<const double> train, size_t season);
  std::vector<double> forecast(size_t horizon) const override;
  void update(double actual) override;

 private:
  double line(size_t t) const { return intercept_ + slope_ * static_cast<double>(t); }

  std::vector<double> factors_;
  size_t at_ = 0;
  double intercept_ = 0, slope_ = 0, rate_ = 0, level_ = 0;
};

}  // namespace tapestry::airline
