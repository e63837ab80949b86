// Evaluation token by token, in batches, in pieces of cut lines, as a stream, and by a model that
// goes on learning.

#include <doctest/doctest.h>
#include <tapestry/examples/lm/model/dynamic.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/reduce.h>

#include <cmath>
#include <numeric>

using namespace tapestry;
using namespace tapestry::lm;

namespace {

LanguageModel small_model(const char* cell) {
  Rng rng(3);
  LanguageModel model({.cell = cell, .vocabulary = 9, .hidden = 5, .layers = 2, .embed = 4}, rng,
                      f64);
  for (const auto& [name, p] : parameters(model))
    for (double& x : p->value().write<double>()) x += rng.uniform(-0.5, 0.5);
  return model;
}

/// Sentences of 1 to 40 words, and one of 400; `cut`: that one in pieces.
EncodedCorpus text(const Vocabulary& vocabulary, bool cut) {
  Rng rng(5);
  Corpus corpus;
  const std::vector<std::string_view> words = {"a", "b", "c", "d", "e", "f"};
  const auto draw = [&](int64_t n) {
    std::vector<std::string_view> out;
    while (n-- > 0) out.push_back(words[rng.below(6)]);
    return out;
  };
  for (int i = 0; i < 7; ++i) {
    corpus.add(draw(1 + static_cast<int64_t>(rng.below(40))));
    if (i != 3) continue;
    const auto line = draw(400);
    const std::span all(line);
    if (cut) {
      corpus.add_part(all.first(150), true);
      corpus.add_part(all.subspan(150, 1), false);
      corpus.add_part(all.subspan(151), false);
    } else {
      corpus.add(line);
    }
  }
  return vocabulary.encode(corpus);
}

Vocabulary letters() {
  Corpus corpus;
  corpus.add(std::vector<std::string>{"a", "b", "c", "d", "e", "f"});
  return Vocabulary::build(corpus);
}

double difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double out = 0;
  for (size_t i = 0; i < a.size(); ++i) out = std::max(out, std::abs(a[i] - b[i]));
  return out;
}

}  // namespace

TEST_CASE("evaluate: a line that was cut into pieces has the loss of the whole line") {
  const Vocabulary vocabulary = letters();
  const EncodedCorpus whole = text(vocabulary, false), cut = text(vocabulary, true);
  REQUIRE(cut.sentences() == whole.sentences() + 2);
  for (const char* cell : {"rnn", "lstm", "gru"}) {
    CAPTURE(cell);
    const LanguageModel model = small_model(cell);
    for (const int64_t batch : {1, 3, 32}) {
      const Evaluation a = evaluate(model, whole, batch), b = evaluate(model, cut, batch);
      CHECK(a.tokens == b.tokens);
      CHECK(a.total == doctest::Approx(b.total).epsilon(1e-12));
    }
    CHECK(evaluate_stream(model, whole).total ==
          doctest::Approx(evaluate_stream(model, cut).total).epsilon(1e-12));
  }
}

TEST_CASE("evaluate: ln p of each token, in the order of the text, whatever the batch") {
  const Vocabulary vocabulary = letters();
  const LanguageModel model = small_model("lstm");
  for (const bool cut : {false, true}) {
    const EncodedCorpus corpus = text(vocabulary, cut);
    // One sentence at a time, in order: no packing to undo.
    const std::vector<double> one = log_probabilities(model, corpus, false, 1);
    CHECK(-std::accumulate(one.begin(), one.end(), 0.0) ==
          doctest::Approx(evaluate(model, corpus).total).epsilon(1e-12));
    for (const int64_t batch : {2, 3, 32})
      CHECK(difference(one, log_probabilities(model, corpus, false, batch)) < 1e-12);
    CHECK(difference(log_probabilities(model, text(vocabulary, false)),
                     log_probabilities(model, text(vocabulary, true))) < 1e-12);
    const std::vector<double> stream = log_probabilities(model, corpus, true);
    CHECK(-std::accumulate(stream.begin(), stream.end(), 0.0) ==
          doctest::Approx(evaluate_stream(model, corpus).total).epsilon(1e-12));
    CHECK(difference(one, stream) > 1e-3);
  }
}

TEST_CASE("evaluate: a model that learns nothing on the way predicts as the one it copied") {
  const Vocabulary vocabulary = letters();
  const EncodedCorpus corpus = text(vocabulary, true);
  for (const char* cell : {"rnn", "lstm", "gru"})
    for (const bool stream : {false, true}) {
      const LanguageModel model = small_model(cell);
      const DynamicEvaluation still(model, corpus, {.rate = 0, .tokens = 7});
      CHECK(difference(still.log_probabilities(corpus, stream),
                       log_probabilities(model, corpus, stream)) < 1e-12);
    }
}

TEST_CASE("evaluate: each step of a dynamic model follows from what it has read") {
  const Vocabulary vocabulary = letters();
  Corpus read, trained;
  read.add(std::vector<std::string_view>{"a", "b", "f", "c", "d", "a"});
  trained.add(std::vector<std::string_view>{"b", "b", "c", "a", "e"});
  trained.add(std::vector<std::string_view>{"f", "a"});
  const EncodedCorpus text = vocabulary.encode(read), train = vocabulary.encode(trained);
  LanguageModel model = small_model("gru");
  const auto gradients = [&](const auto& loss) {
    Tape tape;
    tape.backward(loss());
    std::vector<Tensor> out;
    for (const auto& [name, p] : parameters(model)) {
      out.push_back(p->grad().dense().clone());
      p->grad().clear();
    }
    return out;
  };
  const std::vector<int64_t> both = {0, 1}, one = {0};
  const Batch batch = make_batch(train, both);
  const std::vector<Tensor> trained_by =
      gradients([&] { return model.loss(batch, 1, nullptr, nullptr); });

  constexpr double kRate = 0.05;
  const DynamicEvaluation dynamic(model, train, {.rate = kRate, .tokens = 4});
  const std::vector<double> found = dynamic.log_probabilities(text);
  const std::vector<double> before = log_probabilities(model, text);
  REQUIRE(found.size() == 7);

  // The same by hand: 4 tokens, a step, and the 3 that are left.
  const std::vector<Batch> parts = pieces(make_batch(text, one), 4);
  State state = model.rnn.zero(1);
  const std::vector<Tensor> steps =
      gradients([&] { return model.loss(parts[0], 1, &state, nullptr); });
  size_t i = 0;
  for (const auto& [name, p] : parameters(model)) {
    const Tensor squares = square(trained_by[i]) / 9;  // 6 + 3 tokens
    const double least = 0.1 * std::sqrt(mean(squares).item());
    p->value() = p->value() - steps[i] / (sqrt(squares) + least) * kRate;
    ++i;
  }
  const std::vector<double> after =
      (-model.token_losses(parts[1], &state).value()).to_vector<double>();
  for (size_t t = 0; t < 7; ++t)
    CHECK(found[t] == doctest::Approx(t < 4 ? before[t] : after[t - 4]).epsilon(1e-10));
  CHECK(std::abs(found[6] - before[6]) > 1e-3);
  // What it has learnt is forgotten before the next text.
  CHECK(difference(found, dynamic.log_probabilities(text)) == 0);
}

TEST_CASE("evaluate: a dynamic model learns a text that repeats itself") {
  const Vocabulary vocabulary = letters();
  Corpus corpus;
  for (int i = 0; i < 60; ++i) corpus.add(std::vector<std::string_view>{"c", "f", "a", "a", "b"});
  const EncodedCorpus text = vocabulary.encode(corpus);
  const LanguageModel model = small_model("lstm");
  const std::vector<double> logs =
      DynamicEvaluation(model, text, {.rate = 0.02}).log_probabilities(text);
  const auto loss = [&](size_t first) {
    return -std::accumulate(logs.begin() + static_cast<ptrdiff_t>(first),
                            logs.begin() + static_cast<ptrdiff_t>(first + 60), 0.0) /
           60;
  };
  CHECK(loss(300) < 0.5 * loss(0));
  CHECK_THROWS_AS(DynamicEvaluation(model, text, {.rate = -1}), ValueError);
  CHECK_THROWS_AS(DynamicEvaluation(model, text, {.tokens = 0}), ValueError);
}
