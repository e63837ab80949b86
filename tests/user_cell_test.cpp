// What a user writes without touching the engine: the tutorial's cell (the very code of
// tutorial.cpp), a peephole LSTM, and attention over the states of an encoder.

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "naive_bptt.h"

#define main tutorial_main  // which, unlike main, may not leave out its return: it is not called
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wreturn-type"
#include "tutorial.cpp"
#pragma GCC diagnostic pop
#undef main

using namespace tapestry::testing;

namespace {

constexpr uint64_t kSeed = 20240609;

/// Peephole LSTM (Gers & Schmidhuber, 2000): the gates see the cell state.
struct PeepholeCell {
  struct State {
    Var h, c;
    FIELDS(h, c)
  };
  Parameter w_x, w_h, bias, p_i, p_f, p_o;
  FIELDS(w_x, w_h, bias, p_i, p_f, p_o)

  PeepholeCell(int64_t in, int64_t hidden, Rng& rng)
      : w_x(xavier({in, 4 * hidden}, rng)),
        w_h(xavier({hidden, 4 * hidden}, rng)),
        bias(uniform({4 * hidden}, 0.5, rng)),
        p_i(uniform({hidden}, 0.5, rng)),
        p_f(uniform({hidden}, 0.5, rng)),
        p_o(uniform({hidden}, 0.5, rng)) {}

  Var input(const Var& x) const { return affine(x, w_x, bias); }
  State step(const Var& xw, const State& s) const {
    const int64_t n = s.h.size(1);
    const Var z = affine(s.h, w_h, xw);
    const Var i = sigmoid(narrow(z, 1, 0, n) + p_i * s.c);
    const Var f = sigmoid(narrow(z, 1, n, n) + p_f * s.c);
    const Var c = f * s.c + i * tanh(narrow(z, 1, 2 * n, n));
    const Var o = sigmoid(narrow(z, 1, 3 * n, n) + p_o * c);
    return {o * tanh(c), c};
  }
  State zero(int64_t batch) const {
    const Var z = Tensor::zeros({batch, w_h.shape()[0]}, w_h.value().dtype());
    return {z, z};
  }
};

/// 1 where a step is behind the end of its sequence: (B, 1, T).
Tensor behind_the_end(const std::vector<int64_t>& lengths, int64_t steps) {
  const auto batch = static_cast<int64_t>(lengths.size());
  Tensor mask = Tensor::zeros({batch, 1, steps}, i32);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = lengths[static_cast<size_t>(b)]; t < steps; ++t) mask.set_({b, 0, t}, 1);
  return mask;
}

/// Scaled dot-product attention: queries (B, U, H) over memory (B, T, H) -> (B, U, H).
Var attend(const Var& queries, const Var& memory, const Tensor& mask) {
  const double scale = 1 / std::sqrt(static_cast<double>(queries.size(2)));
  const Var scores = matmul(queries, transpose(memory)) * scale;
  return matmul(softmax(masked_fill(scores, mask, -1e9)), memory);
}

/// An encoder and a decoder whose outputs look back at all states of the encoder.
struct Attentive {
  RNN<GRUCell> encoder, decoder;
  Linear out;
  FIELDS(encoder, decoder, out)

  Var loss(const Tensor& source, const std::vector<int64_t>& lengths, const Tensor& target) const {
    const auto encoded = encoder(source, lengths);
    const Var y = decoder(target, {}, encoded.state).y;
    const Var context = attend(transpose(y, 0, 1), transpose(encoded.y, 0, 1),
                               behind_the_end(lengths, source.size(0)));
    return mean(square(out(concat({transpose(y, 0, 1), context}, 2))));
  }
};

/// A decoder that attends inside its step (Bahdanau, Cho & Bengio, 2015): rows of `memory` are
/// sequences, so a step takes those of the rows that it is told.
struct InnerAttention {
  RNN<LSTMCell> encoder;
  GRUCell decoder;
  Parameter w_s, w_m, v, w_c;
  FIELDS(encoder, decoder, w_s, w_m, v, w_c)
  Bptt bptt;

  Var loss(const Tensor& source, const Tensor& target,
           const std::vector<int64_t>& target_lengths) const {
    const Packing p(target_lengths);
    Tensor sequence = Tensor::empty({p.rows()}, i32);  // of each packed row
    for (int64_t r = 0; r < p.rows(); ++r)
      sequence.set_({r}, static_cast<double>(static_cast<int64_t>(p.padded.at({r})) % p.batch()));
    const Var memory = transpose(encoder(source).y, 0, 1);  // (B, T, H)
    const Var keys = matmul(memory, w_m);
    const Var xw = decoder.input(
        embedding(target.narrow(0, 0, p.steps()).reshape({-1, target.size(2)}), p.padded));
    const auto step = [&](int64_t first, int64_t count, const GRUCell::State& s) {
      const Tensor own = sequence.narrow(0, first, count);
      const Var query = reshape(matmul(s.h, w_s), {count, 1, -1});
      const Var scores = matmul(tanh(embedding(keys, own) + query), v);  // (count, T, 1)
      const Var context = sum(embedding(memory, own) * softmax(scores, 1), 1);
      return decoder.step(narrow(xw, 0, first, count) + matmul(context, w_c), s);
    };
    return mean(square(unroll(p, decoder.zero(p.batch()), bptt, step).y));
  }
};

}  // namespace

TEST_CASE_TEMPLATE("one step of a user's cell passes a gradient check", Cell, MGUCell,
                   PeepholeCell) {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  Cell cell = cast(Cell(3, 4, rng), f64);
  const Tensor x = random({2, 3}, rng);
  std::vector<Tensor> inputs{x};
  for (const Var& v : vars(cell.zero(2))) inputs.push_back(random(v.shape(), rng));
  const OpFunction step = [&](std::span<const Var> in) {
    size_t i = 0;
    const auto state = map_state(cell.zero(2), [&](const Var&) { return in[++i]; });
    return concat(vars(cell.step(cell.input(in[0]), state)), 1);
  };
  for (auto& [name, p] : parameters(cell)) p->freeze();  // first only inputs and states
  const GradReport inner = gradcheck(step, inputs);
  CHECK_MESSAGE(inner.ok, inner.message);
  for (auto& [name, p] : parameters(cell)) p->freeze(false);
  const std::vector<Var> constants(inputs.begin(), inputs.end());
  const GradReport outer =
      gradcheck(cell, [&](const Cell&) { return sum(square(step(constants))); });
  CHECK_MESSAGE(outer.ok, outer.message);
}

TEST_CASE_TEMPLATE("a user's cell has all truncation modes, alone and stacked", Cell, MGUCell,
                   PeepholeCell) {
  CAPTURE(kSeed);
  for (const int64_t layers : {1, 2}) {
    Rng rng(kSeed);
    Subject<Cell> m(3, 4, layers, 8, {2, 7, 1, 5, 7}, rng);
    CAPTURE(layers);
    for (const int64_t steps : {0, 1, 2, 4, 6, 100})
      CHECK(difference_from_definition(m, BpttMode::exact, steps) < 1e-12);
    for (const int64_t steps : {1, 2, 4, 6, 100})
      CHECK(difference_from_definition(m, BpttMode::chunk, steps) < 1e-12);
    CHECK(difference_from_definition(m, BpttMode::full, 0) < 1e-12);
  }
}

TEST_CASE("the peephole LSTM without peepholes is the library's LSTM") {
  Rng rng(kSeed);
  RNN<PeepholeCell> ours = cast(RNN<PeepholeCell>(3, 4, rng), f64);
  RNN<LSTMCell> theirs = cast(RNN<LSTMCell>(3, 4, rng), f64);
  PeepholeCell& from = ours.cells[0];
  LSTMCell& to = theirs.cells[0];
  const Tensor x = random({5, 2, 3}, rng);
  to.w_ih.value().copy_(from.w_x.value());
  to.w_hh.value().copy_(from.w_h.value());
  to.bias.value().copy_(from.bias.value());
  CHECK(difference(ours(x).y, theirs(x).y) > 1e-3);
  for (Parameter* p : {&from.p_i, &from.p_f, &from.p_o}) p->value().fill_(0);
  CHECK(difference(ours(x).y, theirs(x).y) < 1e-14);
}

TEST_CASE("a user's cell works in both directions and with lengths") {
  Rng rng(kSeed);
  RNN<MGUCell> rnn = cast(RNN<MGUCell>(3, 4, rng, {.layers = 2, .bidirectional = true}), f64);
  CHECK(parameters(rnn)[1].name == "cells.0.w_f");
  const Tensor x = random({5, 2, 3}, rng);
  const auto out = rnn(x, std::vector<int64_t>{3, 5});
  const auto alone = rnn(x.narrow(1, 0, 1).narrow(0, 0, 3));
  CHECK(difference(out.y.value().narrow(1, 0, 1).narrow(0, 0, 3), alone.y.value()) < 1e-13);
}

TEST_CASE("the tutorial's model passes a gradient check and learns") {
  const uint64_t seed = 1;
  CAPTURE(seed);
  Rng rng(seed);
  Echo model{RNN<MGUCell>(1, 32, rng), Linear(32, 1, rng)};
  {
    Echo precise = cast(model, f64);
    const Tensor x = random({9, 2, 1}, rng);
    const GradReport report = gradcheck(precise, [&](const Echo& m) { return m.loss(x); });
    CHECK_MESSAGE(report.ok, report.message);
  }
  Optimizer optimizer(model, Adam{.lr = 0.01});
  const Tensor unseen = uniform({20, 32, 1}, 1, rng);
  CHECK(model.loss(unseen).value().item() > 0.25);  // guessing: 1/3
  for (int i = 0; i < 250; ++i) {
    Tape tape;
    tape.backward(model.loss(uniform({20, 32, 1}, 1, rng)));
    optimizer.step();
  }
  CHECK(model.loss(unseen).value().item() < 0.01);
}

TEST_CASE("a memory of five steps is learned by exact truncation at five, not at two") {
  const uint64_t seed = 1;
  CAPTURE(seed);
  for (const auto& [steps, learns] : {std::pair{2, false}, std::pair{5, true}}) {
    Rng rng(seed);
    Echo model{RNN<MGUCell>(1, 24, rng), Linear(24, 1, rng)};
    model.rnn.bptt = {BpttMode::exact, steps};
    Optimizer optimizer(model, Adam{.lr = 0.01});
    for (int i = 0; i < 300; ++i) {
      Tape tape;
      tape.backward(model.loss(uniform({16, 16, 1}, 1, rng)));
      optimizer.step();
    }
    const double loss = model.loss(uniform({20, 32, 1}, 1, rng)).value().item();
    CAPTURE(loss);
    CHECK((loss < 0.05) == learns);
  }
}

TEST_CASE("the README shows a part of the tutorial as it is compiled here") {
  const auto text = [](const std::string& name) {
    std::ifstream in(TAPESTRY_SOURCE_DIR "/" + name);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string tutorial = text("tests/tutorial.cpp");
  REQUIRE(tutorial.size() > 500);
  const std::string readme = text("README.md");
  const size_t begin = readme.find("```cpp\n") + 7, end = readme.find("```", begin);
  REQUIRE(end < readme.size());
  CHECK(end - begin > 500);  // the cell and the model
  CHECK(tutorial.find(readme.substr(begin, end - begin)) != std::string::npos);
}

TEST_CASE("attention over encoder states passes a gradient check and minds the lengths") {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  Attentive model =
      cast(Attentive{RNN<GRUCell>(3, 4, rng), RNN<GRUCell>(2, 4, rng), Linear(8, 2, rng)}, f64);
  const Tensor source = random({6, 3, 3}, rng), target = random({4, 3, 2}, rng);
  const std::vector<int64_t> lengths{6, 2, 4};
  const auto loss = [&](const Attentive& m) { return m.loss(source, lengths, target); };
  for (const Bptt& bptt : {Bptt{BpttMode::full}, Bptt{BpttMode::exact, 100}}) {
    model.encoder.bptt = model.decoder.bptt = bptt;
    const GradReport report = gradcheck(model, loss);
    CHECK_MESSAGE(report.ok, report.message);
  }
  const double before = loss(model).value().item();
  source.select(1, 1).narrow(0, 2, 4).fill_(7);  // behind the end
  CHECK(loss(model).value().item() == before);
  source.select(1, 1).narrow(0, 1, 1).fill_(7);
  CHECK(loss(model).value().item() != before);
}

TEST_CASE("attention inside a step has all truncation modes") {
  CAPTURE(kSeed);
  Rng rng(kSeed);
  InnerAttention model = cast(InnerAttention{RNN<LSTMCell>(3, 4, rng),
                                             GRUCell(2, 5, rng),
                                             Parameter(xavier({5, 6}, rng)),
                                             Parameter(xavier({4, 6}, rng)),
                                             Parameter(xavier({6, 1}, rng)),
                                             Parameter(xavier({4, 15}, rng)),
                                             {}},
                              f64);
  const Tensor source = random({4, 3, 3}, rng), target = random({5, 3, 2}, rng);
  const std::vector<int64_t> lengths{2, 5, 4};
  const auto loss = [&](const InnerAttention& m) { return m.loss(source, target, lengths); };
  for (const Bptt& bptt : {Bptt{BpttMode::exact, 0}, Bptt{BpttMode::exact, 2},
                           Bptt{BpttMode::chunk, 2}, Bptt{BpttMode::full}}) {
    model.bptt = bptt;
    FrozenStates frozen;
    const GradReport report = gradcheck(model, loss, [&](const InnerAttention& m) {
      frozen.rewind();
      model.bptt.frozen = &frozen;
      const Var value = loss(m);
      model.bptt.frozen = nullptr;
      return value;
    });
    CHECK_MESSAGE(report.ok, report.message);
  }
}
