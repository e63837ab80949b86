#pragma once
// What a run trains on and is judged by: sentences read from files, or drawn from a built-in
// corpus, in two disjoint parts, encoded by a vocabulary made from the training part alone.
//
// Of a built-in corpus the floor is known: the mean of -ln p, in nats per token, of the very
// sentences under the grammar that made them (grammar.h).

#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/text/grammar.h>
#include <tapestry/examples/lm/text/vocabulary.h>

#include <optional>
#include <span>
#include <string>

namespace tapestry::lm {

struct Data {
  Vocabulary vocabulary;
  EncodedCorpus train = {}, valid = {};                      // valid may be empty
  std::optional<double> entropy = {};                        // of the grammar, exact
  std::optional<double> train_floor = {}, valid_floor = {};  // absent too where words are unknown
  std::vector<std::string> notes = {};                       // for the user: how files were read
  uint64_t hash = 0;  // of every sentence and token of both parts

  /// Whether a run goes on with the same text.
  uint64_t fingerprint() const { return hash; }
  bool has_valid() const { return valid.sentences() > 0; }
};

/// Reads or draws the sentences. Throws as read_sentences() does.
Data read_data(const InputSettings& input);

/// A number in [0, 1) from the words of the sentence alone, so that it and its copies land on the
/// same side of a split.
double hash_fraction(const Corpus& corpus, int64_t sentence);

/// The mean of -ln p over the tokens of the corpus, end tokens included; nothing for no sentences.
std::optional<double> floor_of(const Source& source, const Corpus& corpus);

}  // namespace tapestry::lm
