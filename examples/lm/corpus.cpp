#include <tapestry/examples/lm/corpus.h>
#include <tapestry/examples/lm/text.h>
#include <tapestry/tensor/error.h>

#include <algorithm>
#include <limits>

namespace tapestry::lm {
namespace {

using Tokens = std::span<const std::string_view>;

bool one_of(std::string_view token, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), token) != list.end();
}
bool ends_sentence(std::string_view token) { return one_of(token, {".", "!", "?"}); }
bool closes(std::string_view token) {
  return ends_sentence(token) || one_of(token, {"\"", "'", "''", "”", "’", "»", ")", "]"});
}

// The sentences of one line.
std::vector<Tokens> split(Tokens line) {
  std::vector<Tokens> sentences;
  while (!line.empty()) {
    const auto last = std::find_if(line.begin(), line.end(), ends_sentence);
    const Tokens piece(line.begin(), last == line.end() ? last : last + 1);
    line = line.subspan(piece.size());
    if (!sentences.empty() && std::all_of(piece.begin(), piece.end(), closes))
      sentences.back() = {sentences.back().data(), sentences.back().size() + piece.size()};
    else
      sentences.push_back(piece);
  }
  return sentences;
}

// Adds the sentences of one file, not more than options.max_sentences in all.
void add_file(Corpus& corpus, const std::string& file, const ReadOptions& options) {
  const std::string text = options.lower ? lower(read_text(file)) : read_text(file);
  const int64_t before = corpus.sentences();
  const int64_t limit =
      options.max_sentences > 0 ? options.max_sentences : std::numeric_limits<int64_t>::max();
  std::vector<std::string_view> tokens;
  for (std::string_view rest = text; !rest.empty();) {
    split_at_spaces(take_line(rest), tokens);
    if (tokens.empty() || (options.split_sentences && tokens[0].starts_with('='))) continue;
    for (const Tokens sentence :
         options.split_sentences ? split(tokens) : std::vector<Tokens>{tokens}) {
      if (corpus.sentences() == limit) return;
      for (const std::string_view token : sentence)
        if (std::find(options.reserved.begin(), options.reserved.end(), token) !=
            options.reserved.end())
          fail<FormatError>(position(file, text, static_cast<size_t>(token.data() - text.data())),
                            "the text contains '", token,
                            "', the name of a begin or end token (choose other names: --bos, "
                            "--eos)");
      corpus.add(sentence);
    }
  }
  require<FormatError>(corpus.sentences() > before, input_name(file), ": no sentence found: ",
                       text.empty()              ? "the file is empty"
                       : options.split_sentences ? "it holds only blank lines and headings"
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

Corpus read_sentences(const std::vector<std::string>& files, const ReadOptions& options) {
  Corpus corpus;
  for (const std::string& file : files) {
    if (options.max_sentences > 0 && corpus.sentences() >= options.max_sentences) break;
    add_file(corpus, file, options);
  }
  return corpus;
}

}  // namespace tapestry::lm
