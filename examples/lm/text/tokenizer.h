#pragma once
// Splits text into sentences, and these into tokens:
//   space  the parts between white space, for text that is tokenized already; the text ends its
//          sentences with a token ".", "!" or "?", and closing marks alone (quotation marks,
//          brackets, further stops) that remain belong to the sentence they close; a text that
//          begins with '=' is a heading and has no sentence
//   word   words and marks as Unicode defines them (UAX #29), white space dropped
//   char   code points; a run of white space is the token " ", dropped at either end
// The latter two end sentences where Unicode does (UAX #29), but not after the abbreviations of
// English that ICU knows. Without TextSettings::split_sentences a text is one sentence.

#include <tapestry/examples/lm/text/text_settings.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tapestry::lm {

using Tokens = std::span<const std::string_view>;

class Tokenizer {
 public:
  explicit Tokenizer(const TextSettings& settings);
  ~Tokenizer();

  /// Lower case and normal form as set. `text` is UTF-8 without NUL.
  std::string prepare(std::string_view text) const;
  /// Calls `sentence` with each sentence of a text, prepared, and the text that its tokens are
  /// views of; stops at false. None is empty. Not to be called by two threads at once. A text that
  /// does not begin its line goes on where the one before it was cut.
  using Use = std::function<bool(std::string_view text, Tokens)>;
  void split(std::string_view raw, const Use& sentence, bool begins_line = true);
  /// A prepared text as one sentence.
  std::vector<std::string_view> tokens(std::string_view text, bool begins_line = true);
  /// The tokens as a text that is tokenized into them again.
  std::string join(std::span<const std::string> tokens) const;

 private:
  struct Breaks;
  TextSettings settings_;
  std::unique_ptr<Breaks> words_, sentences_;
};

}  // namespace tapestry::lm
