#pragma once
// The loss of a model on held-out sentences. Each token counts once, the end token of a sentence
// included and its begin token not. Token losses are added in f64, so the result does not depend on
// the batch size beyond rounding.

#include <cmath>
#include <numbers>

#include <tapestry/examples/lm/model.h>

namespace tapestry::lm {

struct Evaluation {
  int64_t sentences = 0, tokens = 0, oov = 0;
  double total = 0;  // nats

  double loss() const { return total / static_cast<double>(tokens); }  // nats per token
  double perplexity() const { return std::exp(loss()); }
  double bits_per_token() const { return loss() / std::numbers::ln2; }
};

/// `advance(tokens)` is told the tokens done so far after every batch.
template <class Cell, class Advance>
Evaluation evaluate(const LanguageModel<Cell>& model, const EncodedCorpus& corpus, int64_t batch,
                    Advance&& advance) {
  const Tape::Pause pause;
  Evaluation out{corpus.sentences(), corpus.tokens(), corpus.oov};
  int64_t done = 0;
  for (int64_t first = 0; first < corpus.sentences(); first += batch) {
    std::vector<int64_t> sentences;
    for (int64_t s = first; s < std::min(first + batch, corpus.sentences()); ++s)
      sentences.push_back(s);
    const Batch b = make_batch(corpus, sentences);
    out.total += sum(model.token_losses(b).value().cast(f64)).item();
    advance(done += b.tokens());
  }
  return out;
}
template <class Cell>
Evaluation evaluate(const LanguageModel<Cell>& model, const EncodedCorpus& corpus,
                    int64_t batch = 32) {
  return evaluate(model, corpus, batch, [](int64_t) {});
}

}  // namespace tapestry::lm
