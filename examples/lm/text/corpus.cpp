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

// Adds the sentences of one file, not more than settings.max_sentences in all.
void add_file(Corpus& corpus, const std::string& file, const TextSettings& settings,
              Tokenizer& tokenizer) {
  const int64_t before = corpus.sentences();
  const int64_t limit =
      settings.max_sentences > 0 ? settings.max_sentences : std::numeric_limits<int64_t>::max();
  int64_t records = 0;
  const auto use = [&](const Record& record) {
    ++records;
    tokenizer.split(record.text, [&](std::string_view text, Tokens sentence) {
      if (corpus.sentences() == limit) return false;
      check_reserved(record, text, sentence, settings);
      corpus.add(sentence);
      corpus.bytes += sentence.back().data() + sentence.back().size() - sentence[0].data() + 1;
      return true;
    });
    return corpus.sentences() < limit;
  };
  const std::string note = read_records(file, settings, use);
  if (!note.empty()) corpus.notes.push_back(note);
  require<FormatError>(corpus.sentences() > before, input_name(file), ": no sentence found: ",
                       records == 0 ? note.empty() ? "the file is empty" : "it has no rows"
                       : settings.split_sentences ? "it holds only blank lines and headings"
                                                  : "it holds only blank lines",
                       " (expected UTF-8 text)");
}

}  // namespace

int32_t TokenTable::intern(std::string_view token) {
  if (const int32_t id = find(token); id >= 0) return id;
  require<ValueError>(tokens_.size() < size_t{std::numeric_limits<int32_t>::max()},
                      "corpus: more than 2147483646 distinct tokens");
  ids_.emplace(token, size());
  tokens_.emplace_back(token);
  return size() - 1;
}

int32_t TokenTable::find(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

const std::string& TokenTable::token(int32_t id) const {
  require<IndexError>(id >= 0 && id < size(), "token id ", id, " is outside a table of ", size());
  return tokens_[static_cast<size_t>(id)];
}

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
