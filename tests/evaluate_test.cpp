// Evaluation token by token, in batches, in pieces of cut lines, and as a stream.

#include <doctest/doctest.h>
#include <tapestry/examples/lm/model/evaluate.h>

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
