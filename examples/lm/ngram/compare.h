#pragma once
// A network beside an n-gram model of the text it was trained on, and both mixed: what the network
// has learnt that counting does not tell.

#include <tapestry/examples/lm/ngram/kneser_ney.h>
#include <tapestry/examples/lm/text/data.h>

#include <functional>
#include <string>
#include <vector>

namespace tapestry::lm {

/// ln p of each token that a corpus predicts, in its order.
using TokenLogs = std::function<std::vector<double>(const EncodedCorpus&)>;

/// Losses in nats per token.
struct Mixture {
  double network = 0, both = 0;
  double weight = 0.5;  // of the network
};

class NgramComparison {
 public:
  /// Counts n-grams of up to `order` tokens in the training text; compares on `text`. Keeps
  /// references to both.
  NgramComparison(const Data& data, int order, const EncodedCorpus& text);

  int order() const { return order_; }
  int64_t ngrams() const { return ngrams_; }  // counted, of all lengths
  double loss() const;                        // of the n-grams alone
  /// The weight is the best one for the text that was held out; 0.5 where none was.
  Mixture mix(const TokenLogs& network) const;
  /// "1000 tokens that the run held out"; empty where there were none.
  std::string tuned_on() const;

 private:
  const Data& data_;
  const EncodedCorpus& text_;
  int order_;
  int64_t ngrams_;
  std::vector<double> on_valid_, on_text_;
};

}  // namespace tapestry::lm
