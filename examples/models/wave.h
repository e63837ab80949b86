#pragma once
// The model that wave_train.cpp trains and wave_forecast.cpp uses: what comes next in a noisy wave?

#include <cmath>

#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>

namespace wave {

using namespace tapestry;

struct Model {
  RNN<GRUCell> rnn;
  Linear out;
  FIELDS(rnn, out)

  explicit Model(Rng& rng) : rnn(1, 32, rng), out(32, 1, rng) {}

  /// x (time, batch, 1): the mean squared error of each next value.
  Var loss(const Tensor& x) const {
    const int64_t n = x.size(0) - 1;
    return mse(out(rnn(x.narrow(0, 0, n)).y), x.narrow(0, 1, n));
  }
};

/// Waves of periods from 8 to 16 with noise: (steps, batch, 1).
inline Tensor draw(int64_t steps, int64_t batch, Rng& rng) {
  Tensor x = Tensor::empty({steps, batch, 1});
  for (int64_t b = 0; b < batch; ++b) {
    const double speed = 6.28 / rng.uniform(8, 16), phase = rng.uniform(0, 6.28);
    for (int64_t t = 0; t < steps; ++t)
      x.set_({t, b, 0}, std::sin(speed * static_cast<double>(t) + phase) + 0.02 * rng.normal());
  }
  return x;
}

}  // namespace wave
