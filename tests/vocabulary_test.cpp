#include <doctest/doctest.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/text/vocabulary.h>
#include <tapestry/tensor/error.h>

#include "text_files.h"

using namespace tapestry;
using namespace tapestry::lm;
using namespace std::string_literals;

namespace {

std::string load_failure(const std::string& bytes, const SpecialTokens& names = {}) {
  const TemporaryFile file(bytes);
  return failure<FormatError>(file.path, [&] { Vocabulary::load(file.path, names); });
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

}  // namespace

TEST_CASE("vocabulary: most frequent tokens first, ties in the order of appearance") {
  const Corpus corpus = corpus_of("d c b a\na b c\na\n");
  const Vocabulary all = Vocabulary::build(corpus);
  REQUIRE(all.size() == 7);
  for (const auto& [id, token, count] :
       std::vector<std::tuple<int32_t, std::string, int64_t>>{{0, "<unk>", 0},
                                                              {1, "<s>", 3},
                                                              {2, "</s>", 3},
                                                              {3, "a", 3},
                                                              {4, "c", 2},
                                                              {5, "b", 2},
                                                              {6, "d", 1}}) {
    CHECK(all.token(id) == token);
    CHECK(all.count(id) == count);
    CHECK(all.id(token) == id);
  }
  const Vocabulary small = Vocabulary::build(corpus, 5);
  CHECK(small.size() == 5);
  CHECK(small.token(4) == "c");
  CHECK(small.id("b") == Vocabulary::unknown);
  CHECK(small.count(Vocabulary::unknown) == 3);
  CHECK(Vocabulary::build(corpus, 8000, 2).size() == 6);
  CHECK(Vocabulary::build(corpus_of("word")).size() == 4);
  CHECK_THROWS_AS(small.token(5), IndexError);
}

TEST_CASE("vocabulary: an encoded sentence carries begin and end, and OOVs are counted") {
  const Vocabulary vocabulary = Vocabulary::build(corpus_of("a a b <unk> <unk> <unk>"), 4);
  CHECK(vocabulary.size() == 4);
  CHECK(vocabulary.count(Vocabulary::unknown) == 4);
  const EncodedCorpus encoded = vocabulary.encode(corpus_of("a\nb a <unk>\n"));
  CHECK(encoded.ids == std::pmr::vector<int32_t>{1, 3, 2, 1, 0, 3, 0, 2});
  CHECK(encoded.oov == 2);
  CHECK(encoded.longest == 4);
  CHECK(encoded.sentences() == 2);
  CHECK(encoded.tokens() == 6);
  const auto inputs = encoded.inputs(1), targets = encoded.targets(1);
  CHECK(std::vector(inputs.begin(), inputs.end()) == std::vector<int32_t>{1, 0, 3, 0});
  CHECK(std::vector(targets.begin(), targets.end()) == std::vector<int32_t>{0, 3, 0, 2});
  CHECK_THROWS_AS(encoded.sentence(2), IndexError);
}

TEST_CASE("vocabulary: sizes and names that make no sense are refused") {
  const Corpus corpus = corpus_of("a <s>");
  CHECK_THROWS_AS(Vocabulary::build(corpus, 3), ValueError);
  CHECK_THROWS_AS(Vocabulary::build(corpus, 9, 1, {.begin = "x", .end = "x"}), ValueError);
  CHECK_THROWS_AS(Vocabulary::build(corpus, 9, 1, {.begin = "x y"}), ValueError);
  CHECK_THROWS_AS(Vocabulary::build(corpus, 9, 1, {.begin = ""}), ValueError);
  CHECK(Vocabulary::build(corpus, 9, 1, {.begin = "BOS"}).id("<s>") == 4);
}

TEST_CASE("vocabulary: what is saved is what is loaded") {
  const TemporaryFile file("");
  const Vocabulary saved = Vocabulary::build(corpus_of("é é a <unk>\na\nb\u00A0c"));
  saved.save(file.path);
  CHECK(read_text(file.path) == "<unk>\t1\n<s>\t3\n</s>\t3\né\t2\na\t2\nb\u00A0c\t1\n");
  const Vocabulary loaded = Vocabulary::load(file.path);
  REQUIRE(loaded.size() == saved.size());
  for (int32_t id = 0; id < saved.size(); ++id) {
    CHECK(loaded.token(id) == saved.token(id));
    CHECK(loaded.count(id) == saved.count(id));
    CHECK(loaded.id(saved.token(id)) == id);
  }
  CHECK_THROWS_AS(saved.save("/no/such/folder/vocab.txt"), app::UserError);
}

TEST_CASE("vocabulary: a malformed file is an error with its position") {
  const std::string head = "<unk>\t0\n<s>\t1\n</s>\t1\n";
  CHECK(load_failure(head + "a\t1\n") == "no error");
  CHECK(load_failure("<unk>\t0\r\n<s>\t1\r\n</s>\t1\r\na\t1\r\n") == "no error");
  CHECK(begins(load_failure(head + "a 1\n"), "F:4:1: expected token<TAB>count"));
  CHECK(begins(load_failure(head + "é\tx\n"), "F:4:3: count 'x' is not a whole number"));
  for (const char* count : {"", "-1", "1 ", "1\t2", "1.5", "+1", "99999999999999999999", "1\r\r"}) {
    CAPTURE(count);
    CHECK(begins(load_failure(head + "a\t" + count + "\n"), "F:4:3: count '"));
  }
  CHECK(begins(load_failure(head + "a\t1\na\t1\n"), "F:5:1: token 'a' appears twice"));
  CHECK(begins(load_failure(head + "<s>\t1\n"), "F:4:1: token '<s>' appears twice"));
  CHECK(begins(load_failure(head + "a b\t1\n"), "F:4:1: 'a b' is not a token"));
  CHECK(begins(load_failure(head + "\t1\n"), "F:4:1: '' is not a token"));
  CHECK(begins(load_failure(head + "\n"), "F:4:1: expected token<TAB>count"));
  CHECK(begins(load_failure(head + "\xFF\t1\n"), "F:4:1: invalid UTF-8"));
  CHECK(begins(load_failure("\xFF\xFEh\0"s), "F:1:1: the text is UTF-16"));
  CHECK(begins(load_failure("the\t9\n"), "F:1:1: expected the special token '<unk>', found 'the'"));
  CHECK(begins(load_failure(head, {.begin = "BOS"}), "F:2:1: expected the special token 'BOS'"));
  CHECK(begins(load_failure(""), "F: 0 lines: a vocabulary has at least"));
  CHECK(begins(load_failure("<unk>\t0\n<s>\t1\n"), "F: 2 lines: a vocabulary has at least"));
}

TEST_CASE("vocabulary: counts may be left out where they are not needed") {
  const TemporaryFile file("b\nUNK\t3\r\na\n");
  const auto tokens = read_tokens(file.path, Counts::optional);
  REQUIRE(tokens.size() == 3);
  CHECK(tokens[1].token == "UNK");
  CHECK(tokens[1].count == 3);
  CHECK(tokens[2].count == 0);
  CHECK_THROWS_AS(read_tokens(file.path), FormatError);
}

TEST_CASE("vocabulary: of one side of a split, as if there were no other") {
  const Corpus whole = corpus_of("z a\nb a\nz z c\nc b\n"), side = corpus_of("b a\nc b\n");
  const std::vector<bool> held_out = {true, false, true, false};
  const Part part(whole, held_out, false);
  const Vocabulary a = Vocabulary::build(part), b = Vocabulary::build(side);
  REQUIRE(a.size() == b.size());
  for (int32_t id = 0; id < a.size(); ++id) {
    CHECK(a.token(id) == b.token(id));
    CHECK(a.count(id) == b.count(id));
  }
  CHECK(a.encode(part).ids == b.encode(side).ids);
  CHECK(a.encode(Part(whole, held_out, true)).oov == 3);
}
