#include <fmt/format.h>
#include <tapestry/examples/lm/text/corpus.h>
#include <tapestry/examples/lm/text/records.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/text/tokenizer.h>
#include <tapestry/tensor/error.h>

#include <algorithm>
#include <limits>

namespace tapestry::lm {
namespace {

void check_reserved(const Record& record, std::string_view text, Tokens sentence,
                    const TextSettings& settings) {
  for (const std::string_view token : sentence)
    if (std::find(settings.reserved.begin(), settings.reserved.end(), token) !=
        settings.reserved.end()) {
      Record prepared = record;  // differs in columns where lower case has other characters
      prepared.text = text;
      fail<FormatError>(prepared.position(static_cast<size_t>(token.data() - text.data())),
                        "the text contains '", token,
                        "', which marks where a sentence begins or ends (remove or replace it)");
    }
}

/// Of sentences that were cut into pieces.
struct LongSentences {
  int64_t count = 0, longest = 0, tokens = 0;

  /// After a sentence, or a part of one, of so many tokens.
  void add(int64_t more, bool begins) {
    const bool counted = !begins && tokens > kLongestUncut;
    tokens = begins ? more : tokens + more;
    count += tokens > kLongestUncut && !counted;
    longest = std::max(longest, tokens);
  }
  std::string note() const {
    return fmt::format("{} line{} of more than {} tokens (the longest {}) read in pieces of {}",
                       count, count == 1 ? "" : "s", kLongestUncut, longest, kPiece);
  }
};

/// Adds the sentences of one file, not more than settings.max_sentences in all.
void add_file(Corpus& corpus, const std::string& file, const TextSettings& settings,
              Tokenizer& tokenizer) {
  const int64_t before = corpus.sentences();
  const int64_t limit =
      settings.max_sentences > 0 ? settings.max_sentences : std::numeric_limits<int64_t>::max();
  int64_t records = 0;
  LongSentences cut;
  bool open = false;  // a part of this line was added, with which the next goes on
  const auto use = [&](const Record& record) {
    ++records;
    open = open && !record.begins;
    bool begins = !open;
    const auto sentence = [&](std::string_view text, Tokens tokens) {
      if (corpus.sentences() >= limit) return false;
      check_reserved(record, text, tokens, settings);
      cut.add(static_cast<int64_t>(tokens.size()), begins);
      corpus.add_part(tokens, begins);
      corpus.bytes += tokens.back().data() + tokens.back().size() - tokens[0].data() + 1;
      begins = open = true;
      return true;
    };
    tokenizer.split(record.text, sentence, begins);
    return corpus.sentences() < limit;
  };
  const std::string note = read_records(file, settings, use);
  if (!note.empty()) corpus.notes.push_back(note);
  if (cut.count > 0) corpus.notes.push_back(input_name(file) + ": " + cut.note());
  require<FormatError>(corpus.sentences() > before, input_name(file), ": no sentence found: ",
                       records == 0 ? note.empty() ? "the file is empty" : "it has no rows"
                       : settings.split_sentences ? "it holds only blank lines and headings"
                                                  : "it holds only blank lines",
                       " (expected UTF-8 text)");
}

}  // namespace

std::span<const int32_t> Corpus::sentence(int64_t i) const {
  require<IndexError>(i >= 0 && i < sentences(), "sentence ", i, " is outside a corpus of ",
                      sentences());
  const auto index = static_cast<size_t>(i);
  return std::span(ids).subspan(static_cast<size_t>(offsets[index]),
                                static_cast<size_t>(offsets[index + 1] - offsets[index]));
}

std::vector<std::string> Corpus::words(int64_t i) const {
  std::vector<std::string> result;
  for (const int32_t id : sentence(i)) result.push_back(types.token(id));
  return result;
}

bool Corpus::continues(int64_t i) const {
  return !pieces.empty() && std::binary_search(pieces.begin(), pieces.end(), i);
}

void Corpus::add_part(std::span<const std::string_view> tokens, bool begins) {
  const size_t longest = tokens.size() > size_t{kLongestUncut} ? kPiece : kLongestUncut;
  for (; !tokens.empty(); begins = false) {
    if (!begins) pieces.push_back(sentences());
    const auto piece = tokens.first(std::min(longest, tokens.size()));
    add(piece);
    tokens = tokens.subspan(piece.size());
  }
}

Corpus read_sentences(const std::vector<std::string>& files, const TextSettings& settings,
                      std::pmr::memory_resource* memory) {
  Corpus corpus(memory);
  Tokenizer tokenizer(settings);
  for (const std::string& file : files) {
    if (settings.max_sentences > 0 && corpus.sentences() >= settings.max_sentences) break;
    add_file(corpus, file, settings, tokenizer);
  }
  return corpus;
}

}  // namespace tapestry::lm
