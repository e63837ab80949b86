#pragma once
// The loss of a model on held-out sentences. Each token counts once, the end token of a sentence
// included and its begin token not. Token losses are added in f64, so the result does not depend on
// the batch size beyond rounding.

#include <cmath>
#include <numbers>

#include <tapestry/examples/lm/model/model.h>

namespace tapestry::lm {

struct Evaluation {
  int64_t sentences = 0, tokens = 0, oov = 0;
  double total = 0, unknown = 0;  // nats: of all tokens, of those that are unknown

  void add(const Batch& batch, const Tensor& token_losses) {
    const Tensor losses = token_losses.cast(f64).to_contiguous();
    total += sum(losses).item();
    const auto targets = batch.targets.read<int32_t>();
    for (size_t i = 0; i < targets.size(); ++i)
      if (targets[i] == Vocabulary::unknown) unknown += losses.read<double>()[i];
  }
  double loss() const { return total / static_cast<double>(tokens); }  // nats per token
  double perplexity() const { return std::exp(loss()); }
  double bits_per_token() const { return loss() / std::numbers::ln2; }
  /// Over the tokens that the vocabulary has.
  double perplexity_without_unknowns() const {
    return std::exp((total - unknown) / static_cast<double>(tokens - oov));
  }
};

/// `advance(tokens)` is told the tokens done so far after every batch. The pieces of a sentence
/// that was cut are read one by one, each in the state that the one before it has left.
template <class Cell, class Advance>
Evaluation evaluate(const LanguageModel<Cell>& model, const EncodedCorpus& corpus, int64_t batch,
                    Advance&& advance) {
  const Tape::Pause pause;
  const int64_t n = corpus.sentences();
  const auto is_piece = [&](int64_t i) {
    return corpus.continues(i) || (i + 1 < n && corpus.continues(i + 1));
  };
  Evaluation out{n, corpus.tokens(), corpus.oov};
  auto state = model.rnn.zero(1);
  int64_t done = 0;
  for (int64_t first = 0; first < n;) {
    const bool piece = is_piece(first);
    std::vector<int64_t> sentences = {first};
    if (piece && !corpus.continues(first)) state = model.rnn.zero(1);
    while (++first < n && !piece && !is_piece(first) &&
           static_cast<int64_t>(sentences.size()) < batch)
      sentences.push_back(first);
    const Batch b = make_batch(corpus, sentences);
    out.add(b, model.token_losses(b, nullptr, piece ? &state : nullptr).value());
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
