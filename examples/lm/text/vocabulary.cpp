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

bool EncodedCorpus::continues(int64_t i) const { return sentence(i)[0] != Vocabulary::begin; }

std::vector<int32_t> Vocabulary::translation(const TokenTable& types) const {
  std::vector<int32_t> ids;
  ids.reserve(index(types.size()));
  for (int32_t type = 0; type < types.size(); ++type) {
    ids.push_back(id(types.token(type)));
    require<FormatError>(ids.back() != begin && ids.back() != end, "the text contains '",
                         types.token(type),
                         "', which marks where a sentence begins or ends (remove or replace it)");
  }
  return ids;
}

Vocabulary Vocabulary::build(const Part& part, int64_t size, int64_t min_count,
                             const SpecialTokens& names) {
  require<ValueError>(size >= 4, "vocabulary size ", size,
                      ": expected at least 4 (unknown, begin, end and one token of the text)");
  const TokenTable& types = part.corpus().types;
  Vocabulary vocabulary(names);
  vocabulary.translation(types);  // for its checks
  std::vector<int64_t> frequency(index(types.size()));
  std::vector<int32_t> order;  // of first appearance
  int64_t sentences = 0;
  part.for_each([&](std::span<const int32_t> sentence, bool continues) {
    for (const int32_t type : sentence)
      if (frequency[index(type)]++ == 0) order.push_back(type);
    sentences += !continues;
  });
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return frequency[index(a)] > frequency[index(b)]; });
  for (const int32_t type : order) {
    const std::string& token = types.token(type);
    const int64_t count = frequency[index(type)];
    if (token == names.unknown || vocabulary.size() >= size || count < min_count) {
      vocabulary.counts_[unknown] += count;
    } else {
      vocabulary.tokens_.intern(token);
      vocabulary.counts_.push_back(count);
    }
  }
  vocabulary.counts_[begin] = vocabulary.counts_[end] = sentences;
  return vocabulary;
}

std::vector<TokenCount> read_tokens(const std::string& path, Counts counts) {
  const std::string text = read_text(path);
  std::vector<TokenCount> out;
  TokenTable seen;
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = take_line(rest);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const size_t tab = std::min(line.find('\t'), line.size());
    const auto check = [&](bool good, size_t column, auto... what) {
      const auto offset = static_cast<size_t>(line.data() - text.data()) + column;
      if (!good) fail<FormatError>(position(path, text, offset), what...);
    };
    const bool counted = tab < line.size();
    check(counted || counts == Counts::optional, 0, "expected token<TAB>count, found no tab");
    const std::string_view token = line.substr(0, tab),
                           digits = counted ? line.substr(tab + 1) : "0";
    check(is_one_token(token) || token == " ", 0, "'", token,
          "' is not a token: it is empty or holds white space");
    TokenCount& entry = out.emplace_back(TokenCount{std::string(token), 0});
    const char* const digits_end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), digits_end, entry.count);
    check(error == std::errc{} && stop == digits_end && entry.count >= 0, tab + 1, "count '",
          digits, "' is not a whole number of 0 or more");
    check(seen.intern(token) + 1 == static_cast<int32_t>(out.size()), 0, "token '", token,
          "' appears twice");
  }
  return out;
}

Vocabulary::Vocabulary(std::span<const TokenCount> tokens) {
  for (const TokenCount& entry : tokens) {
    tokens_.intern(entry.token);
    counts_.push_back(entry.count);
    require<ValueError>(index(size()) == counts_.size(), "vocabulary: token '", entry.token,
                        "' is there twice");
  }
}

Vocabulary Vocabulary::load(const std::string& path, const SpecialTokens& names) {
  const std::vector<TokenCount> tokens = read_tokens(path);
  const std::string* const expected[] = {&names.unknown, &names.begin, &names.end};
  for (size_t i = 0; i < std::min<size_t>(3, tokens.size()); ++i)
    require<FormatError>(
        tokens[i].token == *expected[i], Place{message_of(input_name(path), ":", i + 1, ":1")},
        "expected the special token '", *expected[i], "', found '", tokens[i].token,
        "' (a vocabulary begins with the unknown, begin and end tokens)");
  require<FormatError>(tokens.size() >= 3, input_name(path), ": ", tokens.size(),
                       " lines: a vocabulary has at least the three special tokens");
  return Vocabulary(tokens);
}

void Vocabulary::save(const std::string& path) const {
  std::string text;
  for (int32_t id = 0; id < size(); ++id)
    text += token(id) + '\t' + std::to_string(count(id)) + '\n';
  app::write_atomically(path, text);
}

EncodedCorpus Vocabulary::encode(const Part& part) const {
  const Corpus& corpus = part.corpus();
  const std::vector<int32_t> id_of = translation(corpus.types);
  int64_t tokens = 0, sentences = 0;
  part.for_each([&](std::span<const int32_t> sentence, bool) {
    tokens += static_cast<int64_t>(sentence.size()), ++sentences;
  });
  EncodedCorpus encoded(corpus.ids.get_allocator().resource());
  encoded.ids.reserve(index(tokens + 2 * sentences));
  encoded.offsets.reserve(index(sentences + 1));
  part.for_each([&](std::span<const int32_t> sentence, bool continues) {
    if (continues) {  // takes the place of the end token of the one before
      encoded.ids.pop_back();
      --encoded.offsets.back();
      encoded.ids.push_back(encoded.ids.back());
    } else {
      encoded.ids.push_back(begin);
    }
    for (const int32_t type : sentence) {
      encoded.ids.push_back(id_of[index(type)]);
      encoded.oov += encoded.ids.back() == unknown;
    }
    encoded.ids.push_back(end);
    encoded.offsets.push_back(static_cast<int64_t>(encoded.ids.size()));
    encoded.longest = std::max(encoded.longest, static_cast<int64_t>(sentence.size()) + 1);
  });
  return encoded;
}

}  // namespace tapestry::lm
