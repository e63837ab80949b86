#pragma once
// Built-in corpora whose statistics are known exactly: sources of random sentences (Shannon, "A
// mathematical theory of communication", 1948) that also give the probability of any sentence.
// The mean of -log_probability over held-out sentences is the floor: no language model's loss on
// them stays below it but by chance. Over ever more sentences it tends to entropy().
//
// Logarithms are natural (nats). Every sentence ends with an end token, which is counted as a
// token and not listed; sentences have no begin token.

#include <tapestry/examples/lm/text/corpus.h>
#include <tapestry/tensor/random.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::lm {

struct Entropy {
  double per_sentence = 0;         // expected -ln p of a sentence
  double tokens_per_sentence = 0;  // expected number of tokens, end token counted
  double per_token() const { return per_sentence / tokens_per_sentence; }
};

class Source {
 public:
  virtual ~Source() = default;
  virtual std::vector<std::string> sample(Rng& rng) const = 0;
  /// ln of the probability of the sentence, end token included; nothing if it cannot occur.
  virtual std::optional<double> log_probability(std::span<const std::string> sentence) const = 0;
  virtual Entropy entropy() const = 0;
};

/// English-like sentences in which words agree over distances. The mark at the end depends on the
/// first word. The main verb depends on the number (one, many) and the kind (person, animal, thing)
/// of a noun 1 to 11 words before it, a second verb, after "and", on the same noun up to 17 words
/// before; phrases of place and relative clauses, with nouns of their own, stand between. A
/// sentence has one derivation: the grammar is an automaton in which a state and a word determine
/// the next state, and a word belongs to one word class.
class AgreementGrammar final : public Source {
 public:
  AgreementGrammar();

  std::vector<std::string> sample(Rng& rng) const override;
  std::optional<double> log_probability(std::span<const std::string> sentence) const override;
  Entropy entropy() const override;

  /// The words that can follow `prefix` with their probabilities; none after a whole sentence and
  /// after what begins no sentence.
  std::vector<std::pair<std::string, double>> next(std::span<const std::string> prefix) const;

  /// The least loss, in nats per token, of a predictor that sees only the `window` (1 or more)
  /// tokens before each token, a begin token counted.
  double window_entropy(int window) const;

 private:
  struct Builder;
  struct WordClass {
    std::vector<std::string> words;  // word r = 0, 1, ... has weight 1 / (r + 2)
    std::vector<double> probability;
    double entropy = 0;
  };
  struct Arc {
    size_t word_class;
    double probability;
    size_t next;
  };
  struct Step {
    double probability;
    size_t next;
  };
  using Weights = std::map<size_t, double>;  // expected visits by state

  std::optional<Step> follow(size_t state, const std::string& word) const;
  double window_loss(const Weights& weights, int words) const;

  std::vector<WordClass> classes_;
  std::map<std::string, std::pair<size_t, size_t>, std::less<>> places_;  // word: class, rank
  // Arcs lead to smaller states. State 0 is the end of the sentence, the last state its start.
  std::vector<std::vector<Arc>> states_;
  Weights visits_;  // expected visits of each state in a sentence
};

/// Independent words w1, w2, ... with P(w_r) proportional to 1/r (Zipf, 1935). The number of words
/// of a sentence is 1 plus a negative binomial with three failures, a bell with a long right tail.
class ZipfSource final : public Source {
 public:
  /// Throws ValueError unless types >= 1 and 1 <= mean_words <= 10000.
  explicit ZipfSource(int64_t types, double mean_words = 26.7);

  std::vector<std::string> sample(Rng& rng) const override;
  std::optional<double> log_probability(std::span<const std::string> sentence) const override;
  Entropy entropy() const override;

 private:
  /// ln P(n words), n >= 1.
  double log_length_probability(double n) const;

  std::vector<double> cumulative_;  // 1 + 1/2 + ... + 1/r
  double mean_words_, repeat_;      // repeat_: probability of one more word in each of three runs
};

/// "agreement", or "zipf" with the given number of word types. Throws ValueError for other names.
std::unique_ptr<Source> make_source(std::string_view name, int64_t types = 7997);

/// Sentences first, first + 1, ... of the source's endless corpus number `seed`: a sentence depends
/// on seed and index only, so disjoint ranges make training and held-out text.
Corpus generate(const Source& source, int64_t sentences, uint64_t seed, int64_t first = 0);

/// Sum of ln p over all sentences; nothing if one of them cannot occur.
std::optional<double> log_probability(const Source& source, const Corpus& corpus);

}  // namespace tapestry::lm
