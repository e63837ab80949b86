#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <string>

#include <tapestry/examples/airline/series/series.h>
#include <tapestry/tensor/error.h>

using namespace tapestry;
using namespace tapestry::airline;
using Labels = std::vector<std::string>;

namespace {

// What parse_series says about `text`; empty if it accepts it.
std::string complaint(const std::string& text, const ReadOptions& options = {}) {
  try {
    parse_series(text, "f.csv", options);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

// A header and the months from 1950-01 on, `values` being their cells.
std::string monthly(const Labels& values) {
  std::string text = "month,sales\n";
  for (size_t i = 0; i < values.size(); ++i)
    text +=
        "1950-" + std::string(i < 9 ? "0" : "") + std::to_string(i + 1) + ',' + values[i] + '\n';
  return text;
}

const ReadOptions interpolate{.missing = Missing::interpolate};
const ReadOptions drop{.missing = Missing::drop};

}  // namespace

TEST_CASE("the built-in series is the 144 months of Box and Jenkins") {
  const Series s = airline_passengers();
  REQUIRE(s.size() == 144);
  CHECK(s.name == "passengers");
  CHECK(s.frequency == Frequency::monthly);
  CHECK(s.time.front() == "1949-01");
  CHECK(s.time.back() == "1960-12");
  CHECK(s.values.front() == 112);
  CHECK(s.values.back() == 432);
  CHECK(std::accumulate(s.values.begin(), s.values.end(), 0.0) == 40363);
  CHECK(*std::max_element(s.values.begin(), s.values.end()) == 622);
  double weighted = 0;  // notices two values that changed places
  for (size_t i = 0; i < s.size(); ++i) weighted += static_cast<double>(i + 1) * s.values[i];
  CHECK(weighted == 3587478);
  CHECK(s.future(2) == Labels{"1961-01", "1961-02"});
}

TEST_CASE("what a comma means in numbers is decided by the column, or refused") {
  const auto of = [](const std::string& a, const std::string& b, const ReadOptions& options = {}) {
    return parse_series("m;y\n1950-01;" + a + "\n1950-02;" + b + "\n1950-03;7\n", "f.csv", options)
        .values;
  };
  using Values = std::vector<double>;
  CHECK(of("2,5", "3") == Values{2.5, 3, 7});
  CHECK(of("1.234,5", "1.234") == Values{1234.5, 1234, 7});
  CHECK(of("1,234.5", "1,234") == Values{1234.5, 1234, 7});
  CHECK(of("1.234", "2.345") == Values{1.234, 2.345, 7});
  CHECK(of("1,234,567", "-1,000") == Values{1234567, -1000, 7});
  CHECK(of("1,234", "2,345", {.decimal = Decimal::comma}) == Values{1.234, 2.345, 7});
  CHECK(of("1,234", "2,345", {.decimal = Decimal::point}) == Values{1234, 2345, 7});
  const auto why = [](const std::string& a, const std::string& b) {
    return complaint("m;y\n1950-01;" + a + "\n1950-02;" + b + "\n1950-03;7\n");
  };
  CHECK(why("1,234", "2,345") ==
        "f.csv:2:9: \"1,234\" may be 1.234 or 1234, and no other row tells (say --decimal comma or "
        "--decimal point)");
  CHECK(why("2,5", "3.5") ==
        "f.csv:3:9: \"3.5\" in column \"y\" is not a number with a decimal "
        "comma, as above");
  CHECK(why("12,34,5", "1") == "f.csv:2:9: \"12,34,5\" in column \"y\" is not a number");
}

TEST_CASE("columns are found by name, or else by what they hold") {
  const std::string text =
      "id,month,city,\"sales, net\",tax\nx,1950-01,a,1,9\nx,1950-02,b,2,8\n"
      "x,1950-03,c,4,7\n";
  CHECK(parse_series(text, "f.csv").name == "sales, net");
  CHECK(parse_series(text, "f.csv", {.value_column = "tax"}).values ==
        std::vector<double>{9, 8, 7});
  CHECK(
      complaint(text, {.value_column = "Tax"}) ==
      "f.csv:1:1: no column \"Tax\"; the columns are \"id\", \"month\", \"city\", \"sales, net\", "
      "\"tax\"");
  CHECK(complaint(text, {.time_column = "date"}).starts_with("f.csv:1:1: no column \"date\""));
  CHECK(complaint(text, {.value_column = "city"}) ==
        "f.csv:2:11: \"a\" in column \"city\" is not a number");
  CHECK(complaint(text, {.time_column = "tax", .value_column = "tax"}) ==
        "f.csv:1:28: \"tax\" cannot be both the time and the value");
  CHECK(complaint(text, {.time_column = "city"}) ==
        "f.csv:2:11: \"a\" is not a time (expected such as 1949-01, 1949-01-31, 1949-01-31 "
        "10:00, 31.01.1949, 1949-Q1, 1949-W05 or Jan 1949)");
  CHECK(complaint("month,a,b\n1950-01,x,y\n1950-02,x,y\n1950-03,x,y\n") ==
        "f.csv:1:1: no numeric column; the columns are \"month\", \"a\", \"b\"");
}

TEST_CASE("a series without dates counts rows, or goes on by its own numbers") {
  const Series bare = parse_series("y\n5\n7\n6\n", "f.csv");
  CHECK(bare.frequency == Frequency::none);
  CHECK(bare.time == Labels{"1", "2", "3"});
  CHECK(bare.future(2) == Labels{"4", "5"});
  const Series years = parse_series("year,y\n1950,5\n1952,7\n1954,6\n", "f.csv");
  CHECK(years.name == "y");
  CHECK(years.future(2) == Labels{"1956", "1958"});
  const std::string uneven = "i,y\n150,5\n151,7\n153,6\n154,9\n";
  CHECK(complaint(uneven) ==
        "f.csv:4:1: the step from 151 to 153 is not 1 as before (--freq none "
        "takes the rows as equally spaced)");
  CHECK(complaint("year,y\n1950,5\n1951,7\n1953,6\n1954,9\n")
            .starts_with("f.csv:4:1: no row for 1 year: 1952"));
  CHECK(parse_series(uneven, "f.csv", {.frequency = Frequency::none}).future(1) == Labels{"+1"});
}

TEST_CASE("quotes, byte-order mark, CRLF, blanks and blank lines do not matter") {
  const Series s = parse_series(
      "\xEF\xBB\xBFmonth,\"the \"\"sales\"\"\",note\r\n\"1950-01\", 1.5 ,\"a,\r\nb\"\r\n\r\n"
      "1950-02,\"-2e1\",\r\n1950-03,.5,x",
      "f.csv", {.time_column = "month"});
  CHECK(s.name == "the \"sales\"");
  CHECK(s.values == std::vector<double>{1.5, -20, 0.5});
  CHECK(s.time == Labels{"1950-01", "1950-02", "1950-03"});
}

TEST_CASE("places are counted in lines and characters, whatever ends a line") {
  for (const std::string end : {"\n", "\r\n", "\r"})
    CHECK(complaint("month,y" + end + "1950-01,1" + end + "1950-02,  abc" + end) ==
          "f.csv:3:11: \"abc\" in column \"y\" is not a number");
  CHECK(parse_series("y\r\n1\r\n2\r\n3\r\n", "f.csv").values == std::vector<double>{1, 2, 3});
}

TEST_CASE("semicolons and tabs separate where the header has more of them than commas") {
  for (const std::string by : {";", "\t"}) {
    const std::string text = "month" + by + "\"a, b" + by + " c\"\n1950-01" + by + "2\n1950-02" +
                             by + "\"3\"\n1950-03" + by + "5\n";
    const Series s = parse_series(text, "f.csv");
    CHECK(s.name == "a, b" + by + " c");
    CHECK(s.values == std::vector<double>{2, 3, 5});
  }
}

TEST_CASE("malformed files are refused with the place") {
  CHECK(complaint("") ==
        "f.csv: the file is empty (expected a header line, then one row per time)");
  CHECK(complaint("\n\n") ==
        "f.csv: the file is empty (expected a header line, then one row per time)");
  CHECK(complaint("month,y\n") == "f.csv: a header but no rows");
  CHECK(complaint(std::string("PK\x03\x04", 4)) ==
        "f.csv: binary data (byte 3 at offset 2); expected comma-separated UTF-8 text");
  CHECK(complaint(std::string("month,y\n1\0", 10)) ==
        "f.csv: binary data (byte 0 at offset 9); expected comma-separated UTF-8 text");
  CHECK(complaint("month,y\n1950-01,1,2\n") == "f.csv:2:1: 3 fields, the header has 2");
  CHECK(complaint("month,y\n1950-01,1\nTotal\n") == "f.csv:3:1: 1 field, the header has 2");
  CHECK(complaint("month,y\n1950-01,\"1\n2\n") ==
        "f.csv:2:9: the quoted field that opens here is not closed (close the quote)");
  const std::string advice = " (quote the whole field and double the quotes inside)";
  CHECK(complaint("month,y\n1950-01,\"1\"2\n") ==
        "f.csv:2:12: the field goes on after its closing quote" + advice);
  CHECK(complaint("month,y\n1950-01,1\"2\n") ==
        "f.csv:2:10: a quote inside a field that is not quoted" + advice);
  CHECK(complaint("112\n118\n132\n119\n") ==
        "f.csv:1:1: the first line holds data (\"112\"); expected a header that names the columns");
  CHECK(complaint("1950-01,1\n1950-02,2\n1950-03,3\n") ==
        "f.csv:1:1: the first line holds data (\"1950-01\"); expected a header that names the "
        "columns");
}

TEST_CASE("a value that is not a plain number is refused with the place") {
  for (const char* bad : {"abc", "1 2", "1e", "0x1f", "inf", "-inf", "1e999", "+1", "12%", "-"})
    CHECK(complaint(monthly({"1", bad, "3"})) ==
          "f.csv:3:9: \"" + std::string(bad) + "\" in column \"sales\" is not a number");
  CHECK(complaint(monthly({"abc", "2", "3"})) ==
        "f.csv:2:9: \"abc\" in column \"sales\" is not a number");
  CHECK(complaint("month,y\n1950-01,1\n1950-99,2\n1950-03,3\n") ==
        "f.csv:3:1: \"1950-99\" is not a time (expected such as 1949-01, 1949-01-31, 1949-01-31 "
        "10:00, 31.01.1949, 1949-Q1, 1949-W05 or Jan 1949)");
  CHECK(complaint("month,y\n1950-01,1\n1950-02-01,2\n1950-03,3\n") ==
        "f.csv:3:1: \"1950-02-01\" is not written like the first time, \"1950-01\"");
}

TEST_CASE("missing values are listed, interpolated or dropped, as asked") {
  const std::string text = monthly({"1", "", "NA", "7", "8"});
  CHECK(complaint(text) ==
        "f.csv:3:9: no value for 2 months: 1950-02, 1950-03; fill them in, or use "
        "--missing interpolate or drop");
  const Series filled = parse_series(text, "f.csv", interpolate);
  CHECK(filled.values == std::vector<double>{1, 3, 5, 7, 8});
  CHECK(filled.notes.back() == "interpolated 2 months without a value: 1950-02, 1950-03");
  const Series shorter = parse_series(text, "f.csv", drop);
  CHECK(shorter.values == std::vector<double>{1, 7, 8});
  CHECK(shorter.time == Labels{"1950-01", "1950-04", "1950-05"});
  CHECK(shorter.future(1) == Labels{"1950-06"});
  CHECK(complaint(monthly({"", "2", "3", "4"}), interpolate) ==
        "f.csv: the first or the last value is missing, and has no two neighbours to interpolate "
        "between (remove that row, or use --missing drop)");
  CHECK(complaint("y\n1\n\n3\n4\n").starts_with("f.csv:3:1: no value for 1 row: 2;"));
}

TEST_CASE("gaps are listed by date, filled or closed, as asked") {
  const std::string text = "m,y\n1950-01,1\n1950-02,2\n1950-05,8\n1950-06,6\n1950-08,4\n";
  CHECK(complaint(text) ==
        "f.csv:4:1: no row for 3 months: 1950-03, 1950-04, 1950-07; fill them in, "
        "or use --missing interpolate or drop");
  const Series filled = parse_series(text, "f.csv", interpolate);
  CHECK(filled.values == std::vector<double>{1, 2, 4, 6, 8, 6, 5, 4});
  CHECK(filled.time[3] == "1950-04");
  CHECK(filled.notes.back() == "interpolated 3 months without a row: 1950-03, 1950-04, 1950-07");
  CHECK(parse_series(text, "f.csv", drop).values == std::vector<double>{1, 2, 8, 6, 4});
  const std::string far = "m,y\n1950-01,1\n1950-02,2\n1950-03,3\n9950-04,4\n";
  CHECK(complaint(far) ==
        "f.csv:5:1: no row for 96000 months: 1950-04, 1950-05, 1950-06, 1950-07, "
        "1950-08, 1950-09, 1950-10, 1950-11, 1950-12, 1951-01 and 95990 more; "
        "fill them in, or use --missing interpolate or drop");
  CHECK(complaint(far, interpolate) ==
        "f.csv:5:1: more periods are missing before 9950-04 than there "
        "are rows (is this time right?)");
}

TEST_CASE("duplicates are listed by date") {
  CHECK(complaint("m,y\n1950-01,1\n1950-02,2\n1950-02,3\n1950-03,4\n1950-03,4\n1950-03,4\n") ==
        "f.csv:4:1: 2 months given more than once: 1950-02, 1950-03 (first at line 3; keep one row "
        "of each)");
}

TEST_CASE("a series that is too short, constant or not positive is refused") {
  CHECK(complaint(monthly({"1", "2"})) == "f.csv:2:9: 2 values, at least 3 are needed (a series)");
  CHECK(complaint(monthly({"4", "4", "4"})) ==
        "f.csv:2:9: column \"sales\" is constant (4 in all 3 rows): there is nothing to forecast");
  CHECK(complaint(monthly({"", "", ""}), drop) ==
        "f.csv:2:9: 0 values, at least 3 are needed (a series)");
  const Series s = parse_series(monthly({"4", "0", "2"}), "f.csv");
  CHECK_THROWS_WITH_AS(require_length(s, 36, "a window of 12 and 24 months held out"),
                       "f.csv: 3 values, at least 36 are needed (a window of 12 and 24 months held "
                       "out)",
                       FormatError);
  CHECK_NOTHROW(require_length(s, 3, ""));
  CHECK(complaint(monthly({"4", "0", "2"}), {.positive = true}) ==
        "f.csv:3:9: \"sales\" is 0: only positive values have a logarithm (use --no-log)");
}

TEST_CASE("a file is read, and one that cannot be is a file error") {
  const auto directory = std::filesystem::temp_directory_path() /
                         ("tapestry_series_" + std::to_string(std::random_device{}()));
  std::filesystem::create_directory(directory);
  const std::string path = (directory / "y.csv").string();
  std::ofstream(path) << builtin_csv;
  const Series s = read_series(path);
  CHECK(s.values == airline_passengers().values);
  CHECK(s.file == path);
  CHECK_THROWS_WITH_AS(read_series(path + "x"),
                       (path + "x: cannot be opened: No such file or directory").c_str(),
                       FileError);
  CHECK_THROWS_WITH_AS(read_series(directory.string()),
                       (directory.string() + ": cannot be read: Is a directory").c_str(),
                       FileError);
  std::filesystem::remove_all(directory);
}
