#pragma once
// Noise inside recurrent cells. Both are cells made of a cell, with its parameters under their own
// names, so a checkpoint does not depend on them:
//
//   RNN<WeightDrop<LSTMCell>> rnn(in, hidden, rng, {.cell = {.p = 0.5}});
//   RNN<Zoneout<GRUCell>> rnn(in, hidden, rng, {.cell = {.output = 0.1}});
//   RNN<Zoneout<WeightDrop<LSTMCell>>> both(...);
//
// They act where the RNN is given a generator. Masks are drawn once for a run.

#include <tapestry/nn/cells.h>

namespace tapestry {

template <class Cell>
struct WeightDropOptions {
  double p = 0.5;
  OptionsOf<Cell> cell{};
};

/// DropConnect on the recurrent weights (Merity, Keskar & Socher, 2018): each is 0 with probability
/// p, else scaled by 1/(1-p), the same for all rows and steps of a run. The cell has a w_hh and
/// step(xw, s, w), which uses w instead. Without a generator it is the cell.
template <RecurrentCell Cell>
struct WeightDrop : Cell {
  using Options = WeightDropOptions<Cell>;
  using State = typename Cell::State;
  struct Noise {
    Var w_hh;  // for all rows
    FIELDS()
  };
  double weight_drop;

  /// Throws ValueError unless 0 <= p < 1.
  WeightDrop(int64_t in, int64_t hidden, Rng& rng, const Options& options = {})
      : Cell(make_cell<Cell>(in, hidden, rng, options.cell)), weight_drop(options.p) {
    require<ValueError>(weight_drop >= 0 && weight_drop < 1, "WeightDrop: p is ", weight_drop,
                        ", expected 0 <= p < 1");
  }
  Noise noise(const Packing&, Rng& rng) const { return {dropout(this->w_hh, weight_drop, &rng)}; }
  State step(const Var& xw, const State& s, const Noise& n) const {
    return Cell::step(xw, s, n.w_hh.defined() ? n.w_hh : this->w_hh);
  }
};

template <class Cell>
struct ZoneoutOptions {
  double output = 0, memory = 0;  // of the first field of the state, and of the others
  OptionsOf<Cell> cell{};
};

/// Zoneout (Krueger et al., 2017): with these probabilities a unit of the state stays as it was,
/// and without a generator moves as far as it does on average. Where both are 0 it is the cell.
template <RecurrentCell Cell>
struct Zoneout : Cell {
  using Options = ZoneoutOptions<Cell>;
  using State = typename Cell::State;
  struct Noise {
    NoiseOf<Cell> cell;
    PoolVector<Var> stays;  // i32, for each field of the state: 1 where the old value stays
    FIELDS(cell, stays)
  };
  double zoneout_output, zoneout_memory;

  /// Throws ValueError unless 0 <= output, memory < 1.
  Zoneout(int64_t in, int64_t hidden, Rng& rng, const Options& options = {})
      : Cell(make_cell<Cell>(in, hidden, rng, options.cell)),
        zoneout_output(options.output),
        zoneout_memory(options.memory) {
    for (const double chance : {options.output, options.memory})
      require<ValueError>(chance >= 0 && chance < 1, "Zoneout: a probability of ", chance,
                          ", expected 0 <= p < 1");
  }
  bool zones_out() const { return zoneout_output > 0 || zoneout_memory > 0; }
  Noise noise(const Packing& packing, Rng& rng) const {
    Noise out{draw_noise<Cell>(*this, packing, &rng), {}};
    if (!zones_out()) return out;
    for (const Var& v : vars(this->zero(1))) {
      Shape shape = v.shape();
      shape[0] = packing.rows();
      out.stays.push_back(bernoulli(shape, probability(out.stays.size()), rng));
    }
    return out;
  }
  State step(const Var& xw, const State& s, const Noise& n) const {
    const PoolVector<Var> old = vars(s);
    size_t f = 0;
    return map_state(step_cell<Cell>(*this, xw, s, n.cell), [&](const Var& v) {
      const size_t i = f++;
      if (!n.stays.empty()) return where(n.stays[i].value(), old[i], v);
      return probability(i) == 0 ? v : v + (old[i] - v) * probability(i);
    });
  }

 private:
  double probability(size_t field) const { return field == 0 ? zoneout_output : zoneout_memory; }
};

}  // namespace tapestry
