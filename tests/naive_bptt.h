#pragma once
// Truncated back-propagation through time by its definition, one sequence after the other and one
// tape per window: what unroll() must equal. Uses nothing but RNN::step.

#include <tapestry/nn/rnn.h>
#include "compare.h"

namespace tapestry::testing {

/// An RNN in f64 with everything that can receive a gradient: weights, inputs and a learned initial
/// state, which all sequences share. The loss weighs every output and every last state at random.
template <class Cell>
struct Subject {
  RNN<Cell> rnn;
  Parameter x;                     // (T, B, in)
  std::vector<Parameter> initial;  // (1, H) for each field of the state
  FIELDS(rnn, x, initial)
  std::vector<int64_t> lengths;
  Tensor y_weights;                    // (T, B, H)
  std::vector<Tensor> state_weights;   // (B, H)
  bool outputs = true, states = true;  // what the loss looks at

  Subject(int64_t in, int64_t hidden, int64_t layers, int64_t steps, std::vector<int64_t> lens,
          Rng& rng)
      : rnn(cast(RNN<Cell>(in, hidden, rng, {.layers = layers}), f64)), lengths(std::move(lens)) {
    const auto batch = static_cast<int64_t>(lengths.size());
    x = Parameter(random({steps, batch, in}, rng));
    y_weights = random({steps, batch, hidden}, rng);
    for (const Var& v : vars(rnn.zero(1))) {
      initial.emplace_back(random(v.shape(), rng));
      state_weights.push_back(random({batch, v.size(1)}, rng));
    }
  }

  typename RNN<Cell>::State start(int64_t batch) const {
    size_t i = 0;
    return map_state(rnn.zero(batch), [&](const Var& zero) { return zero + initial[i++]; });
  }

  Var loss() const {
    const auto out = rnn(x, lengths, start(static_cast<int64_t>(lengths.size())));
    Var total = sum(out.y * y_weights) * (outputs ? 1. : 0.);
    size_t i = 0;
    for (const Var& v : vars(out.state))
      total = total + sum(v * state_weights[i++]) * (states ? 1. : 0.);
    return total;
  }
};

/// The part of the loss that step t of sequence b adds, `s` being the state behind that step.
template <class Cell>
Var loss_of_step(const Subject<Cell>& m, const typename RNN<Cell>::State& s, int64_t t, int64_t b) {
  Var total = sum(output(s) * m.y_weights.select(0, t).narrow(0, b, 1)) * (m.outputs ? 1. : 0.);
  if (t + 1 == m.lengths[static_cast<size_t>(b)]) {
    size_t i = 0;
    for (const Var& v : vars(s))
      total = total + sum(v * m.state_weights[i++].narrow(0, b, 1)) * (m.states ? 1. : 0.);
  }
  return total;
}

template <class Cell>
typename RNN<Cell>::State naive_step(const Subject<Cell>& m, const typename RNN<Cell>::State& s,
                                     int64_t t, int64_t b) {
  return m.rnn.step(narrow(select(m.x, 0, t), 0, b, 1), s).state;
}

/// Adds the truncated gradient of the loss to the gradients of m; returns the loss.
template <class Cell>
double naive_backward(Subject<Cell>& m, BpttMode mode, int64_t steps) {
  double total = 0;
  for (int64_t b = 0; b < static_cast<int64_t>(m.lengths.size()); ++b) {
    const int64_t length = m.lengths[static_cast<size_t>(b)];
    if (mode == BpttMode::exact) {
      std::vector<typename RNN<Cell>::State> entering{m.start(1)};
      for (int64_t t = 0; t < length; ++t) entering.push_back(naive_step(m, entering.back(), t, b));
      for (int64_t t = 0; t < length; ++t) {
        Tape tape;
        const int64_t first = std::max<int64_t>(0, t - steps);
        auto s = t < steps ? m.start(1) : detach(entering[static_cast<size_t>(first)]);
        for (int64_t k = first; k <= t; ++k) s = naive_step(m, s, k, b);
        const Var loss = loss_of_step(m, s, t, b);
        tape.backward(loss);
        total += loss.value().item();
      }
    } else {
      const int64_t window = mode == BpttMode::chunk ? steps : length;
      auto carried = m.start(1);
      for (int64_t first = 0; first < length; first += window) {
        Tape tape;
        auto s = first == 0 ? m.start(1) : carried;
        Var loss = Tensor::scalar(0, f64);
        for (int64_t t = first; t < std::min(first + window, length); ++t) {
          s = naive_step(m, s, t, b);
          loss = loss + loss_of_step(m, s, t, b);
        }
        tape.backward(loss);
        total += loss.value().item();
        carried = detach(s);
      }
    }
  }
  return total;
}

/// Runs backward of the library; returns the loss.
template <class Cell>
double library_backward(Subject<Cell>& m, BpttMode mode, int64_t steps) {
  m.rnn.bptt = {mode, steps};
  Tape tape;
  const Var loss = m.loss();
  tape.backward(loss);
  return loss.value().item();
}

/// The largest difference between unroll() and the definition, values and gradients.
template <class Cell>
double difference_from_definition(Subject<Cell>& m, BpttMode mode, int64_t steps) {
  zero_grad(m);
  const double expected = naive_backward(m, mode, steps);
  const Gradients naive = take_gradients(m);
  const double value = library_backward(m, mode, steps);
  const Gradients ours = take_gradients(m);
  return std::max(difference(ours, naive), std::abs(value - expected) / (1 + std::abs(expected)));
}

}  // namespace tapestry::testing
