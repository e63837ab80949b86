// Random numbers inside recurrent cells: drawn once for a run, the same whenever a step is
// evaluated.

#include <doctest/doctest.h>

#include <tapestry/nn/checkpoint.h>
#include <tapestry/nn/linear.h>
#include <tapestry/nn/noise.h>
#include <tapestry/nn/rnn.h>
#include <tapestry/optim/server/parameter_server.h>
#include "compare.h"

using namespace tapestry;
using namespace tapestry::testing;

namespace {

constexpr uint64_t kSeed = 20240611;
using Lengths = std::vector<int64_t>;
const Lengths kLengths{2, 6, 1, 4};

/// A cell of a user that multiplies what it remembers by a mask of its own (Semeniuta, Severyn &
/// Barth, 2016).
struct ForgetfulCell {
  struct State {
    Var h;
    FIELDS(h)
  };
  struct Noise {
    Var mask;
    FIELDS(mask)
  };
  Parameter w_x, w_h;
  FIELDS(w_x, w_h)
  double p = 0.4;

  ForgetfulCell(int64_t in, int64_t hidden, Rng& rng)
      : w_x(xavier({in, hidden}, rng)), w_h(xavier({hidden, hidden}, rng)) {}
  Var input(const Var& x) const { return matmul(x, w_x); }
  Noise noise(const Packing& packing, Rng& rng) const {
    const Var ones = Tensor::full({packing.rows(), w_h.shape()[0]}, 1, w_h.value().dtype());
    return {dropout(ones, p, &rng).detach()};
  }
  State step(const Var& xw, const State& s, const Noise& n) const {
    const Var g = tanh(affine(s.h, w_h, xw));
    return {s.h * 0.5 + (n.mask.defined() ? g * n.mask : g)};
  }
  State zero(int64_t batch) const {
    return {Tensor::zeros({batch, w_h.shape()[0]}, w_h.value().dtype())};
  }
};

template <class Cell>
OptionsOf<Cell> options() {
  if constexpr (std::is_same_v<Cell, Zoneout<WeightDrop<LSTMCell>>>)
    return {.output = 0.2, .memory = 0.4, .cell = {.p = 0.3}};
  else if constexpr (std::is_same_v<Cell, Zoneout<LSTMCell>> ||
                     std::is_same_v<Cell, Zoneout<ForgetfulCell>>)
    return {.output = 0.2, .memory = 0.4};
  else if constexpr (std::is_same_v<Cell, Zoneout<RNNCell>>)
    return {.output = 0.3};
  else
    return {};
}

/// Layers in f64 that are always given the same draws, and a loss over outputs and last states.
template <class Cell>
struct Noisy {
  RNN<Cell> rnn;
  Parameter x;  // (T, B, in)
  FIELDS(rnn, x)
  Tensor weights, state_weights;

  Noisy(int64_t layers, bool bidirectional, Rng& rng)
      : rnn(cast(RNN<Cell>(3, 4, rng,
                           {.layers = layers,
                            .bidirectional = bidirectional,
                            .dropout = layers > 1 ? 0.3 : 0,
                            .locked_dropout = true,
                            .cell = options<Cell>()}),
                 f64)),
        x(random({7, 4, 3}, rng)),
        weights(random({7, 4, bidirectional ? 8 : 4}, rng)),
        state_weights(random({4, 4}, rng)) {}
  Var loss() const {
    Rng draws(kSeed, 5);
    const auto out = rnn(x, kLengths, {}, &draws);
    Var total = sum(out.y * weights);
    for (const Var& v : vars(out.state)) total = total + sum(v * state_weights);
    return total;
  }
};

template <class Cell>
Gradients gradients(Noisy<Cell>& m, const Bptt& bptt) {
  m.rnn.bptt = bptt;
  Tape tape;
  tape.backward(m.loss());
  return take_gradients(m);
}

}  // namespace

TEST_CASE_TEMPLATE("noise in cells passes gradient checks in all modes and both directions", Cell,
                   Zoneout<LSTMCell>, Zoneout<RNNCell>, WeightDrop<GRUCell>, WeightDrop<RNNCell>,
                   Zoneout<WeightDrop<LSTMCell>>, ForgetfulCell, Zoneout<ForgetfulCell>) {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  for (const int64_t layers : {1, 2})
    for (const bool bidirectional : {false, true})
      for (const Bptt& bptt : {Bptt{BpttMode::exact, 0}, Bptt{BpttMode::exact, 2},
                               Bptt{BpttMode::chunk, 2}, Bptt{BpttMode::full}}) {
        if (bidirectional && bptt.mode == BpttMode::exact) continue;
        CAPTURE(layers);
        CAPTURE(bidirectional);
        CAPTURE(static_cast<int>(bptt.mode));
        CAPTURE(bptt.steps);
        Noisy<Cell> m(layers, bidirectional, rng);
        m.rnn.bptt = bptt;
        FrozenStates frozen;
        const GradReport report = gradcheck(
            m, [](const Noisy<Cell>& n) { return n.loss(); },
            [&](const Noisy<Cell>& n) {
              frozen.rewind();
              m.rnn.bptt.frozen = &frozen;
              const Var value = n.loss();
              m.rnn.bptt.frozen = nullptr;
              return value;
            },
            8);
        CHECK_MESSAGE(report.ok, report.message);
      }
}

TEST_CASE_TEMPLATE("all modes see the same noise", Cell, Zoneout<WeightDrop<LSTMCell>>,
                   ForgetfulCell) {
  CAPTURE(kSeed);
  for (const int64_t layers : {1, 3}) {
    Rng rng(kSeed);
    Noisy<Cell> m(layers, false, rng);
    const double loss = m.loss().value().item();
    const Gradients full = gradients(m, {BpttMode::full});
    CHECK(magnitude(full) > 1);
    for (const Bptt& bptt : {Bptt{BpttMode::exact, 100}, Bptt{BpttMode::chunk, 100}}) {
      CHECK(difference(gradients(m, bptt), full) < 1e-12);
      CHECK(m.loss().value().item() == doctest::Approx(loss).epsilon(1e-13));
    }
    const double quiet = m.rnn(m.x, kLengths).y.value().at({0, 0, 0});
    Rng draws(1);
    CHECK(m.rnn(m.x, kLengths, {}, &draws).y.value().at({0, 0, 0}) != quiet);
  }
}

TEST_CASE("zoneout keeps whole units, and on average what evaluation keeps") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  const Zoneout<LSTMCell> cell =
      cast(Zoneout<LSTMCell>(3, 50, rng, {.output = 0.25, .memory = 0.5}), f64);
  const LSTMCell& plain = cell;
  const Tensor x = random({40, 3}, rng);
  const LSTMCell::State s{random({40, 50}, rng), random({40, 50}, rng)};
  const Var xw = cell.input(x);
  const auto next = plain.step(xw, s);
  const auto kept = cell.step(xw, s, cell.noise(Packing::uniform(1, 40), rng));
  const auto share = [](const Var& out, const Var& old, const Var& fresh) {
    const auto y = out.value().to_vector<double>(), a = old.value().to_vector<double>(),
               b = fresh.value().to_vector<double>();
    int64_t n = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      CHECK((y[i] == a[i] || y[i] == b[i]));
      n += y[i] == a[i];
    }
    return static_cast<double>(n) / static_cast<double>(y.size());
  };
  CHECK(share(kept.h, s.h, next.h) == doctest::Approx(0.25).epsilon(0.15));  // 5 deviations
  CHECK(share(kept.c, s.c, next.c) == doctest::Approx(0.5).epsilon(0.1));
  const auto mean = cell.step(xw, s, {});
  CHECK(difference(mean.h, s.h * 0.25 + next.h * 0.75) < 1e-14);
  CHECK(difference(mean.c, s.c * 0.5 + next.c * 0.5) < 1e-14);
}

TEST_CASE("weight drop drops the same weights at all steps, and none in evaluation") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  RNN<WeightDrop<GRUCell>> dropped =
      cast(RNN<WeightDrop<GRUCell>>(3, 4, rng, {.layers = 2, .cell = {.p = 0.5}}), f64);
  RNN<GRUCell> plain = cast(RNN<GRUCell>(3, 4, rng, {.layers = 2}), f64);
  NamedTensors tensors;  // the names are those of the cell
  to_tensors(dropped, tensors);
  from_tensors(plain, tensors);
  const Tensor x = random({6, 3, 3}, rng);
  CHECK(difference(dropped(x).y, plain(x).y) == 0);

  Rng a(3), b(3), c(3);
  const auto batch = dropped(x, {}, {}, &a);
  for (GRUCell& cell : plain.cells) cell.w_hh.value() = dropout(cell.w_hh, 0.5, &b).value();
  CHECK(difference(batch.y, plain(x).y) < 1e-14);
  CHECK(difference(batch.y, dropped(x).y) > 1e-3);

  // stepping with the noise of a run
  const auto noise = dropped.noise(Packing::uniform(1, 3), &c);
  auto state = dropped.zero(3);
  for (int64_t t = 0; t < 6; ++t) {
    const auto out = dropped.step(x.select(0, t), state, noise);
    CHECK(difference(out.y, select(batch.y, 0, t)) < 1e-14);
    state = out.state;
  }
}

TEST_CASE("locked dropout drops a unit of a sequence at all steps or at none") {
  Rng rng(kSeed), a(1), b(1), c(2);
  CAPTURE(kSeed);
  const Packing p(kLengths);
  const Tensor ones = Tensor::full({p.rows(), 30}, 1, f64);
  const Tensor y = locked_dropout(ones, p, 0.5, &a).value();
  int64_t zeros = 0;
  for (int64_t t = 0; t < p.steps(); ++t) {
    const int64_t n = p.counts[static_cast<size_t>(t)];
    CHECK(difference(y.narrow(0, p.offsets[static_cast<size_t>(t)], n), y.narrow(0, 0, n)) == 0);
  }
  for (const double v : y.narrow(0, 0, 4).to_vector<double>()) {
    CHECK((v == 0 || v == 2));
    zeros += v == 0;
  }
  CHECK(zeros > 30);
  CHECK(zeros < 90);
  CHECK(difference(y.select(0, 0), y.select(0, 1)) > 0);
  // (time, batch, width)
  const Tensor z = locked_dropout(Tensor::full({5, 4, 30}, 1, f64), 0.5, &b).value();
  CHECK(difference(z.select(0, 4), y.narrow(0, 0, 4)) == 0);

  CHECK(difference(locked_dropout(ones, p, 0.5, nullptr), ones) == 0);
  CHECK(difference(locked_dropout(ones, p, 0, &c), ones) == 0);
  CHECK_THROWS_AS(locked_dropout(ones, p, 1, &c), ValueError);
  CHECK_THROWS_WITH_AS(locked_dropout(ones.narrow(0, 0, 3), p, 0.5, &c),
                       "locked_dropout: (3, 30) for 13 packed rows, expected (rows, width)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(locked_dropout(ones, 0.5, &c),
                       "locked_dropout: (13, 30), expected (time, batch, width)", ShapeError);
}

TEST_CASE("probabilities outside of [0, 1) are refused") {
  Rng rng(1);
  CHECK_THROWS_WITH_AS((WeightDrop<LSTMCell>(2, 3, rng, {.p = 1})),
                       "WeightDrop: p is 1, expected 0 <= p < 1", ValueError);
  CHECK_THROWS_WITH_AS((Zoneout<LSTMCell>(2, 3, rng, {.memory = -0.5})),
                       "Zoneout: a probability of -0.5, expected 0 <= p < 1", ValueError);
}

TEST_CASE("workers train cells with noise: one like an optimizer, several the same in every run") {
  struct Model {
    RNN<Zoneout<WeightDrop<LSTMCell>>> rnn;
    Linear out;
    FIELDS(rnn, out)
    Var loss(int64_t item) const {
      Rng draws(kSeed, static_cast<uint64_t>(item));
      const Tensor x = uniform({6, 3, 2}, 1, draws);
      const auto h = rnn(x, Lengths{3, 6, 2}, {}, &draws);
      return mse(out(output(h.state)), sum(x, 0).narrow(1, 0, 1));
    }
  };
  CAPTURE(kSeed);
  Rng rng(kSeed);
  const Model start{
      {2, 8, rng, {.bptt = {BpttMode::exact, 3}, .cell = options<Zoneout<WeightDrop<LSTMCell>>>()}},
      Linear(8, 1, rng)};
  const auto distance = [](Model& a, Model& b) {
    double worst = 0;
    const auto x = parameters(a), y = parameters(b);
    for (size_t i = 0; i < x.size(); ++i)
      worst = std::max(worst, difference(x[i].parameter->value(), y[i].parameter->value()));
    return worst;
  };
  const auto serve = [&](int workers, UpdatePolicy policy) {
    Model model = start;
    ParameterServer<Model>(model, Adam{.lr = 0.01}, {.workers = workers, .update = policy})
        .run(12,
             [](Model& m, Worker& w, int64_t item) { w.update([&] { return m.loss(item); }, 11); });
    return model;
  };
  Model plain = start;
  Optimizer optimizer(plain, Adam{.lr = 0.01});
  for (int64_t item = 0; item < 12; ++item) {
    {
      Tape tape;
      tape.backward(plain.loss(item));
    }
    optimizer.step();
  }
  Model one = serve(1, UpdatePolicy::async);
  CHECK(distance(one, plain) == 0);
  Model first = serve(3, UpdatePolicy::sync), second = serve(3, UpdatePolicy::sync);
  CHECK(distance(first, second) == 0);
  CHECK(distance(first, one) > 0);
}
