#pragma once
// The hybrid for one series, as a Forecaster: from several seeds, of which it gives the medians.

#include <tapestry/examples/airline/methods/baselines.h>
#include <tapestry/examples/airline/panel/training.h>

namespace tapestry::airline {

inline constexpr const char* kHybridTitle = "hybrid (smoothing and LSTM)";

class HybridForecaster : public Forecaster {
 public:
  /// What suits one short series: a small network that starts from every third value. `log` smooths
  /// logarithms.
  static HybridSettings settings_for(size_t season, size_t horizon, bool log);

  /// Trains `runs` networks with the seeds from settings.seed on; long series on their last
  /// settings.shape.most_values values. Throws ValueError for fewer than least_values(), or one
  /// without a logarithm.
  HybridForecaster(std::span<const double> train, const HybridSettings& settings, size_t runs);

  /// Beyond the horizon it was trained for it goes on from its own forecasts.
  std::vector<double> forecast(size_t horizon) const override;
  void update(double actual) override;

 private:
  /// Medians of the networks' forecasts of `series` from origins a stride apart, the last one `cut`
  /// values before its end: [origin][distance - 1].
  std::vector<std::vector<double>> medians(const Prepared& series, size_t cut,
                                           size_t origins) const;

  HybridSettings settings_;
  Prepared series_;
  std::vector<Hybrid::Network> networks_;
};

}  // namespace tapestry::airline
