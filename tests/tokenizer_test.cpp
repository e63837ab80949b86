#include <doctest/doctest.h>
#include <tapestry/examples/lm/text/tokenizer.h>

#include <vector>

using namespace tapestry::lm;

namespace {

// The sentences joined by '|', tokens by '/'.
std::string show(const TextSettings& settings, std::string_view raw) {
  Tokenizer tokenizer(settings);
  std::string out;
  tokenizer.split(raw, [&](std::string_view, Tokens sentence) {
    CHECK_FALSE(sentence.empty());
    if (!out.empty()) out += '|';
    for (size_t i = 0; i < sentence.size(); ++i) out += (i ? "/" : "") + std::string(sentence[i]);
    return true;
  });
  return out;
}

const TextSettings kWords = {.tokenizer = "word"}, kCharacters = {.tokenizer = "char"};
const TextSettings kSplitWords = {.tokenizer = "word", .split_sentences = true};

}  // namespace

TEST_CASE("tokenizer word: words and marks of Unicode, white space dropped") {
  CHECK(show(kWords, "Don't stop, \u00E9l\u00E8ve!\r\n") == "Don't/stop/,/\u00E9l\u00E8ve/!");
  CHECK(show(kWords, "3.14 e.g. 1,000 snake_case") == "3.14/e.g/./1,000/snake_case");
  CHECK(show(kWords, "a\u00A0b\u3000c\td") == "a/b/c/d");
  CHECK(show(kWords, "\U0001F600\U0001F600 ok") == "\U0001F600/\U0001F600/ok");
  CHECK(show(kWords, " \t\r\n") == "");
  CHECK(show(kWords, "") == "");
}

TEST_CASE("tokenizer char: code points, white space as one token inside a text") {
  CHECK(show(kCharacters, " a  \u00E9\n\U0001F600 ") == "a/ /\u00E9/ /\U0001F600");
  CHECK(show(kCharacters, " \n") == "");
  const std::vector<std::string> tokens = {"a", " ", "b"};
  CHECK(Tokenizer(kCharacters).join(tokens) == "a b");
  CHECK(Tokenizer(kWords).join(tokens) == "a   b");
}

TEST_CASE("tokenizer: sentences end where Unicode ends them, not after abbreviations") {
  CHECK(show(kSplitWords, "It works. Does it? \"Yes.\" (Good!) 3.5 is.") ==
        "It/works/.|Does/it/?|\"/Yes/./\"|(/Good/!/)|3.5/is/.");
  CHECK(show(kSplitWords, "Mr. Smith met Mrs. Jones. They left.") ==
        "Mr/./Smith/met/Mrs/./Jones/.|They/left/.");
  CHECK(show(kSplitWords, "one line\nanother line\n\n") == "one/line|another/line");
  CHECK(show(kSplitWords, "= not a heading =") == "=/not/a/heading/=");
  CHECK(show({.tokenizer = "char", .split_sentences = true}, "Ab. Cd.") == "A/b/.|C/d/.");
}

TEST_CASE("tokenizer: lower case and normal form come first") {
  const TextSettings lower = {.tokenizer = "word", .lower = true};
  CHECK(show(lower, "The CAFE\u0301") == "the/caf\u00E9");
  // Capitals tell where sentences begin, also where they are then lower-cased.
  CHECK(show({.tokenizer = "word", .lower = true, .split_sentences = true},
             "One is here. Two are there.") == "one/is/here/.|two/are/there/.");
  CHECK(show({.normalize = "none"}, "CAFE\u0301") == "CAFE\u0301");
}

TEST_CASE("tokenizer: stops where it is told to") {
  Tokenizer tokenizer(kSplitWords);
  int sentences = 0;
  tokenizer.split("A b. C d. E f.", [&](std::string_view, Tokens) { return ++sentences < 2; });
  CHECK(sentences == 2);
}
