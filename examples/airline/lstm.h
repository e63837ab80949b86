#pragma once
// The network as a Forecaster: trained once on the training part, then forecasting recursively,
// which means that its own forecasts take the place of values that are not known yet.
//
// The defaults were chosen by a back-test within the first 115 months of the built-in series.

#include <cstdint>
#include <functional>

#include <tapestry/examples/airline/baselines.h>
#include <tapestry/examples/airline/model.h>
#include <tapestry/examples/airline/preprocess.h>

namespace tapestry::airline {

struct LstmSettings {
  bool log = true;
  int64_t lookback = 12, hidden = 50, epochs = 20;
  int64_t batch = 16;
  double lr = 0.003;  // at the start; falls to 0 along half a cosine
  uint64_t seed = 1;  // of initialisation and order
};

class LstmForecaster : public Forecaster {
 public:
  /// Called after each epoch with its number, from 1, and the mean training loss.
  using OnEpoch = std::function<void(int64_t epoch, double loss)>;

  /// Needs minimum() values; throws ValueError. Throws NonFiniteError when the training diverges.
  LstmForecaster(std::span<const double> train, size_t season, const LstmSettings& settings,
                 const OnEpoch& on_epoch = {});
  /// A season to grow from, a window, and another season to learn from.
  static size_t minimum(size_t season, const LstmSettings& settings);

  /// Throws NonFiniteError when the forecasts grow beyond all bounds.
  std::vector<double> forecast(size_t horizon) const override;
  void update(double actual) override;

  const Network& network() const { return network_; }
  const SeasonalGrowth& preprocessing() const { return growth_; }

 private:
  void train(const LstmSettings& settings, const OnEpoch& on_epoch);

  size_t lookback_;
  SeasonalGrowth growth_;
  std::vector<double> values_, z_;  // everything seen; z_ without the first season
  Network network_;
};

}  // namespace tapestry::airline
