#pragma once
// A corpus: sentences of tokens, as read, before any vocabulary.
//
// Each distinct token (a type) is stored once in a TokenTable, numbered in the order of first
// appearance, and a sentence is a run of such numbers, so text costs four bytes a token.
// A corpus has no begin and end tokens: those come with a vocabulary's encoding.

#include <tapestry/examples/lm/text/text_settings.h>

#include <cstdint>
#include <functional>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tapestry::lm {

/// Distinct strings numbered 0, 1, ... in the order in which they were added.
class TokenTable {
 public:
  /// The number of `token`, added if new.
  int32_t intern(std::string_view token);
  /// The number of `token`, -1 if absent.
  int32_t find(std::string_view token) const;
  /// Throws IndexError outside the table.
  const std::string& token(int32_t id) const;
  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> ids_;
  std::vector<std::string> tokens_;
};

struct Corpus {
  TokenTable types;
  std::pmr::vector<int32_t> ids;      // all sentences, one after the other
  std::pmr::vector<int64_t> offsets;  // sentence i is ids[offsets[i]] .. ids[offsets[i + 1] - 1]

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
  /// Adds one sentence; one without tokens is ignored.
  template <class Strings>
  void add(const Strings& sentence) {
    for (const auto& token : sentence) ids.push_back(types.intern(token));
    if (tokens() > offsets.back()) offsets.push_back(tokens());
  }
};

/// Reads the files one after the other ("-" is standard input) as records.h and tokenizer.h say.
/// Texts without tokens are skipped.
/// Throws FileError, and FormatError for a malformed file, one without a sentence, or a reserved
/// token.
Corpus read_sentences(const std::vector<std::string>& files, const TextSettings& settings = {},
                      std::pmr::memory_resource* memory = std::pmr::get_default_resource());

}  // namespace tapestry::lm
