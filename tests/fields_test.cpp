// Models are values: names, copies, casts, sharing, and what FIELDS may list.

#include <doctest/doctest.h>

#include <array>
#include <sstream>

#include <tapestry/nn/embedding.h>
#include <tapestry/nn/linear.h>
#include <tapestry/nn/regularize.h>
#include <tapestry/nn/rnn.h>
#include "compare.h"

using namespace tapestry;
using namespace tapestry::testing;

namespace {

struct Block {
  Linear in;
  std::vector<Linear> hidden;
  FIELDS(in, hidden)
};
struct Model {
  Embedding embed;
  RNN<LSTMCell> rnn;
  Block block;
  std::array<Parameter, 2> scales;
  Parameter absent;
  LayerNorm norm;
  FIELDS(embed, rnn, block, scales, absent, norm)
  double not_listed = 3;

  explicit Model(Rng& rng)
      : embed(5, 3, rng, {.fan_in = 5}),
        rnn(3, 2, rng, {.layers = 2}),
        block{Linear(2, 4, rng), {Linear(4, 4, rng, {.bias = false}), Linear(4, 1, rng)}},
        scales{Parameter(Tensor::full({1}, 2)), Parameter(Tensor::full({}, 0.5))},
        norm(4) {}

  Var loss(const Tensor& ids) const {
    const Var h = norm(block.in(rnn(embed(ids)).y));
    const Var y = block.hidden[1](tanh(block.hidden[0](h)));
    return mean(square(y * scales[0] + scales[1]));
  }
};

const Tensor& ids() {
  static const Tensor t = Tensor::indices({0, 4, 2, 2, 1, 0}).reshape({3, 2});
  return t;
}

std::vector<std::string> names(auto& model) {
  std::vector<std::string> out;
  for (const auto& [name, p] : parameters(model)) out.push_back(name);
  return out;
}

}  // namespace

TEST_CASE("parameters are named by their path, absent ones are skipped") {
  Rng rng(1);
  Model model(rng);
  CHECK(names(model) ==
        std::vector<std::string>{"embed.table", "rnn.cells.0.w_ih", "rnn.cells.0.w_hh",
                                 "rnn.cells.0.bias", "rnn.cells.1.w_ih", "rnn.cells.1.w_hh",
                                 "rnn.cells.1.bias", "block.in.w", "block.in.bias",
                                 "block.hidden.0.w", "block.hidden.1.w", "block.hidden.1.bias",
                                 "scales.0", "scales.1", "norm.gain", "norm.bias"});
  model.absent = Parameter(Tensor::zeros({7}));
  CHECK(names(model)[14] == "absent");
  for (const auto& [name, p] : parameters(model)) CHECK(p->defined());
}

TEST_CASE("count and summary cover every parameter") {
  Rng rng(1);
  Model model(rng);
  int64_t n = 0;
  for (const auto& [name, p] : parameters(model)) n += p->value().numel();
  CHECK(count(model) == n);
  CHECK(n == 15 + (24 + 16 + 8) + (16 + 16 + 8) + (8 + 4) + 16 + (4 + 1) + 2 + 8);
  std::ostringstream out;
  summary(out, model);
  for (const auto& [name, p] : parameters(model)) CHECK(out.str().find(name) != std::string::npos);
  CHECK(out.str().find("f32 (3, 8)") != std::string::npos);
  CHECK(out.str().find("146\n") != std::string::npos);
}

TEST_CASE("a copy is a replica with parameters of its own") {
  Rng rng(1);
  Model model(rng);
  const double before = model.loss(ids()).value().item();
  Model copy = model;
  CHECK(copy.loss(ids()).value().item() == before);
  {
    Tape tape;
    tape.backward(copy.loss(ids()));
  }
  for (const auto& [name, p] : parameters(model)) CHECK(p->grad().empty());
  for (const auto& [name, p] : parameters(copy)) {
    CHECK_FALSE(p->grad().empty());
    p->value().mul_(0.5);
  }
  CHECK(model.loss(ids()).value().item() == before);
  CHECK(copy.loss(ids()).value().item() != before);
  const Model again = copy;  // gradients are not copied
  CHECK(again.embed.table.grad().empty());
}

TEST_CASE("assigning a model keeps its leaves and takes the values") {
  Rng rng(1);
  Model model(rng);
  const Model best = model;
  const double good = best.loss(ids()).value().item();
  std::vector<const Leaf*> leaves;
  for (const auto& [name, p] : parameters(model)) {
    leaves.push_back(p->ref().get());
    p->value().fill_(9);
  }
  model = best;
  CHECK(model.loss(ids()).value().item() == good);
  size_t i = 0;
  for (const auto& [name, p] : parameters(model)) CHECK(p->ref().get() == leaves[i++]);
  model.embed.table.value().fill_(0);  // and stays independent
  CHECK(best.loss(ids()).value().item() == good);
}

TEST_CASE("moving a model keeps its leaves") {
  Rng rng(1);
  Model model(rng);
  const Leaf* leaf = model.rnn.cells[1].w_hh.ref().get();
  std::vector<Model> models;
  models.push_back(std::move(model));
  CHECK(models[0].rnn.cells[1].w_hh.ref().get() == leaf);
}

TEST_CASE("share gives the same values and separate gradients") {
  Rng rng(1);
  Model model(rng);
  Model worker = share(model);
  {
    Tape tape;
    tape.backward(worker.loss(ids()));
  }
  auto theirs = parameters(worker);
  size_t i = 0;
  for (const auto& [name, p] : parameters(model)) {
    CHECK(p->grad().empty());
    CHECK_FALSE(theirs[i].parameter->grad().empty());
    CHECK(theirs[i].parameter->value().shares_storage(p->value()));
    p->value().mul_(0.5);
    ++i;
  }
  CHECK(worker.loss(ids()).value().item() == model.loss(ids()).value().item());
}

TEST_CASE("cast makes a copy in another type, ready for a gradient check") {
  Rng rng(1);
  const Model model(rng);
  Model precise = cast(model, f64);
  for (const auto& [name, p] : parameters(precise)) CHECK(p->value().dtype() == f64);
  CHECK(model.embed.table.value().dtype() == f32);
  CHECK(precise.loss(ids()).value().item() ==
        doctest::Approx(model.loss(ids()).value().item()).epsilon(1e-5));
  const GradReport report = gradcheck(precise, [](const Model& m) { return m.loss(ids()); });
  CHECK_MESSAGE(report.ok, report.message);
  CHECK(precise.embed.table.grad().empty());  // it cleans up
}

TEST_CASE("a model in f32 cannot be gradient-checked by mistake") {
  Rng rng(1);
  Model model(rng);
  CHECK_THROWS_WITH_AS(gradcheck(model, [](const Model& m) { return m.loss(ids()); }),
                       "gradcheck: embed.table is f32, expected f64 (use cast)", DTypeError);
}

TEST_CASE("the model gradcheck finds a wrong gradient") {
  struct Wrong {
    Parameter w{Tensor::from({2}, {0.3, -0.4}, f64)};
    FIELDS(w)
  } model;
  const GradReport report = gradcheck(model, [](const Wrong& m) {
    return record("wrong", sum(square(m.w.value())),
                  wrt(m.w, [](const Tensor& dy) { return Tensor::zeros({2}, f64) + dy; }));
  });
  CHECK_FALSE(report.ok);
  CHECK(report.message.substr(0, 11) == "w element 0");
}

TEST_CASE("zero_grad clears dense and row gradients") {
  Rng rng(1);
  Model model(rng);
  {
    Tape tape;
    tape.backward(model.loss(ids()));
  }
  CHECK(model.embed.table.grad().sparse());
  zero_grad(model);
  for (const auto& [name, p] : parameters(model)) CHECK(p->grad().empty());
}

TEST_CASE("a frozen parameter stays frozen in copies and gets no gradient") {
  Rng rng(1);
  Model model(rng);
  model.embed.table.freeze();
  for (Model m : {Model(model), cast(model, f64), share(model)}) {
    Tape tape;
    tape.backward(m.loss(ids()));
    CHECK(m.embed.table.grad().empty());
    CHECK_FALSE(m.rnn.cells[0].w_ih.grad().empty());
  }
}

// One table for the input words and the output layer (Press & Wolf, 2017).
TEST_CASE("tied weights are one parameter with one gradient") {
  struct Tied {
    Embedding words;
    RNN<GRUCell> rnn;
    FIELDS(words, rnn)
    Var loss(const Tensor& in, const Tensor& out) const {
      const Var y = rnn(words(in)).y;
      const Var logits = matmul(reshape(y, {-1, y.size(2)}), transpose(words.table));
      return cross_entropy(logits, out);
    }
  };
  Rng rng(1);
  Tied model = cast(Tied{{6, 4, rng, {.fan_in = 6}}, {4, 4, rng}}, f64);
  const Tensor in = Tensor::indices({0, 5, 2, 2, 3, 0}).reshape({3, 2}),
               out = Tensor::indices({5, 2, 2, 3, 0, 1});
  CHECK(parameters(model).size() == 5);
  const GradReport report = gradcheck(
      model, [&](const Tied& m) { return m.loss(in, out); }, 100);
  CHECK_MESSAGE(report.ok, report.message);
  Tape tape;
  tape.backward(model.loss(in, out));
  CHECK_FALSE(model.words.table.grad().sparse());
}

TEST_CASE("states are walked, detached and mapped in FIELDS order") {
  Rng rng(1);
  const RNN<LSTMCell> rnn(3, 2, rng, {.layers = 2});
  auto state = rnn.zero(4);
  CHECK(vars(state).size() == 4);
  double next = 0;
  state = map_state(state, [&](const Var& v) { return v + ++next; });
  CHECK(state.layers[0].c.value().at({3, 1}) == 2);
  CHECK(output(state).value().at({0, 0}) == 3);
  CHECK(output(state.layers[1]).value().at({0, 0}) == 3);

  const Parameter p(Tensor::full({4, 2}, 1));
  Tape tape;
  const auto attached = map_state(state, [&](const Var& v) { return v * p; });
  CHECK_THROWS_AS(tape.backward(sum(output(detach(attached)))), TapeError);
}

TEST_CASE("Kaiming's weights keep the variance through layers of relu") {
  const uint64_t seed = 5;
  CAPTURE(seed);
  Rng rng(seed);
  for (const bool normal : {false, true}) {
    Tensor h = gaussian({200, 300}, 1, rng, f64);
    for (int layer = 0; layer < 5; ++layer) {
      const Tensor w =
          normal ? kaiming_normal({300, 300}, rng, f64) : kaiming_uniform({300, 300}, rng, f64);
      h = relu(matmul(h, w));
    }
    // E[relu(z)^2] is half the variance of z, which the 2 of 2 / inputs makes up for
    CHECK(squared_norm(h) / 60000 == doctest::Approx(1).epsilon(0.3));
    CHECK(squared_norm(matmul(h, xavier({300, 300}, rng, f64))) < 1.6 * squared_norm(h));
  }
  // (kernel, inputs, outputs): every element is an input's but for the last dim
  const Tensor w = kaiming_uniform({3, 20, 100}, rng, f64);
  CHECK(squared_norm(w) / 6000 == doctest::Approx(2. / 60).epsilon(0.1));
  CHECK_THROWS_WITH_AS(kaiming_normal({4}, rng),
                       "kaiming_normal: (4) has no inputs (expected (inputs, outputs))",
                       ShapeError);
  CHECK_THROWS_AS(bernoulli({2}, 1.5, rng), ValueError);
}
