// Truncated back-propagation through time: the three modes against their definition (naive_bptt.h)
// and against finite differences, for the library's cells and for one with two state fields.

#include <doctest/doctest.h>

#include <tapestry/nn/linear.h>
#include "naive_bptt.h"

using namespace tapestry;
using namespace tapestry::testing;

namespace {

constexpr uint64_t kSeed = 20240607;

/// A cell whose second state field is read by the first, and the other way round.
struct TwoSpeedCell {
  struct State {
    Var fast, slow;
    FIELDS(fast, slow)
  };
  Parameter w_x, w_h, w_s;
  FIELDS(w_x, w_h, w_s)

  TwoSpeedCell(int64_t in, int64_t hidden, Rng& rng)
      : w_x(xavier({in, hidden}, rng)),
        w_h(xavier({hidden, hidden}, rng)),
        w_s(xavier({hidden, hidden}, rng)) {}
  Var input(const Var& x) const { return matmul(x, w_x); }
  State step(const Var& xw, const State& s) const {
    const Var fast = tanh(xw + matmul(s.fast, w_h) + matmul(s.slow, w_s));
    return {fast, s.slow * 0.8 + fast * s.fast * 0.3};
  }
  State zero(int64_t batch) const {
    const Var z = Tensor::zeros({batch, w_h.shape()[0]}, w_h.value().dtype());
    return {z, z};
  }
};

const std::vector<std::vector<int64_t>> kLengths = {{7}, {6, 6, 6}, {2, 7, 1, 5, 7}};

template <class Cell>
Subject<Cell> subject(int64_t layers, const std::vector<int64_t>& lengths, uint64_t seed = kSeed) {
  Rng rng(seed);
  return Subject<Cell>(3, 4, layers, 8, lengths, rng);
}

}  // namespace

TEST_CASE_TEMPLATE("exact truncation equals one window per output", Cell, RNNCell, LSTMCell,
                   GRUCell, TwoSpeedCell) {
  CAPTURE(kSeed);
  for (const int64_t layers : {1, 2})
    for (const auto& lengths : kLengths)
      for (const int64_t steps : {0, 1, 2, 4, 6, 100}) {
        CAPTURE(layers);
        CAPTURE(lengths.size());
        CAPTURE(steps);
        auto m = subject<Cell>(layers, lengths);
        CHECK(difference_from_definition(m, BpttMode::exact, steps) < 1e-12);
      }
}

TEST_CASE_TEMPLATE("chunk and full equal their definitions", Cell, RNNCell, LSTMCell, GRUCell,
                   TwoSpeedCell) {
  CAPTURE(kSeed);
  for (const int64_t layers : {1, 2})
    for (const auto& lengths : kLengths) {
      CAPTURE(layers);
      CAPTURE(lengths.size());
      auto m = subject<Cell>(layers, lengths);
      CHECK(difference_from_definition(m, BpttMode::full, 0) < 1e-12);
      for (const int64_t steps : {1, 2, 4, 6, 100}) {
        CAPTURE(steps);
        CHECK(difference_from_definition(m, BpttMode::chunk, steps) < 1e-12);
      }
    }
}

TEST_CASE_TEMPLATE("gradients that come from last states alone are truncated too", Cell, LSTMCell,
                   TwoSpeedCell) {
  CAPTURE(kSeed);
  for (const BpttMode mode : {BpttMode::exact, BpttMode::chunk, BpttMode::full})
    for (const int64_t steps : {1, 3, 100}) {
      auto m = subject<Cell>(2, {2, 7, 1, 5, 7});
      m.outputs = false;
      CHECK(difference_from_definition(m, mode, steps) < 1e-12);
      m.outputs = true;
      m.states = false;
      CHECK(difference_from_definition(m, mode, steps) < 1e-12);
    }
}

TEST_CASE("the number of transitions that errors cross changes the gradient, never the loss") {
  auto m = subject<GRUCell>(1, {7, 7});
  const double loss = library_backward(m, BpttMode::full, 0);
  const Gradients full = take_gradients(m);
  for (const int64_t steps : {0, 1, 2, 5}) {
    CHECK(library_backward(m, BpttMode::exact, steps) == doctest::Approx(loss).epsilon(1e-13));
    CHECK(difference(take_gradients(m), full) > 1e-6);
  }
  library_backward(m, BpttMode::exact, 6);  // 7 steps: 6 transitions, and one from the start state
  const Gradients six = take_gradients(m);
  CHECK(difference(six.at("initial.0"), full.at("initial.0")) > 1e-9);
  library_backward(m, BpttMode::exact, 7);
  CHECK(difference(take_gradients(m), full) < 1e-13);
}

TEST_CASE_TEMPLATE("the truncated gradient passes finite differences with frozen states", Cell,
                   RNNCell, LSTMCell, GRUCell, TwoSpeedCell) {
  CAPTURE(kSeed);
  for (const BpttMode mode : {BpttMode::exact, BpttMode::chunk, BpttMode::full})
    for (const int64_t layers : {1, 2})
      for (const int64_t steps : {1, 3}) {
        CAPTURE(layers);
        CAPTURE(steps);
        auto m = subject<Cell>(layers, {2, 6, 1, 4});
        m.rnn.bptt = {mode, steps};
        FrozenStates frozen;
        const auto surrogate = [&](const Subject<Cell>& s) {
          frozen.rewind();
          m.rnn.bptt.frozen = &frozen;
          const Var loss = s.loss();
          m.rnn.bptt.frozen = nullptr;
          return loss;
        };
        const GradReport report = gradcheck(
            m, [](const Subject<Cell>& s) { return s.loss(); }, surrogate, 8);
        CHECK_MESSAGE(report.ok, report.message);
        // and the check can tell a truncated gradient from a whole one
        if (mode != BpttMode::full) {
          const GradReport wrong = gradcheck(m, [](const Subject<Cell>& s) { return s.loss(); });
          CHECK_FALSE(wrong.ok);
        }
      }
}

TEST_CASE("with frozen states set, a recorded loss has the same truncated gradient") {
  for (const BpttMode mode : {BpttMode::exact, BpttMode::chunk}) {
    auto m = subject<LSTMCell>(2, {2, 6, 1, 4});
    library_backward(m, mode, 2);
    const Gradients expected = take_gradients(m);
    FrozenStates frozen;
    m.rnn.bptt.frozen = &frozen;
    Tape tape;
    tape.backward(m.loss());
    CHECK(difference(take_gradients(m), expected) < 1e-13);
  }
}

// An encoder whose last state starts a decoder, both truncated, on one tape.
TEST_CASE("two unrolls on one tape truncate each by itself") {
  struct Model {
    RNN<LSTMCell> encoder, decoder;
    FIELDS(encoder, decoder)
    Tensor x, target;
    Var loss() const {
      const std::vector<int64_t> lengths{3, 6, 4};
      const auto encoded = encoder(x, lengths);
      const auto state = map_state(decoder.zero(3), [](const Var& v) { return v; });
      auto from = state;
      from.layers[0] = encoded.state.layers[0];
      const auto decoded = decoder(x, {}, from);
      return sum(square(decoded.y - target)) + sum(encoded.y * 0.3);
    }
  };
  CAPTURE(kSeed);
  Rng rng(kSeed);
  Model m{cast(RNN<LSTMCell>(2, 3, rng), f64), cast(RNN<LSTMCell>(2, 3, rng), f64),
          random({6, 3, 2}, rng), random({6, 3, 3}, rng)};
  const auto gradients = [&](Bptt encoder, Bptt decoder) {
    m.encoder.bptt = encoder;
    m.decoder.bptt = decoder;
    Tape tape;
    tape.backward(m.loss());
    return take_gradients(m);
  };
  const Bptt exact{BpttMode::exact, 2}, chunk{BpttMode::chunk, 2}, full{BpttMode::full},
      whole{BpttMode::exact, 100};
  const Gradients expected = gradients(full, full);
  CHECK(difference(gradients(whole, whole), expected) < 1e-12);
  CHECK(difference(gradients(full, whole), expected) < 1e-12);
  CHECK(difference(gradients(exact, exact), expected) > 1e-6);

  for (const auto& [encoder, decoder] :
       {std::pair{exact, exact}, std::pair{exact, chunk}, std::pair{chunk, exact}}) {
    m.encoder.bptt = encoder;
    m.decoder.bptt = decoder;
    FrozenStates frozen;
    const auto surrogate = [&](const Model& model) {
      frozen.rewind();
      m.encoder.bptt.frozen = m.decoder.bptt.frozen = &frozen;
      const Var loss = model.loss();
      m.encoder.bptt.frozen = m.decoder.bptt.frozen = nullptr;
      return loss;
    };
    const GradReport report = gradcheck(
        m, [](const Model& n) { return n.loss(); }, surrogate);
    CHECK_MESSAGE(report.ok, report.message);
    CHECK(frozen.runs.size() == 2);
  }
}

TEST_CASE("one cell unrolled twice on one tape adds both gradients") {
  Rng rng(kSeed);
  RNN<GRUCell> rnn = cast(RNN<GRUCell>(2, 3, rng), f64);
  rnn.bptt = {BpttMode::exact, 2};
  const Tensor a = random({5, 2, 2}, rng), b = random({4, 3, 2}, rng);
  const auto loss = [&](const Tensor& x) { return sum(square(rnn(x).y)); };
  {
    Tape tape;
    tape.backward(loss(a) + loss(b));
  }
  const Gradients together = take_gradients(rnn);
  for (const Tensor& x : {a, b}) {
    Tape tape;
    tape.backward(loss(x));
  }
  CHECK(difference(together, take_gradients(rnn)) < 1e-13);
  CHECK(magnitude(together) > 0.1);
}

TEST_CASE_TEMPLATE("without a tape every mode gives the values of full", Cell, RNNCell, LSTMCell,
                   TwoSpeedCell) {
  for (const int64_t layers : {1, 2}) {
    auto m = subject<Cell>(layers, {2, 7, 1, 5, 7});
    m.rnn.bptt = {BpttMode::full};
    const auto full = m.rnn(m.x, m.lengths, m.start(5));
    for (const Bptt& bptt : {Bptt{BpttMode::exact, 0}, Bptt{BpttMode::exact, 3},
                             Bptt{BpttMode::chunk, 1}, Bptt{BpttMode::chunk, 3}}) {
      m.rnn.bptt = bptt;
      const auto plain = m.rnn(m.x, m.lengths, m.start(5));
      CHECK(difference(plain.y, full.y) == 0);
      CHECK(state_difference(plain.state, full.state) == 0);
      const Tape tape;
      const auto recorded = m.rnn(m.x, m.lengths, m.start(5));
      CHECK(difference(recorded.y, full.y) < 1e-14);
      CHECK(state_difference(recorded.state, full.state) < 1e-14);
    }
  }
}

TEST_CASE("the initial state need not want a gradient") {
  auto m = subject<LSTMCell>(1, {3, 5});
  for (Parameter& p : m.initial) p.freeze();
  m.x.freeze();
  library_backward(m, BpttMode::exact, 2);
  const Gradients ours = take_gradients(m);
  naive_backward(m, BpttMode::exact, 2);
  CHECK(difference(ours, take_gradients(m)) < 1e-12);
  CHECK(magnitude({{"initial", ours.at("initial.0")}, {"x", ours.at("x")}}) == 0);
}

TEST_CASE("unroll works on any step function") {
  // s' = a s + x: y_t = sum over k of a^k x_{t-k}
  struct State {
    Var s;
    FIELDS(s)
  };
  const Parameter a(Tensor::full({1}, 0.5, f64));
  const Tensor x = Tensor::from({3, 1}, {1, 2, 3}, f64);
  const auto step = [&](int64_t first, int64_t count, const State& s) {
    return State{s.s * a + x.narrow(0, first, count)};
  };
  const Packing p = Packing::uniform(3, 1);
  const State start{Tensor::zeros({1, 1}, f64)};
  const auto run = [&](const Bptt& bptt) {
    a.grad().clear();
    Tape tape;
    const auto out = unroll(p, start, bptt, step);
    CHECK(out.y.value().to_vector<double>() == std::vector<double>{1, 2.5, 4.25});
    CHECK(out.last.s.value().item() == 4.25);
    tape.backward(sum(out.y));
    return a.grad().dense().item();
  };
  // d y_t / d a by hand: y_{t-1} directly, plus a d y_{t-1}, plus a^2 ...
  CHECK(run({BpttMode::exact, 0}) == doctest::Approx(0 + 1 + 2.5));
  CHECK(run({BpttMode::exact, 1}) == doctest::Approx(0 + 1 + 2.5 + 0.5 * 1));
  CHECK(run({BpttMode::full}) == doctest::Approx(0 + 1 + 2.5 + 0.5 * 1));
  CHECK(run({BpttMode::chunk, 1}) == doctest::Approx(0 + 1 + 2.5));
  CHECK(run({BpttMode::chunk, 2}) == doctest::Approx(0 + 1 + 2.5));
}

TEST_CASE("truncation that does not exist is refused") {
  auto m = subject<RNNCell>(1, {3, 3});
  m.rnn.bptt = {BpttMode::exact, -1};
  CHECK_THROWS_WITH_AS(m.loss(), "bptt: -1 steps, expected at least 0 (exact)", ValueError);
  m.rnn.bptt = {BpttMode::chunk, 0};
  CHECK_THROWS_WITH_AS(m.loss(), "bptt: 0 steps, expected at least 1 (chunk)", ValueError);
  m.rnn.bptt = {BpttMode::full, -7};  // not looked at
  CHECK_NOTHROW(m.loss());
}

namespace {

/// An RNN inside the step of another: a row's input, read feature by feature.
struct Nested {
  RNN<RNNCell> inner;
  RNNCell cell;
  FIELDS(inner, cell)
  Tensor x;  // (T B, features)
  Bptt bptt;

  Var loss() const {
    const auto step = [&](int64_t first, int64_t count, const RNNCell::State& s) {
      const Var rows = x.narrow(0, first, count).transpose().reshape({x.size(1), count, 1});
      return cell.step(output(inner(rows).state), s);
    };
    const auto out = unroll(Packing::uniform(x.size(0) / 2, 2), cell.zero(2), bptt, step);
    return sum(square(out.y)) + sum(out.last.h * 0.3);
  }
};

Nested nested(Rng& rng) {
  return cast(Nested{RNN<RNNCell>(1, 3, rng), RNNCell(0, 3, rng), random({8, 3}, rng), {}}, f64);
}

Gradients gradients_of(Nested& m) {
  Tape tape;
  tape.backward(m.loss());
  return take_gradients(m);
}

}  // namespace

TEST_CASE("an exact truncation inside the step of another truncates each by itself") {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  Nested m = nested(rng);
  m.bptt = m.inner.bptt = {BpttMode::full};
  const Gradients whole = gradients_of(m);
  m.bptt = m.inner.bptt = {BpttMode::exact, 100};
  CHECK(difference(gradients_of(m), whole) < 1e-12);
  for (const int64_t steps : {0, 1, 2}) {  // outside cut, inside whole; and the other way round
    m.inner.bptt = {BpttMode::full};
    m.bptt = {BpttMode::exact, steps};
    const Gradients outer = gradients_of(m);
    m.inner.bptt = {BpttMode::exact, 100};
    CHECK(difference(gradients_of(m), outer) < 1e-12);
    m.inner.bptt = {BpttMode::exact, steps};
    m.bptt = {BpttMode::full};
    const Gradients inner = gradients_of(m);
    m.bptt = {BpttMode::exact, 100};
    CHECK(difference(gradients_of(m), inner) < 1e-12);
    CHECK(difference(outer, whole) > 1e-9);
    CHECK((difference(inner, whole) > 1e-9) == (steps < 2));  // three steps have two transitions
  }
}

TEST_CASE("an exception inside an exact step leaves the tape usable") {
  Rng rng(kSeed);
  RNN<RNNCell> rnn = cast(RNN<RNNCell>(2, 3, rng), f64);
  rnn.bptt = {BpttMode::exact, 2};
  const Tensor x = random({5, 2, 2}, rng);
  const auto gradients = [&](bool fails) {
    Tape tape;
    if (fails) {
      const RNNCell& cell = rnn.cells[0];
      int calls = 0;
      CHECK_THROWS_AS(unroll(Packing::uniform(5, 2), cell.zero(2), rnn.bptt,
                             [&](int64_t, int64_t count, const RNNCell::State& s) {
                               if (++calls == 6) throw std::runtime_error("no");  // all at once
                               return cell.step(Tensor::zeros({count, 3}, f64), s);
                             }),
                      std::runtime_error);
    }
    tape.backward(sum(square(rnn(x).y)));
    return take_gradients(rnn);
  };
  const Gradients expected = gradients(false);
  CHECK(difference(gradients(true), expected) == 0);
}

TEST_CASE_TEMPLATE("a step that draws its own masks is found out by exact truncation", Number,
                   float, double) {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  const GRUCell cell = cast(GRUCell(4, 20, rng), dtype_of<Number>);
  const Packing p(std::vector<int64_t>{9, 4, 7});
  const Tensor xw = cell.input(random({p.rows(), 4}, rng).cast(dtype_of<Number>)).value();
  Rng drops(kSeed);
  const auto run = [&](Rng* generator, double factor) {
    const Tape tape;
    return unroll(p, cell.zero(3), {BpttMode::exact, 2},
                  [&](int64_t first, int64_t count, const GRUCell::State& s) {
                    const Var x = xw.narrow(0, first, count) * factor;
                    return cell.step(x, {dropout(s.h, 0.05, generator)});
                  });
  };
  CHECK_THROWS_WITH_AS(
      run(&drops, 1),
      "unroll: the step gave other states for all rows at once than it did one time step after the "
      "other, which exact truncation needs to be the same (draw masks for all rows before, and "
      "narrow them in the step to the rows that it is told)",
      ValueError);
  CHECK_NOTHROW(run(nullptr, 1));
  CHECK_NOTHROW(run(nullptr, std::numeric_limits<double>::quiet_NaN()));
  CHECK_NOTHROW(run(nullptr, std::numeric_limits<double>::infinity()));
}

TEST_CASE_TEMPLATE("recomputed steps give the same gradients", Cell, RNNCell, LSTMCell, GRUCell,
                   TwoSpeedCell) {
  CAPTURE(kSeed);
  for (const int64_t layers : {1, 2})
    for (const auto& lengths : kLengths)
      for (const Bptt& bptt : {Bptt{BpttMode::full}, Bptt{BpttMode::chunk, 3}})
        for (const int64_t recompute : {1, 2, 3, 5, 100}) {
          CAPTURE(recompute);
          auto m = subject<Cell>(layers, lengths);
          m.rnn.bptt = bptt;
          const auto run = [&] {
            Tape tape;
            const Var loss = m.loss();
            tape.backward(loss);
            return std::pair(loss.value().item(), take_gradients(m));
          };
          const auto [loss, expected] = run();
          m.rnn.bptt.recompute = recompute;
          const auto [again, gradients] = run();
          CHECK(again == doctest::Approx(loss).epsilon(1e-14));
          CHECK(difference(gradients, expected) < 1e-12);
        }
}

TEST_CASE("recomputation that does not exist is refused") {
  auto m = subject<RNNCell>(1, {3, 3});
  m.rnn.bptt = {.mode = BpttMode::exact, .steps = 1, .recompute = 2};
  CHECK_THROWS_WITH_AS(m.loss(),
                       "bptt: recompute is 2: exact truncation keeps all steps (use chunk or full)",
                       ValueError);
  m.rnn.bptt = {.mode = BpttMode::full, .recompute = -1};
  CHECK_THROWS_WITH_AS(m.loss(), "bptt: recompute is -1, expected 0 (no) or a number of steps",
                       ValueError);
}

TEST_CASE("gradients of the inputs of a truncated run are those that backward gives") {
  CAPTURE(kSeed);
  for (const BpttMode mode : {BpttMode::exact, BpttMode::chunk, BpttMode::full}) {
    auto m = subject<LSTMCell>(2, {2, 7, 1, 5, 7});
    m.rnn.bptt = {mode, 2};
    Tape tape;
    const Var loss = m.loss();
    const auto asked = tape.gradients(loss, {m.x, m.initial[0], m.rnn.cells[1].w_hh});
    const auto again = tape.gradients(loss, {m.rnn.cells[1].w_hh});
    tape.backward(loss);
    const Gradients all = take_gradients(m);
    CHECK(difference(asked[0], all.at("x")) < 1e-13);
    CHECK(difference(asked[1], all.at("initial.0")) < 1e-13);
    CHECK(difference(asked[2], all.at("rnn.cells.1.w_hh")) < 1e-13);
    CHECK(difference(again[0], all.at("rnn.cells.1.w_hh")) < 1e-13);
  }
}
