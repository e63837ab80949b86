#pragma once
// An interpolated n-gram model with modified Kneser-Ney smoothing (Chen & Goodman, 1999): the floor
// that a network must beat. It has the vocabulary of the network, the unknown token in it, and
// predicts every token but the begin token; probabilities of what may follow add up to 1.

#include <tapestry/examples/lm/ngram/counts.h>

#include <array>
#include <vector>

namespace tapestry::lm {

class KneserNey {
 public:
  /// Counted from `text`. Throws ValueError for an order that is not 1 to kHighestOrder.
  KneserNey(const EncodedCorpus& text, int32_t vocabulary, int order);

  /// The end of a text: the nodes of its last 0, 1, ... words, as many as are known.
  struct Context {
    std::array<int64_t, kHighestOrder> nodes{};
    int known = 1;
  };
  /// Of a text of this one word: the begin token, or whatever comes first.
  Context begin(int32_t word) const { return advance({}, word); }
  Context advance(const Context& context, int32_t word) const;
  /// p(word | context). 0 for the begin token.
  double probability(const Context& context, int32_t word) const;

  /// ln p of each token that the corpus predicts, in its order.
  std::vector<double> log_probabilities(const EncodedCorpus& corpus) const;

  int order() const { return counts_.order(); }
  /// N-grams of all lengths.
  int64_t ngrams() const;

 private:
  /// What n-grams of a length give away to words not seen after a context, by their count: 1, 2,
  /// more.
  struct Discounts {
    std::array<double, 3> of{};
    double operator()(uint32_t count) const { return count ? of[std::min(count, 3U) - 1] : 0; }
  };
  /// Of a context: the sum of its children's counts, and of their discounts.
  struct Mass {
    uint64_t total = 0;
    double discounts = 0;
  };

  static Discounts discounts_of(const NgramLevel& level);

  NgramCounts counts_;
  int32_t vocabulary_;
  std::vector<Discounts> discounts_;       // by length
  std::vector<std::vector<Mass>> masses_;  // by length of the context, from 0
};

}  // namespace tapestry::lm
