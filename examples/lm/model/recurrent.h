#pragma once
// The recurrent layers of a language model, of a cell that is chosen at run time. What knows the
// cells is compiled in recurrent.cpp alone; the price is one virtual call for a whole batch.

#include <memory>

#include <tapestry/examples/lm/model/shape.h>
#include <tapestry/nn/bptt.h>
#include <tapestry/nn/module.h>
#include <tapestry/nn/packing.h>
#include <tapestry/nn/state.h>
#include <tapestry/tensor/random.h>

namespace tapestry::lm {

/// The state of the layers behind some tokens of a batch, a row for each sentence: all that the
/// cells keep, a layer after the other.
struct State {
  PoolVector<Var> parts;
  FIELDS(parts)
};

/// What training drops at random: units, with one mask for all steps of a sentence where it is
/// locked (Gal & Ghahramani, 2016), recurrent weights (Merity, Keskar & Socher, 2018), and steps of
/// a unit of the state (zoneout; Krueger et al., 2017).
struct Dropouts {
  double units = 0, weights = 0, steps = 0;
  bool locked = false;
};

/// A value: a copy is a replica with parameters of its own. It cannot be assigned to.
class Recurrent {
 public:
  struct Output {
    Var y;
    State state;
  };

  /// What the layers of one cell can do.
  class Layers {
   public:
    virtual ~Layers() = default;
    virtual std::unique_ptr<Layers> clone() const = 0;
    virtual std::vector<NamedParameter> parameters() = 0;
    virtual State zero(int64_t batch) const = 0;
    virtual Output run(const Var& x, const Packing& p, const State& s, Rng* rng) const = 0;
    virtual Output step(const Var& x, const State& s) const = 0;
    virtual Var output(const State& s) const = 0;
    virtual Bptt& bptt() = 0;
    virtual void set_dropout(const Dropouts& p) = 0;
  };

  /// Throws ValueError for a cell that is not known.
  Recurrent(const ModelShape& shape, Rng& rng, DType dtype);
  Recurrent(const Recurrent& other) : layers_(other.layers_->clone()) {}
  Recurrent(Recurrent&&) = default;

  std::vector<NamedParameter> named_parameters() const { return layers_->parameters(); }

  State zero(int64_t batch) const { return layers_->zero(batch); }
  /// Packed rows x (rows, in) in, packed rows y (rows, hidden) out. `rng` turns dropout on.
  Output run(const Var& x, const Packing& p, const State& s, Rng* rng) const {
    return layers_->run(x, p, s, rng);
  }
  /// One time step: x (B, in) -> y (B, hidden).
  Output step(const Var& x, const State& s) const { return layers_->step(x, s); }
  /// The y that belongs to a state: what the last layer shows.
  Var output(const State& s) const { return layers_->output(s); }

  /// How far errors flow back.
  const Bptt& bptt() const { return layers_->bptt(); }
  void set_bptt(const Bptt& bptt) { layers_->bptt() = bptt; }
  /// Of units between layers, of weights, and of steps.
  void set_dropout(const Dropouts& p) { layers_->set_dropout(p); }

 private:
  std::unique_ptr<Layers> layers_;
};

}  // namespace tapestry::lm
