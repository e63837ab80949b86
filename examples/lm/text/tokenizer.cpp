#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/text/tokenizer.h>
#include <tapestry/tensor/error.h>
#include <unicode/brkiter.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>

#include <algorithm>
#include <utility>

namespace tapestry::lm {
namespace {

bool one_of(std::string_view token, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), token) != list.end();
}
bool ends_sentence(std::string_view token) { return one_of(token, {".", "!", "?"}); }
bool closes(std::string_view token) {
  return ends_sentence(token) || one_of(token, {"\"", "'", "''", "”", "’", "»", ")", "]"});
}

// The sentences of a line of tokens.
std::vector<Tokens> split_tokens(Tokens line) {
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

bool starts_with_space(std::string_view text) {
  size_t i = 0;
  return u_isUWhiteSpace(next_character(text, i));
}

// The code points of a text; white space as the token " ".
void split_into_characters(std::string_view text, bool begins_line,
                           std::vector<std::string_view>& tokens) {
  bool pending = false;  // white space since the last token
  for (size_t i = 0, start = 0; i < text.size(); start = i) {
    const bool space = u_isUWhiteSpace(next_character(text, i));
    if (!space && pending && !(tokens.empty() && begins_line)) tokens.push_back(" ");
    if (!space) tokens.push_back(text.substr(start, i - start));
    pending = space;
  }
}

}  // namespace

// The boundaries that a break iterator of ICU finds.
struct Tokenizer::Breaks {
  std::unique_ptr<icu::BreakIterator> iterator;

  using Factory = icu::BreakIterator*(const icu::Locale&, UErrorCode&);
  Breaks(Factory* create, const char* locale) {
    UErrorCode code = U_ZERO_ERROR;
    iterator.reset(create(icu::Locale(locale), code));
    require<Error>(U_SUCCESS(code), "tokenizer: ICU says ", u_errorName(code));
  }

  /// Calls each(piece) for the pieces of `text` between boundaries, until it returns false.
  template <class F>
  void for_each(std::string_view text, F&& each) {
    UErrorCode code = U_ZERO_ERROR;
    UText* source = utext_openUTF8(nullptr, text.data(), static_cast<int64_t>(text.size()), &code);
    const std::unique_ptr<UText, UText* (*)(UText*)> close(source, utext_close);
    iterator->setText(source, code);
    require<Error>(U_SUCCESS(code), "tokenizer: ICU says ", u_errorName(code));
    int32_t begin = iterator->first();
    for (int32_t end; (end = iterator->next()) != icu::BreakIterator::DONE; begin = end)
      if (!each(text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)))) return;
  }
};

Tokenizer::Tokenizer(const TextSettings& settings) : settings_(settings) {
  if (settings.tokenizer == "word")
    words_ = std::make_unique<Breaks>(icu::BreakIterator::createWordInstance, "");
  if (settings.tokenizer != "space" && settings.split_sentences)
    sentences_ =
        std::make_unique<Breaks>(icu::BreakIterator::createSentenceInstance, "en@ss=standard");
}

Tokenizer::~Tokenizer() = default;

std::string Tokenizer::prepare(std::string_view text) const {
  std::string out = settings_.lower ? lower(text) : std::string(text);
  return settings_.normalize == "nfc" ? nfc(out) : out;
}

std::vector<std::string_view> Tokenizer::tokens(std::string_view text, bool begins_line) {
  std::vector<std::string_view> out;
  if (settings_.tokenizer == "space") split_at_spaces(text, out);
  if (settings_.tokenizer == "char") split_into_characters(text, begins_line, out);
  if (words_)
    words_->for_each(text, [&](std::string_view word) {
      if (!starts_with_space(word)) out.push_back(word);
      return true;
    });
  return out;
}

void Tokenizer::split(std::string_view raw, const Use& sentence, bool begins_line) {
  const auto use = [&](std::string_view part) {
    const std::vector<std::string_view> found = tokens(part, std::exchange(begins_line, true));
    return found.empty() || sentence(part, found);
  };
  if (sentences_) {
    // Capitals tell where a sentence begins: lower case comes after.
    const std::string text = settings_.normalize == "nfc" ? nfc(raw) : std::string(raw);
    sentences_->for_each(text, [&](std::string_view part) {
      return settings_.lower ? use(lower(part)) : use(part);
    });
    return;
  }
  const std::string text = prepare(raw);
  if (!settings_.split_sentences) {
    use(text);
  } else if (const auto line = tokens(text);
             !line.empty() && !(begins_line && line[0].starts_with('='))) {
    for (const Tokens part : split_tokens(line))
      if (!sentence(text, part)) return;
  }
}

std::string Tokenizer::join(std::span<const std::string> tokens) const {
  std::string out;
  for (const std::string& token : tokens) {
    if (!out.empty() && settings_.tokenizer != "char") out += ' ';
    out += token;
  }
  return out;
}

}  // namespace tapestry::lm
