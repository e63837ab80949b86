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

std::string label_of(const char* text, Frequency frequency) {
  const auto stamp = parse_stamp(text);
  REQUIRE(stamp);
  const Calendar calendar(frequency, *stamp);
  return calendar.label(*calendar.period(*stamp));
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

TEST_CASE("stamps are read in every documented form and in no other") {
  CHECK(label_of("1949-01", Frequency::monthly) == "1949-01");
  CHECK(label_of("1949/12", Frequency::monthly) == "1949-12");
  CHECK(label_of("Jan 1949", Frequency::monthly) == "1949-01");
  CHECK(label_of("september-2001", Frequency::monthly) == "2001-09");
  CHECK(label_of("1969-12-31", Frequency::monthly) == "1969-12");
  CHECK(label_of("1949-Q3", Frequency::quarterly) == "1949-Q3");
  CHECK(label_of("1949Q1", Frequency::quarterly) == "1949-Q1");
  CHECK(label_of("1949-05", Frequency::quarterly) == "1949-Q2");
  CHECK(label_of("2000-02-29", Frequency::daily) == "2000-02-29");
  CHECK(label_of("1960/03/01", Frequency::weekly) == "1960-03-01");
  CHECK(label_of("1969-12-31T23:00:00Z", Frequency::hourly) == "1969-12-31 23:00");
  CHECK(label_of("1969-12-31 23", Frequency::daily) == "1969-12-31");
  for (const char* text :
       {"",           "1949",    "194901",     "1949-13",          "1949-00",
        "1949-1",     "49-01",   "1949-02-29", "1900-02-29",       "1949-01/05",
        "01/02/1949", "1949-Q5", "1949-Q",     "1949-01-01 24:00", "1949-01-01 10:30",
        "Jen 1949",   "Jan",     "Jan 49",     "1949-01x",         "1949-01-01 ",
        "-1949-01"})
    CHECK_MESSAGE(!parse_stamp(text), text);
}

TEST_CASE("labels count on across the ends of years and months") {
  const auto next = [](const char* text, Frequency frequency, int64_t steps) {
    const Stamp stamp = *parse_stamp(text);
    const Calendar calendar(frequency, stamp);
    return calendar.label(*calendar.period(stamp) + steps);
  };
  CHECK(next("1949-12", Frequency::monthly, 1) == "1950-01");
  CHECK(next("1970-01", Frequency::monthly, -1) == "1969-12");
  CHECK(next("1949-Q4", Frequency::quarterly, 1) == "1950-Q1");
  CHECK(next("2000-02-28", Frequency::daily, 2) == "2000-03-01");
  CHECK(next("1999-12-29", Frequency::weekly, 1) == "2000-01-05");
  CHECK(next("1969-12-31 23:00", Frequency::hourly, 1) == "1970-01-01 00:00");
}

TEST_CASE("the frequency is inferred from the most common step") {
  const auto of = [](const Labels& times) {
    std::string text = "t,y\n";
    for (size_t i = 0; i < times.size(); ++i) text += times[i] + ',' + std::to_string(i) + '\n';
    return parse_series(text, "f.csv").frequency;
  };
  CHECK(of({"1950-01", "1950-02", "1950-03"}) == Frequency::monthly);
  CHECK(of({"1950-01-31", "1950-02-28", "1950-03-31"}) == Frequency::monthly);
  CHECK(of({"1950-01", "1950-04", "1950-07"}) == Frequency::quarterly);
  CHECK(of({"1950-Q1", "1950-Q2", "1950-Q3"}) == Frequency::quarterly);
  CHECK(of({"1950-03-31", "1950-06-30", "1950-09-30"}) == Frequency::quarterly);
  CHECK(of({"1950-01-01", "1950-01-08", "1950-01-15"}) == Frequency::weekly);
  CHECK(of({"1950-01-30", "1950-01-31", "1950-02-01"}) == Frequency::daily);
  CHECK(of({"1950-01-31 00:00", "1950-02-01 00:00", "1950-02-02 00:00"}) == Frequency::daily);
  CHECK(of({"1950-01-31 22:00", "1950-01-31 23:00", "1950-02-01 00:00"}) == Frequency::hourly);
  CHECK(complaint("t,y\n1950-01,1\n1951-01,2\n1952-01,3\n") ==
        "f.csv:2:1: the times are not hourly, daily, weekly, monthly or quarterly "
        "(--freq none takes the rows as equally spaced)");
}

TEST_CASE("a stated frequency is obeyed or refused") {
  const std::string days = "t,y\n1950-01-03,1\n1950-01-10,2\n1950-01-18,4\n";
  CHECK(complaint(days) == "f.csv:4:1: 1950-01-18 is not a whole number of weeks after 1950-01-03");
  const Series none = parse_series(days, "f.csv", {.frequency = Frequency::none});
  CHECK(none.time == Labels{"1950-01-03", "1950-01-10", "1950-01-18"});
  CHECK(none.future(2) == Labels{"+1", "+2"});
  CHECK(complaint(monthly({"1", "2", "3"}), {.frequency = Frequency::daily}) ==
        "f.csv:2:1: calendar: a daily series needs finer time stamps than the file has");
  CHECK(complaint("i,y\n1,5\n2,6\n3,7\n", {.frequency = Frequency::monthly}) ==
        "f.csv: a monthly series needs a column of times, and \"i\" holds plain numbers");
  CHECK(parse_frequency("Q") == Frequency::quarterly);
  CHECK(parse_frequency("hourly") == Frequency::hourly);
  CHECK(!parse_frequency("auto"));
  CHECK_THROWS_WITH_AS(parse_frequency("m"),
                       "frequency: \"m\" is unknown (expected auto, none, H, D, W, M or Q)",
                       ValueError);
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
        "f.csv:2:11: \"a\" is not a time (expected 1949-01, 1949-01-31, 1949-01-31 10:00, 1949-Q1 "
        "or Jan 1949)");
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
  const std::string uneven = "year,y\n1950,5\n1951,7\n1953,6\n1954,9\n";
  CHECK(complaint(uneven) ==
        "f.csv:4:1: the step from 1951 to 1953 is not 1 as before (--freq none "
        "takes the rows as equally spaced)");
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

TEST_CASE("places are counted in lines and bytes, whatever ends a line") {
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
  CHECK(complaint("month;y\n1950-01;2,5\n1950-02;2\n1950-03;2\n").find("f.csv:2:9") == 0);
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
        "f.csv:4:1: quoted field not closed (opened at line 2, column 9)");
  CHECK(complaint("month,y\n1950-01,\"1\"2\n") == "f.csv:2:12: text after a closing quote");
  CHECK(complaint("month,y\n1950-01,1\"2\n") ==
        "f.csv:2:10: quote inside an unquoted field (quote the whole field)");
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
  CHECK(complaint(monthly({"1", "\"1,234\"", "3"})) ==
        "f.csv:3:9: \"1,234\" in column \"sales\" is not a number (write 1234.5: no separator of "
        "thousands, a decimal point)");
  CHECK(complaint("month,y\n1950-01,1\n1950-99,2\n1950-03,3\n") ==
        "f.csv:3:1: \"1950-99\" is not a time (expected 1949-01, 1949-01-31, 1949-01-31 10:00, "
        "1949-Q1 or Jan 1949)");
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

TEST_CASE("rows in another order are sorted, and that is said") {
  const Series s = parse_series("m,y\n1950-03,3\n1950-02,2\n1950-01,1\n", "f.csv");
  CHECK(s.values == std::vector<double>{1, 2, 3});
  CHECK(s.time.front() == "1950-01");
  CHECK(s.notes.back() == "the rows were sorted by time");
}

TEST_CASE("a series that is too short, constant or not positive is refused") {
  CHECK(complaint(monthly({"1", "2"})) == "f.csv: 2 values, at least 3 are needed (a series)");
  CHECK(complaint(monthly({"4", "4", "4"})) ==
        "f.csv: column \"sales\" is constant (4 in all 3 rows): there is nothing to forecast");
  CHECK(complaint(monthly({"", "", ""}), drop) ==
        "f.csv: 0 values, at least 3 are needed (a series)");
  const Series s = parse_series(monthly({"4", "0", "2"}), "f.csv");
  CHECK_THROWS_WITH_AS(require_length(s, 36, "a window of 12 and 24 months held out"),
                       "f.csv: 3 values, at least 36 are needed (a window of 12 and 24 months held "
                       "out)",
                       FormatError);
  CHECK_NOTHROW(require_length(s, 3, ""));
  CHECK_THROWS_WITH_AS(
      require_positive(s),
      "f.csv: \"sales\" is 0 at 1950-02: only positive values have a logarithm (use "
      "--no-log)",
      FormatError);
  CHECK_NOTHROW(require_positive(airline_passengers()));
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
