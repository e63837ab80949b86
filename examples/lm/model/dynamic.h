#pragma once
// Dynamic evaluation (Krause, Kahembwe, Murray & Renals, 2018): a copy of the model goes on
// learning from the text it is evaluated on. It predicts a few tokens, which count, and then takes
// a step by their gradient, so that it adapts to names and subjects as they come up. Each weight's
// step is scaled by the root mean square of its gradients on the training text: what training moved
// much, moves much.

#include <tapestry/examples/lm/model/evaluate.h>

namespace tapestry::lm {

struct DynamicSettings {
  double rate = 0.0002;  // of the step
  int64_t tokens = 20;   // read between two steps, at most; they end with a sentence
};

class DynamicEvaluation {
 public:
  /// `train` is what the model was trained on; of a long text a part is read for the scales. The
  /// model given stays as it is. Throws ValueError for a rate below 0 or no tokens.
  DynamicEvaluation(const LanguageModel& model, const EncodedCorpus& train,
                    DynamicSettings settings = {});

  /// ln p of each token that the corpus predicts, in its order, by a model that begins as it was
  /// trained and learns on the way. Sentence by sentence, or as one stream.
  std::vector<double> log_probabilities(const EncodedCorpus& corpus, bool stream = false,
                                        const Advance& advance = {}) const;

 private:
  LanguageModel model_;
  DynamicSettings settings_;
  std::vector<Tensor> scales_;  // of each parameter's gradient
};

}  // namespace tapestry::lm
