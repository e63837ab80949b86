#pragma once
// A corpus: sentences of tokens, as read, before any vocabulary.
//
// Each distinct token (a type) is stored once in a TokenTable, numbered in the order of first
// appearance, and a sentence is a run of such numbers, so text costs four bytes a token.
// A corpus has no begin and end tokens: those come with a vocabulary's encoding.
//
// A sentence of more than kLongestUncut tokens, as in a text without line ends, is cut into
// pieces of kPiece tokens. Each is a sentence here, of which continues() says that it goes on where
// the one before it was cut.

#include <tapestry/examples/lm/text/text_settings.h>
#include <tapestry/examples/lm/text/token_table.h>

#include <cstdint>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::lm {

constexpr int64_t kLongestUncut = 10'000, kPiece = 50;

struct Corpus {
  TokenTable types;
  std::pmr::vector<int32_t> ids;      // all sentences, one after the other
  std::pmr::vector<int64_t> offsets;  // sentence i is ids[offsets[i]] .. ids[offsets[i + 1] - 1]
  std::vector<int64_t> pieces;        // the sentences that go on with the one before, rising

  int64_t bytes = 0;               // of the sentences as read, a line end for each included
  std::vector<std::string> notes;  // for the user: how files were read

  /// `memory` is where the ids go: disk_memory.h for a corpus larger than memory.
  Corpus(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : ids(memory), offsets(1, 0, memory) {}

  int64_t sentences() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t tokens() const { return static_cast<int64_t>(ids.size()); }
  std::span<const int32_t> sentence(int64_t i) const;
  /// The strings of sentence i.
  std::vector<std::string> words(int64_t i) const;
  /// Whether sentence i goes on where the one before it was cut.
  bool continues(int64_t i) const;

  /// Adds one sentence; one without tokens is ignored.
  template <class Strings>
  void add(const Strings& sentence) {
    for (const auto& token : sentence) ids.push_back(types.intern(token));
    if (tokens() > offsets.back()) offsets.push_back(tokens());
  }
  /// The same for a part of a line, which `begins` a sentence or goes on with the one before. Cuts
  /// it into pieces where it is too long.
  void add_part(std::span<const std::string_view> tokens, bool begins);
};

/// The sentences of a corpus, all or those on one side of a split.
class Part {
 public:
  Part(const Corpus& corpus) : corpus_(corpus) {}
  /// Those for which held_out[i] is `side`.
  Part(const Corpus& corpus, const std::vector<bool>& held_out, bool side)
      : corpus_(corpus), held_out_(&held_out), side_(side) {}

  const Corpus& corpus() const { return corpus_; }
  /// Calls f(ids, continues) for each sentence. One goes on only with a sentence of the same part.
  template <class F>
  void for_each(F&& f) const {
    const auto here = [&](int64_t i) {
      return !held_out_ || (*held_out_)[static_cast<size_t>(i)] == side_;
    };
    for (int64_t i = 0; i < corpus_.sentences(); ++i)
      if (here(i)) f(corpus_.sentence(i), corpus_.continues(i) && here(i - 1));
  }

 private:
  const Corpus& corpus_;
  const std::vector<bool>* held_out_ = nullptr;
  bool side_ = false;
};

/// Reads the files one after the other ("-" is standard input) as records.h and tokenizer.h say.
/// Texts without tokens are skipped.
/// Throws FileError, and FormatError for a malformed file, one without a sentence, or a reserved
/// token.
Corpus read_sentences(const std::vector<std::string>& files, const TextSettings& settings = {},
                      std::pmr::memory_resource* memory = std::pmr::get_default_resource());

}  // namespace tapestry::lm
