#include <doctest/doctest.h>
#include <tapestry/examples/lm/text/corpus.h>
#include <tapestry/examples/lm/text/records.h>
#include <tapestry/tensor/error.h>

#include "text_files.h"

using namespace tapestry;
using namespace tapestry::lm;
using namespace std::string_literals;

namespace {

// "LINE:COLUMN text" of each record, joined by '|'; or the message of the error.
std::string show(const std::string& bytes, const TextSettings& settings,
                 std::string* note = nullptr, const std::string& extension = ".csv") {
  const TemporaryFile file(bytes, extension);
  std::string out;
  const auto use = [&](const Record& r) {
    out += (out.empty() ? "" : "|") + std::to_string(r.line) + ":" + std::to_string(r.column) +
           " " + std::string(r.text);
    return true;
  };
  try {
    const std::string said = read_records(file.path, settings, use);
    if (note) *note = without(said, file.path);
  } catch (const FormatError& error) {
    return without(error.what(), file.path);
  }
  return out;
}
std::string show(const std::string& bytes) { return show(bytes, {.header = "no"}); }

bool begins(const std::string& text, const std::string& start) {
  const bool good = text.starts_with(start);
  if (!good) MESSAGE(text);
  return good;
}

}  // namespace

TEST_CASE("csv: quoted fields hold separators, quotes and line ends") {
  CHECK(show("a,x\n\"b, \"\"c\"\"\nd\",y\ne,z") == "1:1 a|2:2 b, \"c\"\nd|4:1 e");
  CHECK(show("\"one\"\n\"two\"\n") == "1:2 one|2:2 two");
  CHECK(show("a\r\nb\r\n") == "1:1 a|2:1 b");
  CHECK(show("a\rb\rc") == "1:1 a|2:1 b|3:1 c");
  CHECK(show("\n\na\n\n\nb\n\n") == "3:1 a|6:1 b");
  CHECK(show("\xEF\xBB\xBF\"a\"\n") == "1:2 a");
  CHECK(show("\"\",x\n,y\na,z\n") == "1:2 |2:1 |3:1 a");
  CHECK(show("") == "");
  CHECK(show("\n\n") == "");
}

TEST_CASE("csv: a column is chosen by number or by name") {
  const std::string table = "id,body,score\n1,\"a\",2\n3, b ,4\n";
  CHECK(show(table, {.column = "body"}) == "2:4 a|3:4 b");
  CHECK(show(table, {.column = "2"}) == "2:4 a|3:4 b");
  CHECK(show(table, {.column = "2", .header = "no"}) == "1:4 body|2:4 a|3:4 b");
  CHECK(begins(show(table, {.column = "text"}),
               "F:1:1: no column text (there are 3: id, body, score; choose one with --column)"));
  CHECK(begins(show(table, {.column = "4"}), "F:1:1: no column 4 (there are 3"));
  CHECK(begins(show(table, {.column = "0"}), "F:1:1: no column 0"));
  CHECK(begins(show(table, {.column = "body", .header = "no"}), "F:1:1: no column body"));
  CHECK(begins(show("a,b\nc\n", {.column = "2", .header = "no"}),
               "F:2:1: the record has 1 field, no column 2"));
}

TEST_CASE("csv: a header is detected and reported") {
  std::string note;
  CHECK(show("body\n\"A comment.\"\n", {}, &note) == "2:2 A comment.");
  CHECK(note ==
        "F: csv; the first row is a header: body (else --header no); column 1 of 1 is the text");
  CHECK(show("\"A comment.\"\n", {}, &note) == "1:2 A comment.");
  CHECK(note ==
        "F: csv; the first row is no header (else --header yes); column 1 of 1 is the text");
  CHECK(show("\"A comment.\"\nx\n", {.header = "yes"}, &note) == "2:1 x");
  CHECK(note == "F: csv; the first row is a header: A comment.; column 1 of 1 is the text");
  for (const char* row : {"1,a", "two words", "a,a", "a,", "mail@x.org", "ok!"}) {
    CAPTURE(row);
    show(row, {}, &note);
    CHECK(note.find("no header") != std::string::npos);
  }
}

TEST_CASE("csv: what is malformed is an error with its position") {
  CHECK(begins(show("a\nb,\u00E9,\"c\nd"),
               "F:2:5: the quoted field that opens here is not closed (close the quote"));
  CHECK(begins(show("a\n\u00E9 \"b\" c\n"), "F:2:3: a quote inside a field that is not quoted ("));
  CHECK(begins(show("a\n\"b\" c\n"), "F:2:5: the field goes on after its closing quote ("));
  CHECK(begins(show("a\n\"x\n\xFF\"\n"), "F:3:1: invalid UTF-8 byte 0xFF"));
  CHECK(begins(show("a\0b"s), "F:1:2: NUL byte"));
  CHECK(show("a \"b\" c\n", {.header = "no", .quote = "none"}) == "1:1 a \"b\" c");
  CHECK(show("'a, b',c\n", {.header = "no", .quote = "'"}) == "1:2 a, b");
}

TEST_CASE("tsv, by extension or by name") {
  CHECK(show("a, b\tc\n", {.column = "1"}, nullptr, ".TSV") == "1:1 a, b");
  CHECK(show("a, b\tc\n", {.format = "tsv", .column = "2"}, nullptr, ".txt") == "1:6 c");
  CHECK(show("a,b\n", {}, nullptr, ".txt") == "1:1 a,b");
  CHECK(show("a,b\n", {.format = "text"}, nullptr, ".csv") == "1:1 a,b");
}

TEST_CASE("bytes that are not UTF-8 are replaced or skipped where that is asked for") {
  std::string note;
  const std::string bytes = "a\xFF\0z\n\xE2\x82\n\xFF\xFE\nb"s;
  CHECK(show(bytes, {.on_bad_utf8 = "replace"}, &note, ".txt") ==
        "1:1 a\uFFFD\uFFFDz|2:1 \uFFFD|3:1 \uFFFD\uFFFD|4:1 b");
  CHECK(note == "F: bytes that are not UTF-8 replaced in 3 lines");
  CHECK(show(bytes, {.on_bad_utf8 = "skip"}, &note, ".txt") == "1:1 az|2:1 |3:1 |4:1 b");
  CHECK(note == "F: bytes that are not UTF-8 skipped in 3 lines");
  CHECK(show("x\n\"\xFF\"\ny\n", {.header = "no", .on_bad_utf8 = "skip"}) == "1:1 x|2:2 |3:1 y");
}

TEST_CASE("a field of a megabyte, with line ends, is one record") {
  std::string field;
  while (field.size() < 1'000'000) field += "word \"\"quoted\"\" \n";
  CHECK(show("\"" + field + "\"\nnext").ends_with("|58826:1 next"));
}

TEST_CASE("a reserved token in a table is reported where it stands") {
  const TemporaryFile file("body\nok\n\"one <s>\"\n", ".csv");
  const auto read = [&] { read_sentences({file.path}); };
  CHECK_THROWS_WITH_AS(read(), doctest::Contains(":3:6: the text contains '<s>'"), FormatError);
}

TEST_CASE("a corpus knows the bytes that its sentences had") {
  const TemporaryFile file("a b\n\n  \u00E9  c \n", ".txt");
  CHECK(read_sentences({file.path}).bytes == 4 + 6);
}
