#pragma once
// The same network trained from several seeds, as one Forecaster: its forecasts are the medians of
// theirs, value by value.

#include <tapestry/examples/airline/methods/lstm.h>

namespace tapestry::airline {

/// The middle value, or the mean of the two in the middle; NaN for none.
double median(std::vector<double> values);

class Ensemble : public Forecaster {
 public:
  /// Called from any thread with the run, from 0, its epoch, from 1, and its loss.
  using OnEpoch = std::function<void(size_t run, int64_t epoch, double loss)>;

  /// Trains `runs` networks, with the seeds from settings.seed on, on `workers` threads (0: one per
  /// processor). The result does not depend on their number.
  Ensemble(std::span<const double> train, size_t season, const LstmSettings& settings, size_t runs,
           int64_t workers, const OnEpoch& on_epoch = {});
  explicit Ensemble(std::vector<LstmForecaster> members);

  std::vector<double> forecast(size_t horizon) const override;
  void update(double actual) override;

  const std::vector<LstmForecaster>& members() const { return members_; }

 private:
  void fit_values();

  std::vector<LstmForecaster> members_;
};

}  // namespace tapestry::airline
