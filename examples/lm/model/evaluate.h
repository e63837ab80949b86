#pragma once
// The loss of a model on held-out sentences. Each token counts once, the end token of a sentence
// included and its begin token not. Token losses are added in f64, so the result does not depend on
// the batch size beyond rounding.

#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include <tapestry/examples/lm/model/language_model.h>

namespace tapestry::lm {

struct Evaluation {
  int64_t sentences = 0, tokens = 0, oov = 0;
  double total = 0, unknown = 0;  // nats: of all tokens, of those that are unknown

  void add(const Batch& batch, const Tensor& token_losses);
  double loss() const { return total / static_cast<double>(tokens); }  // nats per token
  double perplexity() const { return std::exp(loss()); }
  double bits_per_token() const { return loss() / std::numbers::ln2; }
  /// Over the tokens that the vocabulary has.
  double perplexity_without_unknowns() const {
    return std::exp((total - unknown) / static_cast<double>(tokens - oov));
  }
};

/// Told the tokens done so far, again and again; may throw to give up.
using Advance = std::function<void(int64_t tokens)>;

/// Sentence by sentence, each from state zero, `batch` at once. Long ones are read in pieces; those
/// that the corpus has cut (corpus.h) go on in the state of the piece before.
Evaluation evaluate(const LanguageModel& model, const EncodedCorpus& corpus, int64_t batch = 32,
                    const Advance& advance = {});

/// As one stream: the state behind a sentence is where the next one begins.
Evaluation evaluate_stream(const LanguageModel& model, const EncodedCorpus& corpus,
                           const Advance& advance = {});

/// ln p of each token that the corpus predicts, in its order: sentence by sentence, or as one
/// stream.
std::vector<double> log_probabilities(const LanguageModel& model, const EncodedCorpus& corpus,
                                      bool stream = false, int64_t batch = 32);

}  // namespace tapestry::lm
