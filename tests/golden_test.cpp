// Values and gradients against PyTorch 1.13 (recurrent layers, cross entropy) and against a plain
// per-output loop in NumPy (truncated_bptt_*), float64; each file's metadata says what it holds.
// Their layouts differ from ours: matrices are transposed, and their two biases are one of ours
// wherever they are only added (RNN, LSTM).

#include <doctest/doctest.h>

#include <tapestry/nn/embedding.h>
#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>
#include <tapestry/tensor/safetensors.h>
#include "compare.h"

using namespace tapestry;
using namespace tapestry::testing;

namespace {

NamedTensors golden(const std::string& name) {
  return read_safetensors(TAPESTRY_SOURCE_DIR "/tests/data/" + name + ".safetensors");
}

constexpr double kTolerance = 1e-10;

/// Sets the weights of one layer from theirs.
template <class Cell>
void set_weights(Cell& cell, const NamedTensors& g, const std::string& layer) {
  const auto& t = g.tensors;
  cell.w_ih.value().copy_(t.at("weight_ih" + layer).transpose());
  cell.w_hh.value().copy_(t.at("weight_hh" + layer).transpose());
  if constexpr (requires { cell.bias_hh; }) {
    cell.bias.value().copy_(t.at("bias_ih" + layer));
    cell.bias_hh.value().copy_(t.at("bias_hh" + layer));
  } else {
    cell.bias.value().copy_(t.at("bias_ih" + layer) + t.at("bias_hh" + layer));
  }
}

/// The largest difference between the gradients of one layer and theirs.
template <class Cell>
double gradient_difference(const Cell& cell, const NamedTensors& g, const std::string& layer) {
  const auto compare = [&](const Parameter& p, const std::string& theirs, bool transposed) {
    const Tensor& t = g.tensors.at(theirs + layer);
    return difference(p.grad().dense(), transposed ? t.transpose() : t);
  };
  double worst =
      std::max(compare(cell.w_ih, "dweight_ih", true), compare(cell.w_hh, "dweight_hh", true));
  worst = std::max(worst, compare(cell.bias, "dbias_ih", false));
  if constexpr (requires { cell.bias_hh; })
    worst = std::max(worst, compare(cell.bias_hh, "dbias_hh", false));
  return worst;
}

template <class Cell>
void check_layers(const std::string& name) {
  CAPTURE(name);
  const NamedTensors g = golden(name);
  const Tensor &x = g.tensors.at("x"), &h0 = g.tensors.at("h0");
  const int64_t layers = h0.size(0), hidden = h0.size(2);
  Rng rng(1);
  RNN<Cell> rnn = cast(RNN<Cell>(x.size(2), hidden, rng, {.layers = layers}), f64);
  for (int64_t l = 0; l < layers; ++l)
    set_weights(rnn.cells[static_cast<size_t>(l)], g, "_l" + std::to_string(l));

  // The fields of the state, layer by layer: h, then c where there is one.
  const std::vector<std::string> fields =
      g.tensors.count("c0") ? std::vector<std::string>{"h", "c"} : std::vector<std::string>{"h"};
  const Parameter input(x);
  std::vector<Parameter> initial;
  for (int64_t l = 0; l < layers; ++l)
    for (const auto& f : fields) initial.emplace_back(g.tensors.at(f + "0").select(0, l).clone());
  const auto start = [&] {
    size_t i = 0;
    return map_state(rnn.zero(x.size(1)), [&](const Var&) { return Var(initial[i++]); });
  };

  for (const Bptt& bptt : {Bptt{BpttMode::full}, Bptt{BpttMode::exact, 100}}) {
    zero_grad(rnn);
    for (const Parameter& p : initial) p.grad().clear();
    input.grad().clear();
    rnn.bptt = bptt;
    Tape tape;
    const auto out = rnn(input, {}, start());
    tape.backward(sum(out.y * g.tensors.at("cotangent")));

    CHECK(difference(out.y.value(), g.tensors.at("y")) < kTolerance);
    CHECK(difference(input.grad().dense(), g.tensors.at("dx")) < kTolerance);
    size_t i = 0;
    for (const Var& v : vars(out.state)) {
      const auto l = static_cast<int64_t>(i / fields.size());
      const std::string& f = fields[i % fields.size()];
      CHECK(difference(v.value(), g.tensors.at(f + "n").select(0, l)) < kTolerance);
      CHECK(difference(initial[i].grad().dense(), g.tensors.at("d" + f + "0").select(0, l)) <
            kTolerance);
      ++i;
    }
    CHECK(i == initial.size());
    for (int64_t l = 0; l < layers; ++l)
      CHECK(gradient_difference(rnn.cells[static_cast<size_t>(l)], g, "_l" + std::to_string(l)) <
            kTolerance);
  }
}

}  // namespace

TEST_CASE("RNN layers agree with the reference values") {
  check_layers<RNNCell>("rnn_1layer");
  check_layers<RNNCell>("rnn_2layer");
}
TEST_CASE("LSTM layers agree with the reference values") {
  check_layers<LSTMCell>("lstm_1layer");
  check_layers<LSTMCell>("lstm_2layer");
}
TEST_CASE("GRU layers agree with the reference values") {
  check_layers<GRUCell>("gru_1layer");
  check_layers<GRUCell>("gru_2layer");
}

TEST_CASE("linear and cross entropy agree with the reference values") {
  const auto t = golden("linear_cross_entropy").tensors;
  const Tensor& weight = t.at("weight");
  Rng rng(1);
  Linear linear(weight.size(1), weight.size(0), rng, {.dtype = f64});
  linear.w.value().copy_(weight.transpose());
  linear.bias.value().copy_(t.at("bias"));
  const Parameter h(t.at("h"));

  Tape tape;
  const Var losses = cross_entropy(linear(h), t.at("targets"), Reduction::none);
  tape.backward(sum(losses * t.at("cotangent")));
  CHECK(difference(losses.value(), t.at("losses")) < kTolerance);
  CHECK(difference(h.grad().dense(), t.at("dh")) < kTolerance);
  CHECK(difference(linear.w.grad().dense(), t.at("dweight").transpose()) < kTolerance);
  CHECK(difference(linear.bias.grad().dense(), t.at("dbias")) < kTolerance);
}

// The language model of the reference: one-hot input, no biases, one sentence.
TEST_CASE("exact truncation of a tanh RNN language model agrees with the reference values") {
  const auto t = golden("truncated_bptt_rnn").tensors;
  const Tensor &u = t.at("U"), &v = t.at("V"), &x = t.at("x"), &y = t.at("y");
  const int64_t hidden = u.size(0), words = u.size(1), steps = x.size(0);
  Rng rng(1);
  Embedding input(words, hidden, rng, {.fan_in = words, .dtype = f64});
  RNN<RNNCell> rnn(0, hidden, rng, {.cell = {.bias = false, .dtype = f64}});
  Linear out(hidden, words, rng, {.bias = false, .dtype = f64});
  input.table.value().copy_(u.transpose());
  rnn.cells[0].w_hh.value().copy_(t.at("W").transpose());
  out.w.value().copy_(v.transpose());

  for (const int64_t k : {0, 1, 2, 4, 6, 100}) {
    CAPTURE(k);
    zero_grad(input);
    zero_grad(rnn);
    zero_grad(out);
    rnn.bptt = {BpttMode::exact, k};
    Tape tape;
    const Var states = reshape(rnn(reshape(input(x), {steps, 1, hidden})).y, {steps, hidden});
    const Var loss = cross_entropy(out(states), y, Reduction::sum);
    tape.backward(loss);
    const std::string suffix = "_K" + std::to_string(k);
    CHECK(difference(states.value(), t.at("states")) < kTolerance);
    CHECK(loss.value().item() == doctest::Approx(t.at("loss").item()).epsilon(kTolerance));
    CHECK(difference(input.table.grad().dense(), t.at("dU" + suffix).transpose()) < kTolerance);
    CHECK(difference(rnn.cells[0].w_hh.grad().dense(), t.at("dW" + suffix).transpose()) <
          kTolerance);
    CHECK(difference(out.w.grad().dense(), t.at("dV" + suffix).transpose()) < kTolerance);
  }
}

TEST_CASE("exact truncation of an LSTM agrees with the reference values") {
  const NamedTensors g = golden("truncated_bptt_lstm");
  const Tensor &x = g.tensors.at("x"), &target = g.tensors.at("target");
  const int64_t steps = x.size(0), hidden = target.size(1);
  Rng rng(1);
  RNN<LSTMCell> rnn(x.size(1), hidden, rng, {.cell = {.dtype = f64}});
  set_weights(rnn.cells[0], g, "");

  for (const int64_t k : {0, 1, 4, 100}) {
    CAPTURE(k);
    zero_grad(rnn);
    rnn.bptt = {BpttMode::exact, k};
    Tape tape;
    const Var h = rnn(reshape(x, {steps, 1, x.size(1)})).y;
    const Var loss = sum(square(reshape(h, {steps, hidden}) - target));
    tape.backward(loss);
    CHECK(loss.value().item() == doctest::Approx(g.tensors.at("loss").item()).epsilon(kTolerance));
    CHECK(gradient_difference(rnn.cells[0], g, "_K" + std::to_string(k)) < kTolerance);
  }
}
