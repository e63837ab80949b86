#pragma once
// The hybrid of exponential smoothing and an LSTM that won M4 (Smyl, 2020), one for all series of a
// panel. Smoothing with rates of each series' own takes off level and seasons; the LSTM, the same
// for all, goes through the series in steps of a season, sees at each a window of what is left in
// units of the series' scale, and corrects the smoothed forecasts of the whole horizon at once.
// Both learn together, by the absolute error (the pinball loss of the median) on the log scale in
// units of the series' scale to the power 1/2: between MASE, which power 1 is, and sMAPE, power 0.
// Without smoothing (SmoothingShape::smooth) it is an LSTM alone, whose windows are in units of the
// series' scale from its last value. The readout begins at 0, and so the model with the smoothed
// forecast. Series of a batch all begin at its first step, so that what a series is forecast to be
// does not depend on those beside it.

#include <tapestry/examples/airline/panel/prepare.h>
#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>

namespace tapestry::airline {

struct HybridSettings {
  SmoothingShape shape;
  int64_t window = 0, stride = 0;  // values; 0: by the seasons and the horizon
  int64_t hidden = 48, layers = 1;
  int64_t epochs = 60, batch = 32;  // series of an update
  double lr = 0.006;                // at the start; falls to 0 along half a cosine
  double dropout = 0.2;             // of what the LSTM puts out
  uint64_t seed = 1;
  DType dtype = f32;

  int64_t window_size() const;
  int64_t stride_size() const;
};

class Hybrid {
 public:
  struct Network {
    Parameter rates;  // (series, 3): what training adds to the logits of prepare(), a tenth of it
    RNN<LSTMCell> lstm;
    Linear readout;
    FIELDS(rates, lstm, readout)
  };

  /// The series stay where they are, and must outlive it.
  Hybrid(std::span<const Prepared> series, const HybridSettings& settings);

  /// As at the start of training.
  Network initial_network() const;

  /// The mean loss over all origins, `cut` values before the end and every stride before that, from
  /// which the whole horizon is known. `rng` turns dropout on.
  Var loss(const Network& network, std::span<const int32_t> ids, size_t cut, Rng* rng) const;
  /// The sum of these origins' weights, of which the loss is the mean; 0 where there is none.
  double weight(std::span<const int32_t> ids, size_t cut) const;

  /// Forecasts of x in the series' own scale from `origins` origins, a stride apart, the last one
  /// `cut` values before the end: [series][origin][distance - 1]. An origin before a series' third
  /// value has NaN.
  using Paths = std::vector<std::vector<std::vector<double>>>;
  Paths forecast(const Network& network, std::span<const int32_t> ids, size_t cut = 0,
                 size_t origins = 1) const;

  const HybridSettings& settings() const { return settings_; }
  std::span<const Prepared> series() const { return series_; }

 private:
  struct Batch;
  struct Output;
  Batch columns_of(std::span<const int32_t> ids, size_t cut) const;
  Batch batch_of(std::span<const int32_t> ids, size_t cut) const;
  Output run(const Network& network, const Batch& batch, Rng* rng) const;
  bool learnable(const Batch& batch, size_t row, size_t origin) const;

  std::span<const Prepared> series_;
  HybridSettings settings_;
};

}  // namespace tapestry::airline
