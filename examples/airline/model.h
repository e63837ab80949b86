#pragma once
// The network: an LSTM (Hochreiter and Schmidhuber, 1997) reads the last values and predicts the
// next one, beside a linear model of the same values (as in LSTNet; Lai, Chang, Yang and Liu,
// 2018). A window is taken relative to a share of its own mean, which lets a prediction follow the
// present level without quite forgetting the overall one, 0. Linear map and readout begin at 0, and
// so with the prediction that this level will last.

#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>

namespace tapestry::airline {

struct Network {
  static constexpr double level_share = 0.7;

  RNN<LSTMCell> lstm;
  Linear readout, linear;
  FIELDS(lstm, readout, linear)

  Network(int64_t lookback, int64_t hidden, Rng& rng)
      : lstm(1, hidden, 1, rng, false, true, f64),
        readout(hidden, 1, rng, true, f64),
        linear(lookback, 1, rng, false, f64) {
    for (Parameter* p : {&readout.w, &readout.bias, &linear.w}) p->value().fill_(0);
  }

  /// windows (lookback, B, 1) -> the value that follows each, (B, 1)
  Var operator()(const Tensor& windows) const {
    const int64_t lookback = windows.size(0), batch = windows.size(1);
    const Tensor level = mean(windows, 0) * level_share;  // (B, 1)
    const Tensor x = windows - level;
    const Tensor rows = x.reshape({lookback, batch}).transpose();
    return level + readout(output(lstm(x).state)) + linear(rows);
  }
};

}  // namespace tapestry::airline
