// The language model: its loss, its streaming form, its gradients.

#include <doctest/doctest.h>
#include <tapestry/autograd/ops.h>
#include <tapestry/examples/lm/model/check_gradients.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/model/sampling.h>
#include <tapestry/examples/lm/text/grammar.h>

#include <tapestry/nn/checkpoint.h>

#include <array>
#include <cmath>
#include <numeric>
#include <set>

using namespace tapestry;
using namespace tapestry::lm;

namespace {

constexpr uint64_t kSeed = 20240612;

struct Text {
  Corpus corpus;
  Vocabulary vocabulary;
  EncodedCorpus encoded;
  explicit Text(int64_t sentences)
      : corpus(generate(AgreementGrammar(), sentences, kSeed)),
        vocabulary(Vocabulary::build(corpus)),
        encoded(vocabulary.encode(corpus)) {}
  Batch batch() const {
    std::vector<int64_t> all(static_cast<size_t>(encoded.sentences()));
    std::iota(all.begin(), all.end(), 0);
    return make_batch(encoded, all);
  }
};

const std::vector<std::string> kCells = {"rnn", "lstm", "gru"};

LanguageModel model(const Text& text, const std::string& cell, ModelShape shape = {.hidden = 8}) {
  shape.cell = cell;
  shape.vocabulary = text.vocabulary.size();
  Rng rng(kSeed);
  return {shape, rng, f64};
}

}  // namespace

TEST_CASE("the loss on a text does not depend on the batch size") {
  for (const std::string& cell : kCells) {
    CAPTURE(cell);
    CAPTURE(kSeed);
    const Text text(57);
    const auto m = model(text, cell);
    const double one = evaluate(m, text.encoded, 1).loss();
    for (const int64_t batch : {2, 7, 32, 1000})
      CHECK(std::abs(evaluate(m, text.encoded, batch).loss() - one) < 1e-9);
    CHECK(evaluate(m, text.encoded, 7).tokens == text.encoded.tokens());
    CHECK(one == doctest::Approx(std::log(text.vocabulary.size())).epsilon(0.05));  // untrained
  }
}

TEST_CASE("the perplexity without unknown tokens leaves out their losses") {
  Text text(20);
  text.vocabulary = Vocabulary::build(text.corpus, 12);
  text.encoded = text.vocabulary.encode(text.corpus);
  const auto m = model(text, "lstm");
  const Evaluation e = evaluate(m, text.encoded, 3);
  REQUIRE(e.oov > 0);
  const Batch batch = text.batch();
  const auto losses = m.token_losses(batch).value().to_vector<double>();
  const auto targets = batch.targets.to_vector<int32_t>();
  double known = 0;
  for (size_t i = 0; i < losses.size(); ++i)
    if (targets[i] != Vocabulary::unknown) known += losses[i];
  CHECK(std::log(e.perplexity_without_unknowns()) ==
        doctest::Approx(known / static_cast<double>(e.tokens - e.oov)));
  CHECK(e.perplexity_without_unknowns() != doctest::Approx(e.perplexity()));
}

TEST_CASE("reading a sentence token by token gives the losses of the whole") {
  for (const std::string& cell : kCells) {
    CAPTURE(cell);
    const Text text(5);
    for (const ModelShape& shape : {ModelShape{.hidden = 8}, ModelShape{.hidden = 6, .layers = 2},
                                    ModelShape{.hidden = 7, .embed = 7, .tied = true}}) {
      const auto m = model(text, cell, shape);
      const Reader read = reader(m);
      for (int64_t i = 0; i < text.encoded.sentences(); ++i) {
        const auto losses = m.token_losses(make_batch(text.encoded, std::array{i})).value();
        const auto inputs = text.encoded.inputs(i), targets = text.encoded.targets(i);
        for (size_t t = 0; t < inputs.size(); ++t) {
          const std::vector<double> z = read(inputs[t]);
          double total = 0;
          for (const double x : z) total += std::exp(x);
          CHECK(std::log(total) - z[static_cast<size_t>(targets[t])] ==
                doctest::Approx(losses.at({static_cast<int64_t>(t)})).epsilon(1e-12));
        }
      }
    }
  }
}

TEST_CASE("the gradient check passes for each cell, truncation and shape") {
  for (const std::string& cell : kCells) {
    CAPTURE(cell);
    CAPTURE(kSeed);
    const Text text(3);
    for (const BpttMode mode : {BpttMode::exact, BpttMode::chunk, BpttMode::full})
      for (const ModelShape& shape : {ModelShape{.hidden = 5}, ModelShape{.hidden = 4, .layers = 2},
                                      ModelShape{.hidden = 4, .embed = 4, .tied = true}}) {
        auto m = model(text, cell, shape);
        m.rnn.set_bptt({mode, 2});
        for (const CheckedParameter& p : check_gradients(m, text.batch(), 4, 1e-6, kSeed)) {
          CHECK_MESSAGE(p.report.ok, p.name << ": " << p.report.message);
          CHECK(p.elements > 0);
        }
      }
  }
}

TEST_CASE("the gradient check fails where gradient and loss do not belong together") {
  for (const std::string& cell : kCells) {
    CAPTURE(cell);
    const Text text(3);
    auto m = model(text, cell);
    const Batch batch = text.batch();
    const auto failures = [&](const std::function<Var()>& loss, const std::function<Var()>& other) {
      std::set<std::string> out;
      for (const auto& p : check_gradients(parameters(m), loss, other, 10, 1e-6, kSeed))
        if (!p.report.ok) out.insert(p.name);
      return out;
    };
    m.rnn.set_bptt({BpttMode::full, 0});
    const auto loss = [&] { return m.loss(batch); };
    CHECK(failures(loss, loss).empty());
    CHECK(failures([&] { return m.loss(batch) * 1.001; }, loss).size() >= 3);
    // A truncated gradient is not that of the whole loss, and only what errors reach is wrong.
    m.rnn.set_bptt({BpttMode::exact, 1});
    const auto wrong = failures(loss, loss);
    CHECK(wrong.contains("rnn.cells.0.w_hh"));
    CHECK_FALSE(wrong.contains("weight"));
    CHECK_FALSE(wrong.contains("bias"));
  }
}

TEST_CASE("the parameters of a shape are known without a model of it") {
  for (const std::string& cell : kCells)
    for (ModelShape shape :
         {ModelShape{.hidden = 5}, ModelShape{.hidden = 4, .layers = 3, .bias = false},
          ModelShape{.hidden = 6, .layers = 2, .embed = 3},
          ModelShape{.hidden = 4, .embed = 4, .tied = true}}) {
      shape.cell = cell, shape.vocabulary = 11;
      Rng rng(kSeed);
      LanguageModel model(shape, rng, f32);
      const auto made = parameters(model);
      const auto known = parameter_shapes(shape);
      REQUIRE(made.size() == known.size());
      for (size_t i = 0; i < made.size(); ++i) {
        CHECK(made[i].name == known[i].name);
        CHECK(made[i].parameter->shape() == known[i].shape);
      }
    }
}

TEST_CASE("a copy of a model has parameters of its own, a shared one the same values") {
  const Text text(3);
  LanguageModel one = model(text, "lstm"), copy = one, shared = share(one);
  const auto of = [](LanguageModel& m) -> Tensor& {
    return parameters(m)[1].parameter->value();  // of a cell
  };
  const double before = of(one).at({0, 0});
  of(one).fill_(before + 1);
  CHECK(of(copy).at({0, 0}) == before);
  CHECK(of(shared).at({0, 0}) == before + 1);
  CHECK(parameters(shared)[1].parameter->grad().empty());
}

TEST_CASE("a state of other layers is refused") {
  const Text text(3);
  const LanguageModel one = model(text, "gru"),
                      two = model(text, "gru", {.hidden = 8, .layers = 2});
  State state = two.rnn.zero(1);
  CHECK_THROWS_AS(one.step(Tensor::indices({1}), state), ValueError);
}

TEST_CASE("a long sentence is evaluated in pieces, to the same loss") {
  const Text text(400);
  EncodedCorpus one;  // all sentences in one of some thousand tokens
  one.ids = {Vocabulary::begin};
  for (int64_t i = 0; i < text.encoded.sentences(); ++i)
    for (const int32_t id : text.encoded.targets(i)) one.ids.push_back(id);
  one.offsets = {0, static_cast<int64_t>(one.ids.size())};
  REQUIRE(one.tokens() > 2000);
  const auto m = model(text, "lstm");
  int calls = 0;
  const Evaluation e = evaluate(m, one, 32, [&](int64_t) { ++calls; });
  CHECK(e.total ==
        doctest::Approx(
            sum(m.token_losses(make_batch(one, std::array<int64_t, 1>{0})).value()).item()));
  CHECK(evaluate_stream(m, one).total == doctest::Approx(e.total));
}
