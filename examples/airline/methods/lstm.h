#pragma once
// The network as a Forecaster, trained once on the training part. Recursive: one value is predicted
// at a time, and takes its place among those the next one is predicted from. Direct: the network
// predicts all values of the horizon at once.

#include <cstdint>
#include <functional>

#include <tapestry/examples/airline/methods/baselines.h>
#include <tapestry/examples/airline/methods/model.h>
#include <tapestry/examples/airline/series/preprocess.h>

namespace tapestry::airline {

struct LstmSettings {
  PreprocessingSettings preprocessing;
  bool month_features = false;  // sine and cosine of the place in the season
  int64_t lookback = 12, hidden = 50, layers = 1;
  int64_t direct = 0;  // values predicted at once; 0: one, and recursively the rest
  int64_t epochs = 10, batch = 16;
  int64_t most_windows = 20'000;  // of an epoch; a longer series is sampled anew for each
  double lr = 0.003;              // at the start; falls to 0 along half a cosine
  uint64_t seed = 1;              // of initialisation and order

  size_t outputs() const { return direct > 0 ? static_cast<size_t>(direct) : 1; }
};

class LstmForecaster : public Forecaster {
 public:
  /// Called after each epoch with its number, from 1, and the mean training loss.
  using OnEpoch = std::function<void(int64_t epoch, double loss)>;

  /// Needs minimum() values; throws ValueError. Throws NonFiniteError when the training diverges.
  LstmForecaster(std::span<const double> train, size_t season, const LstmSettings& settings,
                 const OnEpoch& on_epoch = {});
  /// With a network that was trained before.
  LstmForecaster(std::span<const double> train, size_t season, const LstmSettings& settings,
                 Network network);
  /// What preprocessing takes, a window, what follows it, and a season to learn from.
  static size_t minimum(size_t season, const LstmSettings& settings);
  /// As at the start of training.
  static Network initial_network(size_t season, const LstmSettings& settings);

  /// Throws NonFiniteError when the forecasts grow beyond all bounds, ValueError for a horizon
  /// longer than a direct network has outputs.
  std::vector<double> forecast(size_t horizon) const override;
  void update(double actual) override { seen_.push(actual); }

  const Network& network() const { return network_; }
  const Preprocessing& preprocessing() const { return seen_; }
  /// Mean training loss of each epoch; empty unless trained here.
  std::span<const double> losses() const { return losses_; }

 private:
  Tensor windows(const Preprocessing& seen, std::span<const int32_t> starts) const;
  Tensor targets(std::span<const int32_t> starts) const;
  void train(const OnEpoch& on_epoch);
  void fit_values();

  LstmSettings settings_;
  size_t season_;
  Preprocessing seen_;
  Network network_;
  std::vector<double> losses_;
};

}  // namespace tapestry::airline
