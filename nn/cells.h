#pragma once
// RNNCell, LSTMCell, GRUCell; cell.h says what a cell is.
//
// With in = 0 the inputs arrive already multiplied: gates * hidden wide, such as the rows of an
// Embedding (one-hot input). Weights are (in, gates * hidden), drawn from U(+-1/sqrt(inputs)),
// biases from U(+-1/sqrt(hidden)). step() with a matrix uses that instead of w_hh (see noise.h).

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/cell.h>
#include <tapestry/nn/init.h>

namespace tapestry {

namespace detail {
/// x w + bias, either of which may be absent.
inline Var project(const Var& x, const Parameter& w, const Parameter& bias) {
  if (!w.defined()) return bias.defined() ? x + bias : x;
  return bias.defined() ? affine(x, w, bias) : matmul(x, w);
}
/// A state before the first step: (batch, hidden) for weights w_hh (hidden, ..).
inline Var zeros(int64_t batch, const Parameter& w_hh) {
  return Tensor::zeros({batch, w_hh.shape()[0]}, w_hh.value().dtype());
}
/// Draws the weights that all cells have.
template <class Cell>
void draw(Cell& cell, int64_t in, int64_t hidden, Rng& rng, const typename Cell::Options& options) {
  const int64_t width = Cell::gates * hidden;
  if (in > 0) cell.w_ih = Parameter(uniform_fan_in({in, width}, in, rng, options.dtype));
  cell.w_hh = Parameter(uniform_fan_in({hidden, width}, hidden, rng, options.dtype));
  if (options.bias) cell.bias = Parameter(uniform_fan_in({width}, hidden, rng, options.dtype));
}
}  // namespace detail

enum class Activation { tanh, relu };

struct RNNCellOptions {
  bool bias = true;
  Activation activation = Activation::tanh;
  DType dtype = f32;
};
struct CellOptions {
  bool bias = true;
  DType dtype = f32;
};

/// h' = f(x w_ih + bias + h w_hh), f tanh or relu (Elman, 1990).
struct RNNCell {
  using Options = RNNCellOptions;
  static constexpr int64_t gates = 1;
  struct State {
    Var h;
    FIELDS(h)
  };
  Parameter w_ih, w_hh, bias;
  FIELDS(w_ih, w_hh, bias)
  Activation activation = Activation::tanh;
  RNNCell(int64_t in, int64_t hidden, Rng& rng, Options options = {})
      : activation(options.activation) {
    detail::draw(*this, in, hidden, rng, options);
  }
  Var input(const Var& x) const { return detail::project(x, w_ih, bias); }
  State step(const Var& xw, const State& s) const { return step(xw, s, w_hh); }
  State step(const Var& xw, const State& s, const Var& w) const {
    const Var z = affine(s.h, w, xw);
    return {activation == Activation::tanh ? tanh(z) : relu(z)};
  }
  State zero(int64_t batch) const { return {detail::zeros(batch, w_hh)}; }
};

/// Gates in the order i, f, g, o; formulas in tensor/gates.h. One bias (two would only be summed).
struct LSTMCell {
  using Options = CellOptions;
  static constexpr int64_t gates = 4;
  struct State {
    Var h, c;
    FIELDS(h, c)
  };
  Parameter w_ih, w_hh, bias;
  FIELDS(w_ih, w_hh, bias)
  LSTMCell(int64_t in, int64_t hidden, Rng& rng, Options options = {}) {
    detail::draw(*this, in, hidden, rng, options);
  }
  Var input(const Var& x) const { return detail::project(x, w_ih, bias); }
  State step(const Var& xw, const State& s) const { return step(xw, s, w_hh); }
  State step(const Var& xw, const State& s, const Var& w) const {
    const auto [h, c] = lstm_gates(affine(s.h, w, xw), s.c);
    return {h, c};
  }
  State zero(int64_t batch) const {
    return {detail::zeros(batch, w_hh), detail::zeros(batch, w_hh)};
  }
};

/// Gates in the order r, z, n. Two biases: the reset gate multiplies h w_hh + bias_hh.
struct GRUCell {
  using Options = CellOptions;
  static constexpr int64_t gates = 3;
  struct State {
    Var h;
    FIELDS(h)
  };
  Parameter w_ih, w_hh, bias, bias_hh;
  FIELDS(w_ih, w_hh, bias, bias_hh)
  GRUCell(int64_t in, int64_t hidden, Rng& rng, Options options = {}) {
    detail::draw(*this, in, hidden, rng, options);
    if (options.bias) bias_hh = Parameter(uniform_fan_in({3 * hidden}, hidden, rng, options.dtype));
  }
  Var input(const Var& x) const { return detail::project(x, w_ih, bias); }
  State step(const Var& xw, const State& s) const { return step(xw, s, w_hh); }
  State step(const Var& xw, const State& s, const Var& w) const {
    return {gru_gates(xw, bias_hh.defined() ? affine(s.h, w, bias_hh) : matmul(s.h, w), s.h)};
  }
  State zero(int64_t batch) const { return {detail::zeros(batch, w_hh)}; }
};

}  // namespace tapestry
