// Whole sequences as one op: the same as step after step, values and gradients, in every mode,
// layout and type.

#include <doctest/doctest.h>

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/rnn.h>
#include <tapestry/tensor/recurrence.h>
#include <tapestry/tensor/storage.h>

#include "compare.h"
#include "sanitizers.h"

using namespace tapestry;
using namespace tapestry::testing;

namespace {

constexpr uint64_t kSeed = 20250114;

/// The same cells, which RNN steps: their type is not known to run at once.
template <class Cell>
struct Stepped : Cell {
  using Cell::Cell;
};

struct Run {
  Var y;
  Tensor dx;
  Gradients gradients;
  std::vector<Tensor> state;
};

/// Of a loss that all outputs and last states enter.
template <class Cell>
Run run(RNN<Cell>& rnn, const Tensor& x, std::span<const int64_t> lengths, uint64_t seed) {
  Tape tape;
  Rng noise(seed), drawn(7);
  const Var in = tape.watch(x);
  typename RNN<Cell>::State initial = rnn.zero(x.size(1));
  initial = map_state(
      initial, [&](const Var& v) { return tape.watch(uniform(v.shape(), 1, drawn, x.dtype())); });
  auto out = rnn(in, lengths, initial, seed ? &noise : nullptr);
  Var loss = sum(square(out.y));
  std::vector<Tensor> state;
  for (const Var& v : vars(out.state)) loss = loss + sum(v * 0.5), state.push_back(v.value());
  std::vector<Var> inputs{in};
  for (const Var& v : vars(initial)) inputs.push_back(v);
  for (Tensor& d : tape.gradients(loss, inputs)) state.push_back(std::move(d));
  tape.backward(loss);
  return {out.y, state[state.size() - inputs.size()], take_gradients(rnn), state};
}

template <class Cell, class Other>
void same(const RnnOptions<Cell>& options, const RnnOptions<Other>& others, DType dtype,
          std::span<const int64_t> lengths, const char* what) {
  CAPTURE(what);
  CAPTURE(name_of(dtype));
  CAPTURE(kSeed);
  constexpr int64_t kWidth = 136;  // a GRU's, an LSTM's and a plain cell's weights are large enough
  Rng rng(kSeed), same_rng(kSeed), data(3);
  RNN<Cell> rnn(5, kWidth, rng, options);
  RNN<Other> stepped(5, kWidth, same_rng, others);
  const Tensor x = uniform({6, 5, 5}, 1, data, dtype);
  const double eps = dtype == f32 ? 2e-4 : 1e-11;
  for (const Bptt bptt : {Bptt{BpttMode::full}, Bptt{BpttMode::chunk, 4}, Bptt{BpttMode::chunk, 1}})
    for (const uint64_t seed : {0, 11}) {
      CAPTURE(seed);
      CAPTURE(bptt.steps);
      rnn.bptt = stepped.bptt = bptt;
      const Run a = run(rnn, x, lengths, seed), b = run(stepped, x, lengths, seed);
      CHECK(difference(a.y, b.y) < eps);
      CHECK(difference(a.dx, b.dx) < eps);
      CHECK(difference(a.gradients, b.gradients) < eps);
      CHECK(magnitude(a.gradients) > 1);
      REQUIRE(a.state.size() == b.state.size());
      for (size_t i = 0; i < a.state.size(); ++i) CHECK(difference(a.state[i], b.state[i]) < eps);
    }
}

const std::vector<int64_t> kRagged{3, 6, 1, 6, 4};

}  // namespace

TEST_CASE("a sequence at once is what step after step gives") {
  for (const DType dtype : {f32, f64})
    for (const std::span<const int64_t> lengths :
         {std::span<const int64_t>(), std::span(kRagged)}) {
      for (const bool bias : {true, false}) {
        const CellOptions cell{.bias = bias, .dtype = dtype};
        same<LSTMCell, Stepped<LSTMCell>>({.cell = cell}, {.cell = cell}, dtype, lengths, "LSTM");
        same<GRUCell, Stepped<GRUCell>>({.cell = cell}, {.cell = cell}, dtype, lengths, "GRU");
      }
      for (const Activation f : {Activation::tanh, Activation::relu}) {
        const RNNCellOptions cell{.activation = f, .dtype = dtype};
        same<RNNCell, Stepped<RNNCell>>({.cell = cell}, {.cell = cell}, dtype, lengths, "RNN");
      }
      const CellOptions cell{.dtype = dtype};
      same<LSTMCell, Stepped<LSTMCell>>({.layers = 2, .bidirectional = true, .cell = cell},
                                        {.layers = 2, .bidirectional = true, .cell = cell}, dtype,
                                        lengths, "two layers, both directions");
      const WeightDropOptions<LSTMCell> drops{.p = 0.3, .cell = cell};
      const WeightDropOptions<Stepped<LSTMCell>> stepped{.p = 0.3, .cell = cell};
      same<WeightDrop<LSTMCell>, WeightDrop<Stepped<LSTMCell>>>({.cell = drops}, {.cell = stepped},
                                                                dtype, lengths, "weight drop");
      same<Zoneout<WeightDrop<LSTMCell>>, Zoneout<WeightDrop<Stepped<LSTMCell>>>>(
          {.cell = {.cell = drops}}, {.cell = {.cell = stepped}}, dtype, lengths,
          "with no zoneout");
    }
}

TEST_CASE("it is one op, where the weights are large and the step is the library's") {
  const auto ops = [](auto rnn) {
    Tape tape;
    const Var y = rnn(uniform({3, 2, 5}, 1, *std::make_unique<Rng>(1))).y;
    return tape.names();
  };
  const auto has = [](const std::vector<std::string>& names, const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  Rng rng(1);
  CHECK(has(ops(RNN<LSTMCell>(5, 80, rng)), "lstm_recurrence"));
  CHECK(has(ops(RNN<GRUCell>(5, 80, rng)), "gru_recurrence"));
  CHECK(has(ops(RNN<RNNCell>(5, 160, rng)), "rnn_recurrence"));
  CHECK(has(ops(RNN<LSTMCell>(5, 40, rng)), "lstm_gates"));
  CHECK(has(ops(RNN<Stepped<LSTMCell>>(5, 80, rng)), "lstm_gates"));
  CHECK(has(ops(RNN<Zoneout<WeightDrop<LSTMCell>>>(5, 80, rng)), "lstm_recurrence"));
  CHECK(has(ops(RNN<Zoneout<LSTMCell>>(5, 80, rng, {.cell = {.memory = 0.1}})), "lstm_gates"));
  CHECK(has(ops(RNN<LSTMCell>(5, 80, rng, {.bptt = {BpttMode::exact, 2}})), "lstm_gates"));
}

TEST_CASE("bits of a row depend neither on its place nor on what else is in the batch") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  const Tensor x = uniform({30, 4 * 70}, 1, rng), w = uniform({70, 4 * 70}, 0.2, rng);
  const auto states = [&](int64_t first, int64_t batch) {  // three steps of 10 sequences
    std::vector<Tensor> steps;
    for (int64_t t = 0; t < 3; ++t) steps.push_back(x.narrow(0, 10 * t + first, batch));
    const auto n = static_cast<int32_t>(batch);
    const Tensor zero = Tensor::zeros({batch, 70});
    return recurrence("test", {Recurrence::lstm,
                               concat(std::span<const Tensor>(steps)),
                               w,
                               {},
                               zero,
                               zero,
                               Tensor::indices({0, n, 2 * n, 3 * n})})
        .h;
  };
  const Tensor all = states(0, 10);
  for (int64_t batch = 1; batch <= 9; ++batch)
    for (int64_t first = 0; first + batch <= 10; ++first) {
      const Tensor some = states(first, batch);
      for (int64_t t = 0; t < 3; ++t)
        REQUIRE(some.narrow(0, t * batch, batch).clone().to_vector<float>() ==
                all.narrow(0, 10 * t + first, batch).clone().to_vector<float>());
    }
}

TEST_CASE("a value does not depend on whether a Tape records it, but for exact truncation") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (const Bptt bptt : {Bptt{BpttMode::chunk, 2}, Bptt{BpttMode::full}}) {
    RNN<LSTMCell> rnn(5, 70, rng, {.bptt = bptt, .cell = {.dtype = f64}});
    const Tensor x = uniform({6, 3, 5}, 1, rng, f64);
    const std::vector<double> plain = rnn(x).y.value().to_vector<double>();
    Tape tape;
    CHECK(rnn(x).y.value().to_vector<double>() == plain);
  }
}

TEST_CASE("a warm pass takes no memory from the system") {
  Rng rng(1);
  RNN<GRUCell> rnn(20, 90, rng);
  const Tensor x = uniform({12, 7, 20}, 1, rng);
  const auto pass = [&] {
    for (const auto& p : parameters(rnn)) p.parameter->grad().clear();
    Tape tape;
    tape.backward(sum(rnn(x).y));
  };
  pass(), pass();
  [[maybe_unused]] const int64_t before = storage_stats().allocations;
  pass();
#ifndef TAPESTRY_ASAN  // where the pool is off
  CHECK(storage_stats().allocations == before);
#endif
}

TEST_CASE("operands that do not fit are named") {
  const Tensor x = Tensor::zeros({5, 12}), w = Tensor::zeros({3, 12}), h = Tensor::zeros({3, 3});
  const Tensor at = Tensor::indices({0, 3, 5});
  CHECK(lstm_recurrence(x, w, h, h, at)[0].shape() == Shape{5, 3});
  CHECK_THROWS_WITH_AS(lstm_recurrence(x, Tensor::zeros({3, 9}), h, h, at),
                       "lstm_recurrence: the weights are (3, 9), expected (hidden, 4 hidden)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(lstm_recurrence(x, w, h, Tensor::zeros({2, 3}), at),
                       "lstm_recurrence: c is (2, 3), expected (3, 3)", ShapeError);
  CHECK_THROWS_WITH_AS(lstm_recurrence(Tensor::zeros({4, 12}), w, h, h, at),
                       "lstm_recurrence: the inputs' part is (4, 12), expected (5, 12)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(lstm_recurrence(x, w, h, h, Tensor::indices({0, 2, 5})),
                       "lstm_recurrence: step 0 has 2 rows, expected 3", ShapeError);
  CHECK_THROWS_WITH_AS(lstm_recurrence(x, w, h, h, Tensor::indices({0, 3, 7})),
                       "lstm_recurrence: step 1 has 4 rows, expected 1 to 3", ShapeError);
  CHECK_THROWS_AS(lstm_recurrence(x, w, h, h, Tensor::zeros({3})), DTypeError);
  CHECK_THROWS_AS(rnn_recurrence(Tensor::zeros({5, 3}, f64), Tensor::zeros({3, 3}), h, at),
                  DTypeError);
  CHECK_THROWS_AS(
      gru_recurrence(Tensor::zeros({5, 9}), Tensor::zeros({3, 9}), Tensor::zeros({8}), h, at),
      ShapeError);
}
