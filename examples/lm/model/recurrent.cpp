#include <tapestry/examples/lm/model/recurrent.h>
#include <tapestry/nn/noise.h>
#include <tapestry/nn/rnn.h>

namespace tapestry::lm {
namespace {

template <class Cell>
class LayersOf final : public Recurrent::Layers {
 public:
  explicit LayersOf(RNN<Cell> rnn) : rnn_(std::move(rnn)) {}

  std::unique_ptr<Layers> clone() const override { return std::make_unique<LayersOf>(rnn_); }
  std::vector<NamedParameter> parameters() override { return tapestry::parameters(rnn_); }
  State zero(int64_t batch) const override { return opaque(rnn_.zero(batch)); }
  Recurrent::Output run(const Var& x, const Packing& p, const State& s, Rng* rng) const override {
    auto out = rnn_.run(x, p, typed(s), rng);
    return {std::move(out.y), opaque(out.state)};
  }
  Recurrent::Output step(const Var& x, const State& s) const override {
    auto out = rnn_.step(x, typed(s));
    return {std::move(out.y), opaque(out.state)};
  }
  Var output(const State& s) const override {
    using tapestry::output;
    return output(typed(s));
  }
  Bptt& bptt() override { return rnn_.bptt; }
  void set_dropout(const Dropouts& p) override {
    rnn_.dropout = p.units, rnn_.locked_dropout = p.locked;
    for (Cell& cell : rnn_.cells)
      cell.weight_drop = p.weights, cell.zoneout_output = cell.zoneout_memory = p.steps;
  }

 private:
  using Typed = typename RNN<Cell>::State;

  static State opaque(const Typed& s) { return {vars(s)}; }

  Typed typed(const State& s) const {
    Typed out;
    out.layers.resize(rnn_.cells.size());
    size_t i = 0;
    out = map_state(std::move(out), [&](const Var&) {
      require<ValueError>(i < s.parts.size(), "a state of ", s.parts.size(),
                          " parts is not one of these layers (start from zero(batch))");
      return s.parts[i++];
    });
    require<ValueError>(i == s.parts.size(), "a state of ", s.parts.size(), " parts where ", i,
                        " are expected (start from zero(batch))");
    return out;
  }

  RNN<Cell> rnn_;
};

std::unique_ptr<Recurrent::Layers> make_layers(const ModelShape& shape, Rng& rng, DType dtype) {
  const auto make = [&]<class Cell>() -> std::unique_ptr<Recurrent::Layers> {
    using Drops = Zoneout<WeightDrop<Cell>>;
    return std::make_unique<LayersOf<Drops>>(
        RNN<Drops>(shape.embed, shape.hidden, rng,
                   {.layers = shape.layers,
                    .cell = {.cell = {.p = 0, .cell = {.bias = shape.bias, .dtype = dtype}}}}));
  };
  if (shape.cell == "rnn") return make.template operator()<RNNCell>();
  if (shape.cell == "gru") return make.template operator()<GRUCell>();
  require<ValueError>(shape.cell == "lstm", "cell: ", shape.cell, " is not rnn, lstm or gru");
  return make.template operator()<LSTMCell>();
}

}  // namespace

Recurrent::Recurrent(const ModelShape& shape, Rng& rng, DType dtype)
    : layers_(make_layers(shape, rng, dtype)) {
  if (shape.cell != "lstm" || !shape.bias) return;
  for (const NamedParameter& p : named_parameters())
    if (p.name.ends_with(".bias"))
      p.parameter->value().narrow(0, shape.hidden, shape.hidden).fill_(1);
}

}  // namespace tapestry::lm
