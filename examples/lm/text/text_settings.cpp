#include <tapestry/examples/lm/text/text_settings.h>

#include <tapestry/examples/common/options.h>
#include <tapestry/tensor/error.h>

#include <algorithm>

namespace tapestry::lm {
namespace {

using Names = std::vector<std::string>;
const Names kFormats = {"auto", "text", "csv", "tsv"}, kHeaders = {"auto", "yes", "no"},
            kBadUtf8 = {"error", "replace", "skip"}, kTokenizers = {"space", "word", "char"},
            kNormalize = {"nfc", "none"};

bool is_quote(const std::string& text) {
  return text == "none" || (text.size() == 1 && text[0] > ' ' && text[0] < '\x7f');
}

}  // namespace

void add_text_options(app::Command& command, TextSettings& s) {
  using app::one_of, app::whole_number;
  const std::string input = "Input", tokens = "Tokens";
  command.add_option("--format", s.format, "what files hold; auto: by their extension")
      ->check(one_of(kFormats))
      ->group(input);
  command.add_option("--column", s.column, "NAME or number of the text in a CSV or TSV file")
      ->group(input);
  command.add_option("--header", s.header, "whether the first row names the columns")
      ->check(one_of(kHeaders))
      ->group(input);
  command.add_option("--quote", s.quote, "character around quoted fields, or none")
      ->check({[](const std::string& text) {
                 return is_quote(text) ? "" : "must be one character or none, not '" + text + "'";
               },
               ""})
      ->group(input);
  command.add_option("--on-bad-utf8", s.on_bad_utf8, "bytes that are NUL or not UTF-8")
      ->check(one_of(kBadUtf8))
      ->group(input);
  command.add_option("--max-sentences", s.max_sentences, "use the first N sentences (0: all)")
      ->check(whole_number(0))
      ->group(input);
  command
      .add_option("--tokenizer", s.tokenizer,
                  "split at white space, into words and marks (Unicode), into characters")
      ->check(one_of(kTokenizers))
      ->group(tokens);
  command.add_flag("--lower", s.lower, "lower-case the text")->group(tokens);
  command.add_option("--normalize", s.normalize, "Unicode normal form of the text")
      ->check(one_of(kNormalize))
      ->group(tokens);
  command
      .add_flag("--split-sentences", s.split_sentences,
                "a line holds several sentences; with tokenizer space, they end after a lone . ! "
                "or ?, and lines that begin with = are headings and dropped")
      ->group(tokens);
}

void check(const TextSettings& s) {
  const auto one = [](const char* key, const std::string& value, const Names& names) {
    require<FormatError>(std::find(names.begin(), names.end(), value) != names.end(), "input.", key,
                         " is '", value, "'");
  };
  one("format", s.format, kFormats);
  one("header", s.header, kHeaders);
  one("on_bad_utf8", s.on_bad_utf8, kBadUtf8);
  one("tokenizer", s.tokenizer, kTokenizers);
  one("normalize", s.normalize, kNormalize);
  require<FormatError>(is_quote(s.quote), "input.quote is '", s.quote, "'");
}

}  // namespace tapestry::lm
