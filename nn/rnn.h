#pragma once
// RNN<Cell>: layers of any cell, optionally in both directions, over sequences.
//
//   RNN<LSTMCell> rnn(in, hidden, rng, {.layers = 2, .cell = {.bias = false}});
//   auto [y, state] = rnn(x);               // x (T, B, in) -> y (T, B, hidden)
//   auto [y, state] = rnn(x, lengths);      // y is 0 behind each sequence's end, and
//                                           // state that behind its last step
//   auto [y, state] = rnn.step(x_t, state); // streaming: x_t (B, in) -> y (B, hidden)
//
// output(state) is the top layer's last output: what sequence-to-one models use. Bidirectional, it
// is that of both directions side by side: (B, 2 hidden).
// Truncation (rnn.bptt) is that of unroll.h. In exact mode a stack is one cell: the transitions an
// error crosses are counted over all layers together. Bidirectional layers have no exact mode.

#include <optional>

#include <tapestry/nn/cells.h>
#include <tapestry/nn/recurrence.h>
#include <tapestry/nn/regularize.h>
#include <tapestry/nn/unroll.h>

namespace tapestry {

template <class Cell>
struct RnnOptions {
  int64_t layers = 1;
  bool bidirectional = false;
  double dropout = 0;           // between layers, where a generator is given
  bool locked_dropout = false;  // with one mask for all steps of a sequence
  Bptt bptt{BpttMode::full};
  OptionsOf<Cell> cell{};  // of every layer
};

template <RecurrentCell Cell>
struct RNN {
  struct State {
    PoolVector<typename Cell::State> layers;  // bidirectional: forward, reverse, forward, ...
    FIELDS(layers)
    bool bidirectional = false;
    friend Var output(const State& s) {
      const Var last = tapestry::output(s.layers.back());
      if (!s.bidirectional) return last;
      return concat({tapestry::output(s.layers[s.layers.size() - 2]), last}, 1);
    }
  };
  struct Output {
    Var y;
    State state;
  };

  std::vector<Cell> cells, reverse;  // reverse is empty unless bidirectional
  FIELDS(cells, reverse)
  Bptt bptt;
  double dropout;  // between layers
  bool locked_dropout;

  /// in = 0: the first layer's input comes projected. Throws ValueError for sizes below 1.
  RNN(int64_t in, int64_t hidden, Rng& rng, const RnnOptions<Cell>& options = {})
      : bptt(options.bptt), dropout(options.dropout), locked_dropout(options.locked_dropout) {
    require<ValueError>(options.layers >= 1, "RNN: ", options.layers,
                        " layers, expected at least 1");
    require<ValueError>(in >= 0 && hidden >= 1, "RNN: ", in, " inputs and ", hidden,
                        " hidden units, expected at least 0 and 1");
    const auto add = [&](std::vector<Cell>& to, int64_t inputs) {
      to.push_back(make_cell<Cell>(inputs, hidden, rng, options.cell));
    };
    for (int64_t l = 0; l < options.layers; ++l) {
      const int64_t inputs = l == 0 ? in : options.bidirectional ? 2 * hidden : hidden;
      add(cells, inputs);
      if (options.bidirectional) add(reverse, inputs);
    }
  }

  State zero(int64_t batch) const {
    State out{{}, !reverse.empty()};
    for (size_t l = 0; l < cells.size(); ++l) {
      out.layers.push_back(cells[l].zero(batch));
      if (!reverse.empty()) out.layers.push_back(reverse[l].zero(batch));
    }
    return out;
  }

  /// x (T, B, in) -> y (T, B, hidden), from zero or given states. `rng` turns dropout on.
  Output operator()(const Var& x, std::span<const int64_t> lengths = {},
                    const std::optional<State>& initial = {}, Rng* rng = nullptr) const {
    require<ShapeError>(x.value().rank() == 3, "RNN: the input is ", x.shape(),
                        ", expected (time, batch, features)");
    const int64_t steps = x.size(0), batch = x.size(1);
    require<ShapeError>(lengths.empty() || static_cast<int64_t>(lengths.size()) == batch,
                        "RNN: ", lengths.size(), " lengths for a batch of ", batch);
    for (size_t i = 0; i < lengths.size(); ++i)
      require<ShapeError>(lengths[i] <= steps, "RNN: lengths[", i, "] = ", lengths[i],
                          " is longer than the ", steps, " time steps of the input");
    const Packing p = lengths.empty() ? Packing::uniform(steps, batch) : Packing(lengths);
    const Var rows = reshape(x, {steps * batch, x.size(2)});
    if (p.is_uniform && p.steps() == steps) {
      Output out = run(rows, p, initial ? *initial : zero(batch), rng);
      out.y = reshape(out.y, {steps, batch, out.y.size(1)});
      return out;
    }
    if (initial) detail::require_batch(*initial, batch);
    // Packed rows are indices into the given layout narrowed to the longest length.
    const State in_slots =
        initial ? map_state(*initial,
                            [&](const Var& v) { return embedding(v, Tensor::indices(p.order)); })
                : zero(batch);
    Output out = run(embedding(rows, p.padded), p, in_slots, rng);
    const int64_t width = out.y.size(1);
    const Var padding = Tensor::zeros({1, width}, out.y.dtype());
    Var y = reshape(embedding(concat({out.y, padding}), p.packed), {p.steps(), batch, width});
    if (p.steps() < steps)
      y = concat({y, Var(Tensor::zeros({steps - p.steps(), batch, width}, y.dtype()))});
    return {y, map_state(out.state, [&](const Var& v) { return embedding(v, p.slots); })};
  }

  /// The random numbers of a run: for all layers, forwards only. Drawn once, so that a step can be
  /// evaluated again; without a generator (or for Noise()) there are none.
  struct Noise {
    PoolVector<NoiseOf<Cell>> cells;
    PoolVector<Var> between;  // masks of dropout: for the inputs of each layer but the first
    FIELDS(cells, between)
  };
  Noise noise(const Packing& p, Rng* rng) const {
    Noise out;
    for (size_t l = 0; rng && l < cells.size(); ++l) {
      if (l > 0 && dropout != 0) {
        const Tape::Pause pause;
        const Var h = tapestry::output(cells[l - 1].zero(1));
        out.between.push_back(drop(Tensor::full({p.rows(), h.size(1)}, 1, h.dtype()), p, rng));
      }
      out.cells.push_back(draw_noise(cells[l], p, rng));
    }
    return out;
  }

  /// One time step: x (B, in). With a generator the noise is that of this step alone; to keep
  /// locked masks and dropped weights, draw noise(Packing::uniform(1, B), &rng) and give it to all
  /// steps.
  Output step(const Var& x, const State& s, Rng* rng = nullptr) const {
    return step(x, s, rng ? noise(Packing::uniform(1, x.size(0)), rng) : Noise());
  }
  Output step(const Var& x, const State& s, const Noise& n) const {
    require<ValueError>(reverse.empty(), "RNN: bidirectional layers cannot be stepped");
    require<ShapeError>(s.layers.size() == cells.size(), "RNN: a state of ", s.layers.size(),
                        " layers for ", cells.size(), " (start from zero(batch))");
    State next = step_layers(cells[0].input(x), s, n);
    return {output(next), std::move(next)};
  }

  /// Packed rows (rows, in) in, packed rows out; states in slot order. What models call that pack
  /// their batches themselves.
  Output run(const Var& x, const Packing& p, const State& initial, Rng* rng = nullptr) const {
    require<ShapeError>(x.shape()[0] == p.rows(), "RNN: ", x.shape(), " for ", p.rows(),
                        " packed rows");
    require<ShapeError>(initial.layers.size() == cells.size() + reverse.size(), "RNN: a state of ",
                        initial.layers.size(), " layers for ", cells.size() + reverse.size(),
                        " (start from zero(batch))");
    const bool exact = bptt.mode == BpttMode::exact;
    require<ValueError>(reverse.empty() || !exact,
                        "RNN: bidirectional layers have no exact truncation (use chunk or full)");
    if (exact && cells.size() > 1) return run_as_one_cell(x, p, initial, rng);
    Output out{x, {{}, !reverse.empty()}};
    for (size_t l = 0; l < cells.size(); ++l) {
      if (l > 0) out.y = drop(out.y, p, rng);
      if (reverse.empty()) {
        out.y = layer(cells[l], out.y, p, initial.layers[l], out.state, rng);
      } else {
        const Var mirrored = embedding(out.y, p.mirrored);
        const Var forward = layer(cells[l], out.y, p, initial.layers[2 * l], out.state, rng);
        const Var backward =
            layer(reverse[l], mirrored, p, initial.layers[2 * l + 1], out.state, rng);
        out.y = concat({forward, embedding(backward, p.mirrored)}, 1);
      }
    }
    return out;
  }

 private:
  Var drop(const Var& y, const Packing& p, Rng* rng) const {
    return locked_dropout ? tapestry::locked_dropout(y, p, dropout, rng)
                          : tapestry::dropout(y, dropout, rng);
  }

  Var layer(const Cell& cell, const Var& x, const Packing& p, const typename Cell::State& initial,
            State& last, Rng* rng) const {
    if constexpr (detail::kHasAllSteps<Cell>)
      if (detail::runs_at_once(cell, bptt)) {
        const auto noise = draw_noise(cell, p, rng);
        auto out = detail::run_at_once(cell, cell.input(x), p, initial, bptt, noise);
        last.layers.push_back(std::move(out.last));
        return out.y;
      }
    struct Inputs {  // of a step: what needs no state
      Var xw;
      NoiseOf<Cell> noise;
      FIELDS(xw, noise)
    };
    auto out = unroll(
        p, initial, bptt,
        [&cell, x, noise = draw_noise(cell, p, rng)](int64_t first, int64_t count) {
          return Inputs{cell.input(detail::rows_of(x, first, count)),
                        detail::rows_of(noise, first, count)};
        },
        [&cell](const Inputs& in, const typename Cell::State& s) {
          return step_cell(cell, in.xw, s, in.noise);
        });
    last.layers.push_back(std::move(out.last));
    return out.y;
  }

  /// Every layer inside one transition.
  Output run_as_one_cell(const Var& x, const Packing& p, const State& initial, Rng* rng) const {
    const Var xw = cells[0].input(x);
    const Noise all = noise(p, rng);
    auto out = unroll(p, initial, bptt, [&](int64_t first, int64_t count, const State& s) {
      return step_layers(detail::rows_of(xw, first, count), s, detail::rows_of(all, first, count));
    });
    return {out.y, std::move(out.last)};
  }

  State step_layers(Var xw, const State& s, const Noise& n) const {
    State next = s;
    for (size_t l = 0; l < cells.size(); ++l) {
      const NoiseOf<Cell> none{};
      next.layers[l] = step_cell(cells[l], xw, s.layers[l], n.cells.empty() ? none : n.cells[l]);
      if (l + 1 == cells.size()) break;
      const Var y = output(next.layers[l]);
      xw = cells[l + 1].input(n.between.empty() ? y : y * n.between[l]);
    }
    return next;
  }
};

}  // namespace tapestry
