#pragma once
// A corpus as one stream of tokens: the state behind a sentence is where the next one begins. For
// batches the stream is cut into columns of equal length, read side by side.

#include <tapestry/examples/lm/model/batch.h>

namespace tapestry::lm {

class Stream {
 public:
  /// `columns` (fewer where there are fewer tokens) of which an item has `steps` tokens each.
  /// Refers to the corpus, which it must not outlive.
  Stream(const EncodedCorpus& corpus, int64_t columns, int64_t steps);

  int64_t items() const { return (length(0) + steps_ - 1) / steps_; }
  int64_t columns() const { return columns_; }
  Batch batch(int64_t item) const;

 private:
  int64_t length(int64_t column) const { return begin(column + 1) - begin(column); }
  // The first columns are one token longer where the tokens do not divide.
  int64_t begin(int64_t column) const {
    const int64_t tokens = corpus_.tokens();
    return column * (tokens / columns_) + std::min(column, tokens % columns_);
  }
  /// The sentence that predicts token `at` of the stream.
  int64_t sentence_at(int64_t at) const;

  const EncodedCorpus& corpus_;
  int64_t columns_, steps_;
};

}  // namespace tapestry::lm
