#pragma once
// Which n-grams a text has, and how often: a trie of sorted arrays, a level for each length.
//
// A node of level n is an n-gram; its children, the n-grams longer by one word, lie side by side in
// level n + 1, sorted by word. Level 1 has a node for each word of the vocabulary. N-grams end
// inside one sentence, before whose begin token there is nothing. The pieces of a sentence that was
// cut (corpus.h) are one sentence.

#include <tapestry/examples/lm/text/vocabulary.h>

#include <cstdint>
#include <vector>

namespace tapestry::lm {

constexpr int kHighestOrder = 5;

inline size_t index(int64_t i) { return static_cast<size_t>(i); }

struct NgramLevel {
  std::vector<int32_t> words;    // the last of each n-gram
  std::vector<uint32_t> counts;  // as Kneser-Ney counts: see NgramCounts
  std::vector<uint32_t> first;   // of the children of node i: first[i] ... first[i + 1] - 1
};

/// The longest n-grams, and those that begin with the begin token, are counted as they occur. Of
/// the others it counts in how many n-grams longer by one word in front they occur (Kneser & Ney,
/// 1995). The begin token alone has count 0: nothing predicts it.
class NgramCounts {
 public:
  /// Up to `order` words, 1 to kHighestOrder. Throws ValueError for another order, or a text of
  /// more than 2^32 - 2 tokens.
  NgramCounts(const EncodedCorpus& text, int32_t vocabulary, int order);

  int order() const { return static_cast<int>(levels_.size()); }
  /// The n-grams of n words.
  const NgramLevel& level(int n) const { return levels_[static_cast<size_t>(n) - 1]; }
  /// The node of level n + 1 of n-gram `node` and then `word`, -1 where there is none; n = 0 has
  /// one node, 0, the empty n-gram.
  int64_t child(int n, int64_t node, int32_t word) const;

 private:
  std::vector<NgramLevel> levels_;
};

}  // namespace tapestry::lm
