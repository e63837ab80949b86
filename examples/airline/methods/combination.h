#pragma once
// The mean of several forecasts on the log scale, with equal weights: nothing about it is tuned.
// Methods that are wrong in different ways are better together than the best of them alone.

#include <tapestry/examples/airline/methods/ensemble.h>

namespace tapestry::airline {

/// exp of the mean of the logarithms, value by value; the plain mean where one is not positive. NaN
/// where one is NaN.
std::vector<double> combine(std::span<const std::vector<double>> forecasts);

class Combination : public Forecaster {
 public:
  /// At least one; they must have been fitted on the same values.
  explicit Combination(std::vector<std::unique_ptr<Forecaster>> parts);
  std::vector<double> forecast(size_t horizon) const override;
  void update(double actual) override;

 private:
  std::vector<std::unique_ptr<Forecaster>> parts_;
};

/// Of the LSTM, ARIMA and Holt-Winters, or Holt without a season. Throws what these throw.
std::unique_ptr<Forecaster> combined(const Ensemble& lstm, std::span<const double> train,
                                     size_t season);
/// "LSTM + ARIMA + Holt-Winters"
const char* combination_title(size_t season);

}  // namespace tapestry::airline
