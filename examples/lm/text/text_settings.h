#pragma once
// How files become sentences of tokens. A run keeps these settings, so that eval, score and sample
// read text as its training did.

#include <cstdint>
#include <string>
#include <vector>

namespace tapestry::app {
class Command;
}

namespace tapestry::lm {

struct TextSettings {
  // What a file holds. CSV and TSV are tables of which one column is text.
  std::string format = "auto";        // auto (by the file's extension), text, csv, tsv
  std::string column = "1";           // its name, or its number from 1
  std::string header = "auto";        // auto, yes, no: whether the first row names the columns
  std::string quote = "\"";           // of quoted fields; none: there are none
  std::string on_bad_utf8 = "error";  // error, replace (by U+FFFD), skip

  // How text becomes tokens.
  std::string tokenizer = "space";  // space, word, char
  bool lower = false;
  std::string normalize = "nfc";  // nfc, none
  bool split_sentences = false;

  int64_t max_sentences = 0;                            // 0: all
  std::vector<std::string> reserved = {"<s>", "</s>"};  // tokens the text must not contain
};

/// Registers the options that set these.
void add_text_options(app::Command& command, TextSettings& settings);

/// Throws FormatError, which names the setting, for a value that no option could have set.
void check(const TextSettings& settings);

}  // namespace tapestry::lm
