#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/text/vocabulary.h>
#include <tapestry/tensor/error.h>

#include <algorithm>
#include <charconv>
#include <numeric>

namespace tapestry::lm {
namespace {

bool is_one_token(std::string_view name) {
  std::vector<std::string_view> parts;
  split_at_spaces(name, parts);
  return parts.size() == 1 && parts[0] == name && first_bad_byte(name) == name.size();
}

size_t index(int64_t i) { return static_cast<size_t>(i); }

}  // namespace

std::span<const int32_t> EncodedCorpus::sentence(int64_t i) const {
  require<IndexError>(i >= 0 && i < sentences(), "sentence ", i, " is outside a corpus of ",
                      sentences());
  return std::span(ids).subspan(index(offsets[index(i)]),
                                index(offsets[index(i) + 1] - offsets[index(i)]));
}
std::span<const int32_t> EncodedCorpus::inputs(int64_t i) const {
  return sentence(i).first(sentence(i).size() - 1);
}
std::span<const int32_t> EncodedCorpus::targets(int64_t i) const { return sentence(i).subspan(1); }

Vocabulary::Vocabulary(const SpecialTokens& names) : counts_(3) {
  for (const std::string& name : {names.unknown, names.begin, names.end}) {
    require<ValueError>(is_one_token(name), "special token '", name,
                        "': expected UTF-8 text without white space");
    require<ValueError>(tokens_.find(name) < 0, "special token '", name, "' is named twice");
    tokens_.intern(name);
  }
}

int32_t Vocabulary::id(std::string_view token) const {
  const int32_t found = tokens_.find(token);
  return found < 0 ? unknown : found;
}

std::vector<int32_t> Vocabulary::translation(const Corpus& corpus) const {
  std::vector<int32_t> ids;
  for (int32_t type = 0; type < corpus.types.size(); ++type) {
    ids.push_back(id(corpus.types.token(type)));
    require<FormatError>(ids.back() != begin && ids.back() != end, "the text contains '",
                         corpus.types.token(type),
                         "', which marks where a sentence begins or ends (remove or replace it)");
  }
  return ids;
}

Vocabulary Vocabulary::build(const Corpus& corpus, int64_t size, int64_t min_count,
                             const SpecialTokens& names) {
  require<ValueError>(size >= 4, "vocabulary size ", size,
                      ": expected at least 4 (unknown, begin, end and one token of the text)");
  Vocabulary vocabulary(names);
  const std::vector<int32_t> special = vocabulary.translation(corpus);
  std::vector<int64_t> frequency(special.size());
  for (const int32_t type : corpus.ids) ++frequency[index(type)];

  std::vector<int32_t> order(special.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return frequency[index(a)] > frequency[index(b)]; });
  for (const int32_t type : order) {
    const std::string& token = corpus.types.token(type);
    const int64_t count = frequency[index(type)];
    if (token == names.unknown || vocabulary.size() >= size || count < min_count) {
      vocabulary.counts_[unknown] += count;
    } else {
      vocabulary.tokens_.intern(token);
      vocabulary.counts_.push_back(count);
    }
  }
  vocabulary.counts_[begin] = vocabulary.counts_[end] = corpus.sentences();
  return vocabulary;
}

Vocabulary Vocabulary::load(const std::string& path, const SpecialTokens& names) {
  const std::string text = read_text(path);
  Vocabulary vocabulary(names);
  vocabulary.counts_.clear();
  size_t line_number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = take_line(rest);
    const size_t tab = line.find('\t');
    const auto check = [&](bool good, size_t column, auto... what) {
      const auto offset = static_cast<size_t>(line.data() - text.data()) + column;
      if (!good) fail<FormatError>(position(path, text, offset), what...);
    };
    check(tab != std::string_view::npos, 0, "expected token<TAB>count, found no tab");
    const std::string_view token = line.substr(0, tab), digits = line.substr(tab + 1);
    check(is_one_token(token) || token == " ", 0, "'", token,
          "' is not a token: it is empty or holds white space");
    int64_t count = 0;
    const char* const digits_end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), digits_end, count);
    check(error == std::errc{} && stop == digits_end && count >= 0, tab + 1, "count '", digits,
          "' is not a whole number of 0 or more");
    if (line_number < 3) {
      const std::string& expected = vocabulary.token(static_cast<int32_t>(line_number));
      check(token == expected, 0, "expected the special token '", expected, "', found '", token,
            "' (a vocabulary begins with the unknown, begin and end tokens)");
    } else {
      check(vocabulary.tokens_.find(token) < 0, 0, "token '", token, "' appears twice");
      vocabulary.tokens_.intern(token);
    }
    vocabulary.counts_.push_back(count);
    ++line_number;
  }
  require<FormatError>(line_number >= 3, input_name(path), ": ", line_number,
                       " lines: a vocabulary has at least the three special tokens");
  return vocabulary;
}

void Vocabulary::save(const std::string& path) const {
  std::string text;
  for (int32_t id = 0; id < size(); ++id)
    text += token(id) + '\t' + std::to_string(count(id)) + '\n';
  app::write_atomically(path, text);
}

EncodedCorpus Vocabulary::encode(const Corpus& corpus) const {
  const std::vector<int32_t> id_of = translation(corpus);
  EncodedCorpus encoded(corpus.ids.get_allocator().resource());
  encoded.ids.reserve(index(corpus.tokens() + 2 * corpus.sentences()));
  encoded.offsets.reserve(corpus.offsets.size());
  for (int64_t i = 0; i < corpus.sentences(); ++i) {
    const std::span<const int32_t> sentence = corpus.sentence(i);
    encoded.ids.push_back(begin);
    for (const int32_t type : sentence) {
      encoded.ids.push_back(id_of[index(type)]);
      encoded.oov += encoded.ids.back() == unknown;
    }
    encoded.ids.push_back(end);
    encoded.offsets.push_back(static_cast<int64_t>(encoded.ids.size()));
    encoded.longest = std::max(encoded.longest, static_cast<int64_t>(sentence.size()) + 1);
  }
  return encoded;
}

}  // namespace tapestry::lm
