#pragma once
// Vocabulary: the tokens a model knows, numbered; and a corpus written in those numbers.
//
// Ids 0, 1 and 2 are the unknown, begin and end tokens; the others follow by falling frequency,
// equal ones in the order of first appearance, so a vocabulary is a function of its corpus.
// A token of the text that equals the unknown token's name (WikiText has "<unk>") is that token
// and is counted as out of vocabulary (OOV), like any token the vocabulary lacks.
//
// An encoded sentence is stored once, as [begin w1 ... wn end]: a model reads its first n+1 ids
// and predicts its last n+1. A piece that goes on where the one before was cut (corpus.h) begins
// with the last token of that one instead, which has no end token: all pieces together predict each
// token of the line, and its end, once.

#include <tapestry/examples/lm/text/corpus.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::lm {

/// Names of the three tokens that every vocabulary has.
struct SpecialTokens {
  std::string unknown = "<unk>", begin = "<s>", end = "</s>";
};

struct EncodedCorpus {
  std::pmr::vector<int32_t> ids;      // [begin w1 ... wn end] of all sentences
  std::pmr::vector<int64_t> offsets;  // sentence i is ids[offsets[i]] .. ids[offsets[i + 1] - 1]
  int64_t oov = 0;                    // tokens that are the unknown token
  int64_t longest = 0;                // most targets in a sentence, its end token counted

  EncodedCorpus(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : ids(memory), offsets(1, 0, memory) {}
  EncodedCorpus(EncodedCorpus&&) = default;  // no copies: it may be larger than memory
  EncodedCorpus& operator=(EncodedCorpus&&) = default;

  int64_t sentences() const { return static_cast<int64_t>(offsets.size()) - 1; }
  /// Predicted tokens: end tokens counted, begin tokens not.
  int64_t tokens() const { return static_cast<int64_t>(ids.size()) - sentences(); }
  std::span<const int32_t> sentence(int64_t i) const;
  std::span<const int32_t> inputs(int64_t i) const;   // begin w1 ... wn
  std::span<const int32_t> targets(int64_t i) const;  // w1 ... wn end
  /// Whether sentence i goes on where the one before it was cut.
  bool continues(int64_t i) const;
};

/// A line of a vocabulary file.
struct TokenCount {
  std::string token;
  int64_t count = 0;
};
enum class Counts { needed, optional };
/// The lines "token<TAB>count", or only "token" where counts are optional. Throws FileError, and
/// FormatError with the position of what is malformed or there twice.
std::vector<TokenCount> read_tokens(const std::string& path, Counts counts = Counts::needed);

class Vocabulary {
 public:
  static constexpr int32_t unknown = 0, begin = 1, end = 2;

  /// The `size` (special tokens counted, at least 4) most frequent tokens among those that appear
  /// `min_count` times or more; all where there are fewer. Throws ValueError for a size or names
  /// that make no sense, FormatError where the corpus contains the begin or the end token.
  static Vocabulary build(const Part& corpus, int64_t size = 8000, int64_t min_count = 1,
                          const SpecialTokens& names = {});

  /// Of these tokens, the special ones first. Throws ValueError for one that is there twice.
  explicit Vocabulary(std::span<const TokenCount> tokens);

  /// Reads what `save` wrote; the first three lines must hold `names`. Throws FileError, and
  /// FormatError with the position of what is malformed.
  static Vocabulary load(const std::string& path, const SpecialTokens& names = {});

  /// Writes a line "token<TAB>count" for each id in order. Throws UserError.
  void save(const std::string& path) const;

  int32_t size() const { return tokens_.size(); }
  /// The id of `token`, `unknown` if it has none.
  int32_t id(std::string_view token) const;
  /// Throws IndexError outside the vocabulary.
  const std::string& token(int32_t id) const { return tokens_.token(id); }
  /// How often the token appeared in the corpus it was built from.
  int64_t count(int32_t id) const { return counts_.at(static_cast<size_t>(id)); }

  /// In the kind of memory that the corpus has. Throws FormatError where it contains the begin or
  /// the end token.
  EncodedCorpus encode(const Part& corpus) const;

 private:
  explicit Vocabulary(const SpecialTokens& names);
  /// The id in this vocabulary of each of `types`.
  std::vector<int32_t> translation(const TokenTable& types) const;

  TokenTable tokens_;
  std::vector<int64_t> counts_;
};

}  // namespace tapestry::lm
