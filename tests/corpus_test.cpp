#include <doctest/doctest.h>
#include <tapestry/examples/lm/text/corpus.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/text/vocabulary.h>
#include <tapestry/tensor/error.h>
#include <algorithm>
#include <filesystem>

#include "text_files.h"

using namespace tapestry;
using namespace tapestry::lm;
using namespace std::string_literals;

namespace {

// Sentences joined by '|', tokens by ' '.
std::string show(const Corpus& corpus) {
  std::string result;
  for (int64_t i = 0; i < corpus.sentences(); ++i) {
    if (i > 0) result += '|';
    const auto words = corpus.words(i);
    for (size_t k = 0; k < words.size(); ++k) result += (k > 0 ? " " : "") + words[k];
  }
  return result;
}

std::string read(const std::string& bytes, const TextSettings& options = {}) {
  const TemporaryFile file(bytes);
  return show(read_sentences({file.path}, options));
}

std::string read_failure(const std::string& bytes, const TextSettings& options = {}) {
  const TemporaryFile file(bytes);
  return failure<FormatError>(file.path, [&] { read_sentences({file.path}, options); });
}
Corpus corpus_of(const std::string& text) {
  Corpus corpus;
  std::vector<std::string_view> tokens;
  for (std::string_view rest = text; !rest.empty();) {
    split_at_spaces(take_line(rest), tokens);
    corpus.add(tokens);
  }
  return corpus;
}

bool begins(const std::string& text, const std::string& start) { return text.starts_with(start); }

const TextSettings splitting = {.split_sentences = true};

}  // namespace

TEST_CASE("text: one sentence per line, whatever the line ends look like") {
  CHECK(read("a b\nc\n") == "a b|c");
  CHECK(read("a b\nc") == "a b|c");
  CHECK(read("a b\r\nc\r\n") == "a b|c");
  CHECK(read("\n \t\n\na b\n\n\nc\n\n") == "a b|c");
  CHECK(read("word") == "word");
  CHECK(read("\xEF\xBB\xBF"
             "a\n\xEF\xBB\xBF"
             "b") ==
        "a|\xEF\xBB\xBF"
        "b");
}

TEST_CASE("text: all Unicode white space separates, no-break spaces do not") {
  CHECK(read("a\tb\u3000c\u2003d\u0085e\u2028f\vg  h") == "a b c d e f g h");
  CHECK(read("a\u00A0b\u202Fc\u2007d") == "a\u00A0b\u202Fc\u2007d");
}

TEST_CASE("text: a token may be a megabyte, and a sentence 10000 tokens") {
  const TemporaryFile solid(std::string(1'000'000, 'x'));
  CHECK(read_sentences({solid.path}).types.token(0).size() == 1'000'000);
  std::string line;
  for (int64_t i = 0; i < kLongestUncut; ++i) line += "word" + std::to_string(i % 7) + ' ';
  const TemporaryFile longest(line + "\nnext"), longer(line + "word\n");
  CHECK(read_sentences({longest.path}).sentence(0).size() == size_t{kLongestUncut});
  CHECK(read_sentences({longest.path}).notes.empty());
  CHECK(read_sentences({longer.path}).sentences() == kLongestUncut / kPiece + 1);
}

TEST_CASE("text: lines end with CR where there is no LF, and a note says so") {
  CHECK(read("a b\rc\r") == "a b|c");
  CHECK(read("a b\rc") == "a b|c");
  CHECK(read("a b\rc\nd") == "a b c|d");
  CHECK(read("a b\r") == "a b");
  CHECK(begins(read_failure("ab\rc\xFF"), "F:2:2: invalid UTF-8 byte 0xFF"));
  const TemporaryFile old("a\rb\r"), usual("a\r\nb\r\n");
  const Corpus corpus = read_sentences({old.path, usual.path});
  REQUIRE(corpus.notes.size() == 1);
  CHECK(corpus.notes[0] == old.path + ": lines end with CR");
}

TEST_CASE("text: UTF-16 and UTF-32 are named, with a remedy") {
  const auto wide = [](const std::string& encoding) {
    return "F:1:1: the text is " + encoding + " (convert the file: iconv -f " + encoding +
           " -t UTF-8)";
  };
  const std::string text = "\xFF\xFEh\0e\0y\0\n\0"s;
  CHECK(read_failure(text) == wide("UTF-16"));
  CHECK(read_failure(text, {.on_bad_utf8 = "replace"}) == wide("UTF-16"));
  CHECK(read_failure("\xFE\xFF\0h\0e"s) == wide("UTF-16"));
  CHECK(read_failure("h\0e\0y\0\n\0"s) == wide("UTF-16LE"));
  CHECK(read_failure("\0h\0e\0y\0\n"s) == wide("UTF-16BE"));
  CHECK(read_failure("\xFF\xFE\0\0h\0\0\0"s) == wide("UTF-32"));
}

TEST_CASE("corpus: a line of megabytes is read in parts and cut into pieces, and stays one") {
  std::string line;
  for (int i = 0; line.size() < 2'500'000; ++i) line += "word" + std::to_string(i % 1000) + "  ";
  const TemporaryFile file("first\n" + line + "\nlast one\n");
  const Corpus corpus = read_sentences({file.path});
  CHECK(corpus.words(0) == std::vector<std::string>{"first"});
  CHECK(corpus.words(corpus.sentences() - 1) == std::vector<std::string>{"last", "one"});
  std::string joined;
  for (int64_t i = 1; i < corpus.sentences() - 1; ++i) {
    CHECK(corpus.continues(i) == (i > 1));
    CHECK(corpus.sentence(i).size() <= size_t{kPiece});
    for (const std::string& word : corpus.words(i)) joined += word + "  ";
  }
  CHECK(joined == line);
  CHECK_FALSE(corpus.continues(0));
  CHECK_FALSE(corpus.continues(corpus.sentences() - 1));
  REQUIRE(corpus.notes.size() == 1);
  CHECK(corpus.notes[0].find("1 line of more than 10000 tokens (the longest ") < 100);
  const auto bytes = static_cast<int64_t>(6 + line.size() - 1 + 9);
  CHECK(corpus.bytes <= bytes);  // one space less where it was cut between two
  CHECK(corpus.bytes >= bytes - 3);

  // Every token of the line is predicted once, and its end.
  const Vocabulary vocabulary = Vocabulary::build(corpus);
  const EncodedCorpus encoded = vocabulary.encode(corpus);
  CHECK(encoded.tokens() == corpus.tokens() + 3);
  CHECK(vocabulary.count(Vocabulary::end) == 3);
  for (int64_t i = 0; i < encoded.sentences(); ++i) {
    CHECK(encoded.continues(i) == corpus.continues(i));
    if (encoded.continues(i)) CHECK(encoded.inputs(i)[0] == encoded.targets(i - 1).back());
  }

  CHECK(
      begins(read_failure(line + "\xFF"), "F:1:" + std::to_string(line.size() + 1) + ": invalid"));
  const std::string characters = show(read_sentences({file.path}, {.tokenizer = "char"}));
  CHECK(std::count(characters.begin(), characters.end(), 'w') ==
        std::count(line.begin(), line.end(), 'w'));
  CHECK(static_cast<size_t>(std::count(characters.begin(), characters.end(), ' ')) >
        line.size() / 2);
}

TEST_CASE("text: what is not UTF-8 is an error with line and column in characters") {
  CHECK(begins(read_failure("ab\n\u00E9t\xE9\n"), "F:2:3: invalid UTF-8 byte 0xE9"));
  CHECK(begins(read_failure("a\r\nb c\xFF"), "F:2:4: invalid UTF-8 byte 0xFF"));
  CHECK(begins(read_failure("\xEF\xBB\xBF"
                            "a\x80"),
               "F:1:2: invalid UTF-8 byte 0x80"));
  CHECK(begins(read_failure("a\0b"s), "F:1:2: NUL byte"));
  for (const char* bad : {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
                          "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC3",
                          "\xE2\x82", "\xF0\x9F\x98", "\xC3(", "\xE2(\xA1"}) {
    CAPTURE(bad);
    CHECK(first_bad_byte("ok"s + bad) == 2);
  }
  const std::string good = "\u007F\u0080\u07FF\u0800\uD7FF\uE000\uFFFF\U00010000\U0010FFFF";
  CHECK(first_bad_byte(good) == good.size());
}

TEST_CASE("text: files that are missing, empty, blank or directories name the remedy") {
  const std::string folder = std::filesystem::temp_directory_path().string();
  const std::string missing = folder + "/tapestry_no_such_file";
  CHECK(begins(failure<FileError>(missing, [&] { read_text(missing); }),
               "F: No such file or directory ("));
  CHECK(failure<FileError>(folder, [&] { read_text(folder); }) ==
        "F: is a directory, expected a text file");
  CHECK(read_failure("") == "F: no sentence found: the file is empty (expected UTF-8 text)");
  CHECK(read_failure("\xEF\xBB\xBF") == read_failure(""));
  CHECK(begins(read_failure(" \n\t\r\n"), "F: no sentence found: it holds only blank lines ("));
  CHECK(begins(read_failure("= A =\n\n", splitting),
               "F: no sentence found: it holds only blank lines and headings"));
}

TEST_CASE("text: lower case and normal form are Unicode's") {
  CHECK(lower("AbZ[`z{@ 09") == "abz[`z{@ 09");
  CHECK(lower("ÀÖ×ØÞßÿ ĀıĲĸĹŁŇŊŸŹŽſ") == "àö×øþßÿ āıĳĸĺłňŋÿźžſ");
  CHECK(lower("ΑΡΣΩΪΫ ΆΈΉΊΌΎΏ ΑΣ") == "αρσωϊϋ άέήίόύώ ας");
  CHECK(lower("ЀЏАЯ яѠҀҊӀӁӍӐԮ") == "ѐџая яѡҁҋӏӂӎӑԯ");
  CHECK(lower("日本 \U0001F600 \u1E9E") == "日本 \U0001F600 ß");
  CHECK(nfc("plain") == "plain");
  CHECK(nfc("Cafe\u0301 \u1100\u1161 \u212B") == "Caf\u00E9 \uAC00 \u00C5");
  CHECK(read("The THE\n", {.lower = true}) == "the the");
}

TEST_CASE("corpus: split_sentences drops headings and ends sentences at lone marks") {
  CHECK(read(" = Title = \n\n a b . c d ! e\nf ? g.\n", splitting) == "a b .|c d !|e|f ?|g.");
  CHECK(read("a .\n =b\nc = d", splitting) == "a .|c = d");
  CHECK(read("= a =\nb . c\n") == "= a =|b . c");
}

TEST_CASE("corpus: closing marks at the end of a line stay with the sentence they close") {
  CHECK(read("\" a . \"\n\" b ? ! )\nc . . .", splitting) == "\" a . \"|\" b ? ! )|c . . .");
  CHECK(read("\" a . \" b .", splitting) == "\" a .|\" b .");
  CHECK(read("a\n\"\n. . a", splitting) == "a|\"|. .|a");
}

TEST_CASE("corpus: max_sentences counts over all files and stops early") {
  const TemporaryFile first("a . b . \"\n"), second("c\nd\n"), broken("\xFF");
  const auto up_to = [&](int64_t n) {
    return show(read_sentences({first.path, second.path, broken.path},
                               {.split_sentences = true, .max_sentences = n}));
  };
  CHECK(up_to(1) == "a .");
  CHECK(up_to(2) == "a .|b . \"");
  CHECK(up_to(3) == "a .|b . \"|c");
  CHECK(up_to(4) == "a .|b . \"|c|d");
  CHECK_THROWS_AS(up_to(5), FormatError);
}

TEST_CASE("corpus: each file needs a sentence") {
  const TemporaryFile good("a\n"), empty("");
  CHECK(failure<FormatError>(empty.path, [&] {
          read_sentences({good.path, empty.path});
        }) == read_failure(""));
}

TEST_CASE("corpus: a begin or end token in the text is an error with its position") {
  CHECK(begins(read_failure("a b\né <s> c"), "F:2:3: the text contains '<s>'"));
  CHECK(begins(read_failure("a </s>\n"), "F:1:3: the text contains '</s>'"));
  CHECK(read("a <s>", {.reserved = {"<bos>"}}) == "a <s>");
  CHECK_THROWS_AS(Vocabulary::build(corpus_of("a <s>")), FormatError);
  CHECK_THROWS_AS(Vocabulary::build(corpus_of("a")).encode(corpus_of("</s>")), FormatError);
}

TEST_CASE("corpus: types are numbered by first appearance and bounds are checked") {
  const Corpus corpus = corpus_of("b a b\n\nc\n");
  CHECK(corpus.sentences() == 2);
  CHECK(corpus.tokens() == 4);
  CHECK(corpus.ids == std::pmr::vector<int32_t>{0, 1, 0, 2});
  CHECK(corpus.types.find("c") == 2);
  CHECK(corpus.types.find("d") == -1);
  CHECK_THROWS_AS(corpus.sentence(2), IndexError);
  CHECK_THROWS_AS(corpus.types.token(3), IndexError);
}
