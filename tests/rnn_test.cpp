// Recurrent layers over batches of sequences: a batch must equal its sequences run one by one, in
// values and gradients, whatever else is in the batch.

#include <doctest/doctest.h>

#include <tapestry/nn/embedding.h>
#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>
#include "compare.h"

using namespace tapestry;
using namespace tapestry::testing;

namespace {

constexpr uint64_t kSeed = 20240608;
using Lengths = std::vector<int64_t>;

/// Layers in f64 with inputs, given initial states, and weights for a loss over everything.
template <class Cell>
struct Fixture {
  RNN<Cell> rnn;
  Parameter x;                     // (T, B, in)
  std::vector<Parameter> initial;  // (B, H) for each field
  FIELDS(rnn, x, initial)
  Lengths lengths;
  Tensor y_weights;
  std::vector<Tensor> state_weights;

  Fixture(int64_t layers, bool bidirectional, int64_t steps, const Lengths& lens, Rng& rng)
      : rnn(cast(RNN<Cell>(3, 4, rng, {.layers = layers, .bidirectional = bidirectional}), f64)),
        lengths(lens) {
    const auto batch = static_cast<int64_t>(lens.size());
    x = Parameter(random({steps, batch, 3}, rng));
    y_weights = random({steps, batch, bidirectional ? 8 : 4}, rng);
    for (const Var& v : vars(rnn.zero(batch))) {
      initial.emplace_back(random(v.shape(), rng));
      state_weights.push_back(random(v.shape(), rng));
    }
  }

  typename RNN<Cell>::Output run() const {
    size_t i = 0;
    return rnn(x, lengths,
               map_state(rnn.zero(static_cast<int64_t>(lengths.size())),
                         [&](const Var&) { return Var(initial[i++]); }));
  }
  /// Sequence b alone, without lengths.
  typename RNN<Cell>::Output run_alone(int64_t b) const {
    size_t i = 0;
    const Var own = narrow(narrow(x, 1, b, 1), 0, 0, lengths[static_cast<size_t>(b)]);
    return rnn(own, {},
               map_state(rnn.zero(1), [&](const Var&) { return narrow(initial[i++], 0, b, 1); }));
  }
  Var loss(const typename RNN<Cell>::Output& out, const Tensor& weights,
           const std::function<Tensor(const Tensor&)>& rows) const {
    Var total = sum(out.y * weights);
    size_t i = 0;
    for (const Var& v : vars(out.state)) total = total + sum(v * rows(state_weights[i++]));
    return total;
  }
};

}  // namespace

TEST_CASE_TEMPLATE("a batch equals its sequences run one by one", Cell, RNNCell, LSTMCell,
                   GRUCell) {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  for (const int64_t layers : {1, 2, 3})
    for (const bool bidirectional : {false, true})
      for (const Lengths& lengths : {Lengths{3, 6, 1, 4}, Lengths{6, 5, 2}, Lengths{1, 2, 6},
                                     Lengths{4, 4, 4}, Lengths{7, 7}, Lengths{1}}) {
        CAPTURE(layers);
        CAPTURE(bidirectional);
        Fixture<Cell> m(layers, bidirectional, 7, lengths, rng);
        const auto batch = static_cast<int64_t>(lengths.size());
        typename RNN<Cell>::Output together;
        {
          Tape tape;
          together = m.run();
          tape.backward(m.loss(together, m.y_weights, [](const Tensor& t) { return t; }));
        }
        const Gradients ours = take_gradients(m);
        for (int64_t b = 0; b < batch; ++b) {
          const int64_t length = lengths[static_cast<size_t>(b)];
          Tape tape;
          const auto alone = m.run_alone(b);
          const auto own = [&](const Tensor& t) { return t.narrow(0, b, 1); };
          tape.backward(m.loss(alone, m.y_weights.narrow(1, b, 1).narrow(0, 0, length), own));

          const Tensor y = together.y.value().narrow(1, b, 1);
          CHECK(difference(y.narrow(0, 0, length), alone.y.value()) < 1e-12);
          CHECK(difference(y.narrow(0, length, 7 - length),
                           Tensor::zeros({7 - length, 1, y.size(2)}, f64)) == 0);
          CHECK(state_difference(
                    map_state(together.state, [&](const Var& v) { return Var(own(v.value())); }),
                    alone.state) < 1e-12);
        }
        CHECK(difference(ours, take_gradients(m)) < 1e-12);
      }
}

TEST_CASE("the order of the sequences in a batch does not matter") {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  Fixture<LSTMCell> m(2, true, 6, {3, 6, 1, 4}, rng);
  const auto out = m.run();
  Fixture<LSTMCell> other = m;
  const std::vector<int32_t> order{2, 0, 3, 1};
  for (size_t i = 0; i < order.size(); ++i) {
    const auto from = order[i], to = static_cast<int32_t>(i);
    other.lengths[i] = m.lengths[static_cast<size_t>(from)];
    other.x.value().select(1, to).copy_(m.x.value().select(1, from));
    for (size_t f = 0; f < m.initial.size(); ++f)
      other.initial[f].value().select(0, to).copy_(m.initial[f].value().select(0, from));
  }
  const auto permuted = other.run();
  for (size_t i = 0; i < order.size(); ++i) {
    const auto to = static_cast<int64_t>(i);
    CHECK(difference(select(permuted.y, 1, to), select(out.y, 1, order[i])) < 1e-14);
    CHECK(difference(select(output(permuted.state), 0, to),
                     select(output(out.state), 0, order[i])) < 1e-14);
  }
}

TEST_CASE("the reverse direction reads each sequence from its end") {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  const RNN<LSTMCell> both = cast(RNN<LSTMCell>(3, 4, rng, {.bidirectional = true}), f64);
  RNN<LSTMCell> forwards = cast(RNN<LSTMCell>(3, 4, rng), f64), backwards = forwards;
  forwards.cells[0] = both.cells[0];
  backwards.cells[0] = both.reverse[0];
  const Lengths lengths{3, 6, 4};
  const Tensor x = random({6, 3, 3}, rng);
  const auto out = both(x, lengths);
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t n = lengths[static_cast<size_t>(b)];
    const Tensor own = x.narrow(1, b, 1).narrow(0, 0, n);
    Tensor flipped = own.clone();
    for (int64_t t = 0; t < n; ++t) flipped.select(0, t).copy_(own.select(0, n - 1 - t));
    const auto ahead = forwards(own), back = backwards(flipped);
    for (int64_t t = 0; t < n; ++t) {
      const Tensor y = out.y.value().select(0, t).select(0, b);
      CHECK(difference(y.narrow(0, 0, 4), ahead.y.value().select(0, t).select(0, 0)) < 1e-14);
      CHECK(difference(y.narrow(0, 4, 4), back.y.value().select(0, n - 1 - t).select(0, 0)) <
            1e-14);
    }
    CHECK(difference(out.state.layers[1].c.value().narrow(0, b, 1),
                     back.state.layers[0].c.value()) < 1e-14);
  }
}

TEST_CASE("what lies behind the end of a sequence is never looked at") {
  Rng rng(kSeed);
  Fixture<GRUCell> m(2, true, 5, {2, 5}, rng);
  const auto clean = m.run();
  m.x.value().select(1, 0).narrow(0, 2, 3).fill_(std::numeric_limits<double>::quiet_NaN());
  const auto dirty = m.run();
  CHECK(difference(dirty.y, clean.y) == 0);
  CHECK(state_difference(dirty.state, clean.state) == 0);
}

TEST_CASE_TEMPLATE("stepping equals running the batch", Cell, RNNCell, LSTMCell, GRUCell) {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  for (const int64_t layers : {1, 3}) {
    const RNN<Cell> rnn = cast(RNN<Cell>(3, 4, rng, {.layers = layers}), f64);
    const Tensor x = random({6, 2, 3}, rng);
    const auto batch = rnn(x);
    auto state = rnn.zero(2);
    for (int64_t t = 0; t < 6; ++t) {
      const auto out = rnn.step(x.select(0, t), state);
      CHECK(difference(out.y, select(batch.y, 0, t)) < 1e-14);
      CHECK(difference(out.y, output(out.state)) == 0);
      state = out.state;
    }
    CHECK(state_difference(state, batch.state) < 1e-14);

    // a batch may also go on from a state
    const auto first = rnn(x.narrow(0, 0, 4));
    const auto second = rnn(x.narrow(0, 4, 2), {}, first.state);
    CHECK(difference(second.y.value(), batch.y.value().narrow(0, 4, 2)) < 1e-14);
    CHECK(state_difference(second.state, batch.state) < 1e-14);
  }
}

TEST_CASE("no initial state means zeros") {
  Rng rng(kSeed);
  const RNN<LSTMCell> rnn(3, 4, rng, {.layers = 2});
  const Tensor x = uniform({5, 2, 3}, 1, rng);
  for (const Lengths& lengths : {Lengths{}, Lengths{5, 2}})
    CHECK(difference(rnn(x, lengths).y, rnn(x, lengths, rnn.zero(2)).y) == 0);
}

TEST_CASE("output(state) is what a sequence-to-one model reads") {
  Rng rng(kSeed);
  const Lengths lengths{3, 5, 1};
  const Tensor x = random({5, 3, 2}, rng);
  const RNN<LSTMCell> rnn = cast(RNN<LSTMCell>(2, 4, rng, {.layers = 2}), f64);
  const auto out = rnn(x, lengths);
  const RNN<LSTMCell> both =
      cast(RNN<LSTMCell>(2, 4, rng, {.layers = 2, .bidirectional = true}), f64);
  const auto two = both(x, lengths);
  CHECK(output(two.state).shape() == Shape{3, 8});
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t last = lengths[static_cast<size_t>(b)] - 1;
    CHECK(difference(select(output(out.state), 0, b), select(select(out.y, 0, last), 0, b)) == 0);
    // bidirectional: forwards behind the last step, backwards behind the first
    const Tensor read = output(two.state).value().select(0, b);
    CHECK(difference(read.narrow(0, 0, 4),
                     two.y.value().select(0, last).select(0, b).narrow(0, 0, 4)) == 0);
    CHECK(difference(read.narrow(0, 4, 4),
                     two.y.value().select(0, 0).select(0, b).narrow(0, 4, 4)) == 0);
  }

  struct Classifier {
    RNN<LSTMCell> rnn;
    Linear out;
    FIELDS(rnn, out)
  } model = cast(Classifier{{2, 4, rng, {.layers = 2, .bidirectional = true}}, {8, 3, rng}}, f64);
  const GradReport report = gradcheck(
      model,
      [&](const Classifier& m) {
        return cross_entropy(m.out(output(m.rnn(x, lengths).state)), Tensor::indices({2, 0, 1}));
      },
      8);
  CHECK_MESSAGE(report.ok, report.message);
}

TEST_CASE("an embedding as wide as the gates is the one-hot input of a cell") {
  Rng rng(kSeed);
  const Embedding rows(6, 12, rng, {.fan_in = 6, .dtype = f64});
  RNN<GRUCell> projected = cast(RNN<GRUCell>(0, 4, rng, {.layers = 2}), f64);
  RNN<GRUCell> plain = cast(RNN<GRUCell>(6, 4, rng, {.layers = 2}), f64);
  CHECK(parameters(projected).size() + 1 == parameters(plain).size());
  for (auto& [name, p] : parameters(plain)) {
    if (name == "cells.0.w_ih") p->value().copy_(rows.table.value());
    for (auto& [other, q] : parameters(projected))
      if (name == other) p->value().copy_(q->value());
  }
  const Tensor ids = Tensor::indices({0, 5, 2, 2, 3, 0}).reshape({3, 2});
  Tensor one_hot = Tensor::zeros({3, 2, 6}, f64);
  for (int64_t t = 0; t < 3; ++t)
    for (int64_t b = 0; b < 2; ++b) one_hot.set_({t, b, static_cast<int64_t>(ids.at({t, b}))}, 1);
  CHECK(difference(projected(rows(ids)).y, plain(one_hot).y) < 1e-14);
}

TEST_CASE("relu cells compute relu") {
  Rng rng(kSeed);
  RNN<RNNCell> rnn(2, 3, rng, {.cell = {.activation = Activation::relu, .dtype = f64}});
  const Tensor x = random({1, 4, 2}, rng);
  const Var z = matmul(x, rnn.cells[0].w_ih) + rnn.cells[0].bias;
  CHECK(difference(rnn(x).y, relu(z)) < 1e-14);
  CHECK(difference(relu(z), tanh(z)) > 0.01);
}

TEST_CASE("cells without a bias have none") {
  Rng rng(kSeed);
  RNN<LSTMCell> lstm(2, 3, rng, {.cell = {.bias = false}});
  RNN<GRUCell> gru(2, 3, rng, {.cell = {.bias = false}});
  RNN<RNNCell> rnn(2, 3, rng, {.cell = {.bias = false}});
  for (const auto& all : {parameters(lstm), parameters(gru), parameters(rnn)}) {
    REQUIRE(all.size() == 2);
    CHECK(all[1].name == "cells.0.w_hh");
  }
  const Tensor x = Tensor::zeros({2, 1, 2});
  CHECK(difference(lstm(x).y.value(), Tensor::zeros({2, 1, 3})) == 0);
  CHECK(difference(gru(x).y.value(), Tensor::zeros({2, 1, 3})) == 0);
}

TEST_CASE("dropout acts only where a generator is given") {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  RNN<LSTMCell> rnn = cast(RNN<LSTMCell>(3, 4, rng, {.layers = 3}), f64);
  const Tensor x = random({6, 3, 3}, rng);
  const Lengths lengths{6, 2, 5};
  const auto plain = rnn(x, lengths);
  rnn.dropout = 0.5;
  CHECK(difference(rnn(x, lengths).y, plain.y) == 0);
  Rng a(5), b(5), c(6);
  const auto first = rnn(x, lengths, {}, &a), second = rnn(x, lengths, {}, &b),
             third = rnn(x, lengths, {}, &c);
  CHECK(difference(first.y, plain.y) > 0.01);
  CHECK(difference(first.y, second.y) == 0);
  CHECK(difference(first.y, third.y) > 0.01);

  RNN<LSTMCell> one = cast(RNN<LSTMCell>(3, 4, rng), f64);
  one.dropout = 0.9;  // only between layers
  CHECK(difference(one(x, {}, {}, &a).y, one(x).y) == 0);

  const auto state = rnn.zero(3);
  CHECK(difference(rnn.step(x.select(0, 0), state).y, select(plain.y, 0, 0)) < 1e-14);
  CHECK(difference(rnn.step(x.select(0, 0), state, &a).y, select(plain.y, 0, 0)) > 0.001);
}

TEST_CASE("all modes draw the same dropout masks, and exact keeps them while it looks back") {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  RNN<LSTMCell> rnn = cast(RNN<LSTMCell>(3, 4, rng, {.layers = 3}), f64);
  rnn.dropout = 0.4;
  const Tensor x = random({6, 3, 3}, rng), weights = random({6, 3, 4}, rng);
  const Lengths lengths{6, 2, 5};
  const auto loss = [&](const RNN<LSTMCell>& m) {
    Rng masks(9);
    return sum(m(x, lengths, {}, &masks).y * weights);
  };
  const auto gradients = [&](const Bptt& bptt) {
    rnn.bptt = bptt;
    Tape tape;
    tape.backward(loss(rnn));
    return take_gradients(rnn);
  };
  const Gradients full = gradients({BpttMode::full});
  CHECK(difference(gradients({BpttMode::exact, 100}), full) < 1e-12);
  CHECK(difference(gradients({BpttMode::chunk, 100}), full) < 1e-12);

  rnn.bptt = {BpttMode::exact, 2};
  FrozenStates frozen;
  const auto surrogate = [&](const RNN<LSTMCell>& m) {
    frozen.rewind();
    rnn.bptt.frozen = &frozen;
    const Var value = loss(m);
    rnn.bptt.frozen = nullptr;
    return value;
  };
  const GradReport report = gradcheck(rnn, loss, surrogate);
  CHECK_MESSAGE(report.ok, report.message);
}

TEST_CASE("layers in f32 stay in f32") {
  Rng rng(kSeed);
  const RNN<GRUCell> rnn(3, 4, rng, {.layers = 2, .bidirectional = true});
  const auto out = rnn(uniform({5, 2, 3}, 1, rng), Lengths{2, 4});
  CHECK(out.y.dtype() == f32);
  CHECK(out.y.shape() == Shape{5, 2, 8});
  for (const Var& v : vars(out.state)) CHECK(v.dtype() == f32);
}

TEST_CASE("layers say what does not fit") {
  Rng rng(kSeed);
  const RNN<GRUCell> rnn(3, 4, rng, {.layers = 2});
  RNN<GRUCell> both(3, 4, rng, {.layers = 2, .bidirectional = true});
  const Tensor x = Tensor::zeros({5, 2, 3});

  CHECK_THROWS_WITH_AS(rnn(Tensor::zeros({2, 3})),
                       "RNN: the input is (2, 3), expected (time, batch, features)", ShapeError);
  CHECK_THROWS_WITH_AS(rnn(x, Lengths{5}), "RNN: 1 lengths for a batch of 2", ShapeError);
  CHECK_THROWS_WITH_AS(rnn(x, Lengths{5, 6}),
                       "RNN: lengths[1] = 6 is longer than the 5 time steps of the input",
                       ShapeError);
  CHECK_THROWS_WITH_AS(rnn(x, Lengths{0, 5}), "Packing: lengths[0] = 0, expected at least 1 step",
                       ShapeError);
  CHECK_THROWS_AS(rnn(Tensor::zeros({0, 2, 3})), ShapeError);
  CHECK_THROWS_AS(rnn(Tensor::zeros({5, 0, 3})), ShapeError);
  CHECK_THROWS_AS(rnn(Tensor::zeros({5, 2, 4})), ShapeError);  // features
  CHECK_THROWS_AS(rnn(Tensor::zeros({5, 2, 3}, f64)), DTypeError);
  CHECK_THROWS_WITH_AS((RNN<GRUCell>(3, 4, rng, {.layers = 0})),
                       "RNN: 0 layers, expected at least 1", ValueError);

  CHECK_THROWS_WITH_AS((RNN<GRUCell>(-3, 4, rng)),
                       "RNN: -3 inputs and 4 hidden units, expected at least 0 and 1", ValueError);
  CHECK_THROWS_AS((RNN<GRUCell>(3, 0, rng)), ValueError);

  RNN<GRUCell> leaky = rnn;
  for (const double p : {-0.5, 1.0, 1.5})
    for (const BpttMode mode : {BpttMode::full, BpttMode::exact}) {
      leaky.dropout = p;
      leaky.bptt = {mode, 2};
      CHECK_THROWS_AS(leaky(x, {}, {}, &rng), ValueError);
    }

  const std::string no_exact =
      "RNN: bidirectional layers have no exact truncation (use chunk or full)";
  both.bptt = {BpttMode::exact, 2};
  CHECK_THROWS_WITH_AS(both(x), no_exact.c_str(), ValueError);
  RNN<GRUCell> one(3, 4, rng, {.bidirectional = true});
  one.bptt = {BpttMode::exact, 2};
  CHECK_THROWS_WITH_AS(one(x), no_exact.c_str(), ValueError);
  CHECK_THROWS_WITH_AS(both.step(x.select(0, 0), both.zero(2)),
                       "RNN: bidirectional layers cannot be stepped", ValueError);

  const RNN<GRUCell> shallow(3, 4, rng);
  CHECK_THROWS_WITH_AS(rnn(x, {}, shallow.zero(2)),
                       "RNN: a state of 1 layers for 2 (start from zero(batch))", ShapeError);
  CHECK_THROWS_WITH_AS(rnn.step(x.select(0, 0), {}),
                       "RNN: a state of 0 layers for 2 (start from zero(batch))", ShapeError);
  for (const Lengths& lengths : {Lengths{}, Lengths{5, 2}}) {
    CHECK_THROWS_WITH_AS(rnn(x, lengths, rnn.zero(3)),
                         "unroll: a state of shape (3, 4) for a batch of 2 sequences", ShapeError);
    CHECK_THROWS_AS(rnn(x, lengths, rnn.zero(1)), Error);
  }
  const Packing p(Lengths{5, 2});
  CHECK_THROWS_WITH_AS(rnn.run(Tensor::zeros({10, 3}), p, rnn.zero(2)),
                       "RNN: (10, 3) for 7 packed rows", ShapeError);
}
