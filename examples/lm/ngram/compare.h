#pragma once
// A network beside an n-gram model of the text it was trained on, and both mixed: what the network
// has learnt that counting does not tell.

#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/data.h>

#include <functional>
#include <string>
#include <vector>

namespace tapestry::lm {

/// ln p of each token that a corpus predicts, in its order.
using TokenLogs = std::function<std::vector<double>(const EncodedCorpus&)>;

struct NgramComparison {
  int order = 0;
  int64_t ngrams = 0;                          // counted, of all lengths
  double ngram = 0, network = 0, mixture = 0;  // losses, nats per token
  double weight = 0.5;                         // of the network in the mixture
  std::string tuned_on = {};                   // empty: on nothing, the weight is 0.5
};

/// Counts n-grams of up to `order` tokens in the run's training text, chooses the weight on the
/// text that the run held out, and compares on `text`. Throws UserError (no_input) where the run's
/// text cannot be read again, FormatError where it is another now.
NgramComparison compare_with_ngrams(const Run& run, int order, const EncodedCorpus& text,
                                    const TokenLogs& network);

}  // namespace tapestry::lm
