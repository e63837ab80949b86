#pragma once
// The network: an LSTM (Hochreiter and Schmidhuber, 1997) reads a window of preprocessed values and
// predicts what follows, beside a linear model of the same values (as in LSTNet; Lai, Chang, Yang
// and Liu, 2018). Linear map and readout begin at 0, and so with the forecast that growth goes on
// as it was on average. With several outputs it predicts as many values at once: the direct
// strategy.

#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>

namespace tapestry::airline {

struct Network {
  RNN<LSTMCell> lstm;
  Linear readout, linear;
  FIELDS(lstm, readout, linear)

  /// Besides the value, each time step has `features` more inputs, which only the LSTM sees.
  Network(int64_t lookback, int64_t features, int64_t hidden, int64_t layers, int64_t outputs,
          Rng& rng)
      : lstm(1 + features, hidden, rng, {.layers = layers, .cell = {.dtype = f64}}),
        readout(hidden, outputs, rng, {.dtype = f64}),
        linear(lookback, outputs, rng, {.bias = false, .dtype = f64}) {
    for (Parameter* p : {&readout.w, &readout.bias, &linear.w}) p->value().fill_(0);
  }

  /// windows (lookback, B, 1 + features) -> the values that follow each, (B, outputs)
  Var operator()(const Tensor& windows) const {
    const Tensor rows = windows.select(2, 0).transpose();  // (B, lookback)
    return readout(output(lstm(windows).state)) + linear(rows);
  }
};

}  // namespace tapestry::airline
