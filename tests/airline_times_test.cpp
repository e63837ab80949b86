#include <doctest/doctest.h>

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

}  // namespace

TEST_CASE("stamps are read in every documented form and in no other") {
  CHECK(label_of("1949", Frequency::yearly) == "1949");
  CHECK(label_of("1949-1", Frequency::monthly) == "1949-01");
  CHECK(label_of("Q1 1949", Frequency::quarterly) == "1949-Q1");
  CHECK(label_of("19491231", Frequency::daily) == "1949-12-31");
  CHECK(label_of("31/01/2010", Frequency::daily) == "2010-01-31");
  CHECK(label_of("01/31/2010", Frequency::daily) == "2010-01-31");
  CHECK(label_of("31.1.2010", Frequency::daily) == "2010-01-31");
  CHECK(label_of("31 Jan 2010", Frequency::daily) == "2010-01-31");
  CHECK(label_of("31-Jan-2010", Frequency::daily) == "2010-01-31");
  CHECK(label_of("January 31, 2010", Frequency::daily) == "2010-01-31");
  CHECK(label_of("2010-Jan-31", Frequency::daily) == "2010-01-31");
  CHECK(label_of("2018-W01", Frequency::weekly) == "2018-01-01");
  CHECK(label_of("2016W01", Frequency::weekly) == "2016-01-04");
  CHECK(label_of("2020-W53-7", Frequency::daily) == "2021-01-03");
  CHECK(label_of("2018-01-01 00:00:00+00:00", Frequency::hourly) == "2018-01-01 00:00");
  CHECK(label_of("2018-01-01T10:30:00.000Z", Frequency::ten_minutes) == "2018-01-01 10:30");
  CHECK(label_of("01/31/2010 03:20 PM", Frequency::ten_minutes) == "2010-01-31 15:20");
  CHECK(label_of("2018-01-01 10:00 UTC", Frequency::hourly) == "2018-01-01 10:00");
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
       {"",           "194901",     "1949-13",          "1949-00",          "49-01",
        "1949-02-29", "1900-02-29", "1949-01/05",       "01/02/1949",       "1949-Q5",
        "1949-Q",     "1949-W54",   "2019-W53",         "1949-01-01 24:00", "1949-01-01 10:30:01",
        "Jen 1949",   "Jan",        "Jan 49",           "1949-01x",         "1949-01-01 ",
        "-1949-01",   "32.01.1949", "1949-01-01 13 PM", "99999999"})
    CHECK_MESSAGE(!parse_stamp(text), text);
}

TEST_CASE(
    "dates whose day and month could change places are decided by the other rows, or refused") {
  const std::string days = "d,y\n01/02/2010,1\n02/02/2010,2\n03/02/2010,3\n";
  CHECK(complaint(days) ==
        "f.csv:2:1: \"01/02/2010\" may be 2010-02-01 or 2010-01-02, and no other row tells (say "
        "--date-order day or --date-order month)");
  CHECK(parse_series(days, "f.csv", {.date_order = DateOrder::day_first}).time.back() ==
        "2010-02-03");
  CHECK(parse_series(days, "f.csv", {.date_order = DateOrder::month_first}).frequency ==
        Frequency::monthly);
  const std::string tail = "12/01/2010,1\n13/01/2010,2\n14/01/2010,3\n15/01/2010,3\n";
  CHECK(parse_series("d,y\n" + tail, "f.csv").time.front() == "2010-01-12");
  CHECK(complaint("d,y\n" + tail + "01/16/2010,5\n") ==
        "f.csv:6:1: \"01/16/2010\" has the month first, but \"13/01/2010\" in line 3 the day");
  CHECK(complaint(days, {.date_order = DateOrder::day_first}).empty());
  CHECK(complaint("d,y\n" + tail, {.date_order = DateOrder::month_first}) ==
        "f.csv:3:1: \"13/01/2010\" is no date with the month first");
}

TEST_CASE("a column of times that cannot be read is refused, never passed over") {
  CHECK(complaint("date,y\nJan-49,1\nFeb-49,2\nMar-49,3\n") ==
        "f.csv:2:1: \"Jan-49\" in column \"date\" is not a time that is read: its year may be 1949 "
        "or 2049: write it in full (--freq none takes the rows as equally spaced)");
  for (const char* odd : {"01/31/49", "2018_01_01", "Monday", "1st May"}) {
    const std::string rows = std::string(odd) + ",1\n" + odd + ",2\n" + odd + ",3\n";
    CHECK_MESSAGE(
        complaint("Date,y\n" + rows).find("is not a time that is read") != std::string::npos, odd);
    CHECK(parse_series("Date,y\n" + rows, "f.csv", {.frequency = Frequency::none}).time[0] == odd);
  }
  CHECK(complaint("city,y\nParis,1\nRome,2\nBern,3\n").empty());
}

TEST_CASE("a file that runs backwards is turned round, whatever its times are") {
  for (const std::string& text :
       {std::string("i,y\n3,3\n2,2\n1,1\n"), std::string("year,y\n1952,3\n1951,2\n1950,1\n"),
        std::string("d,y\n31/01/2010,3\n30/01/2010,2\n29/01/2010,1\n")}) {
    const Series s = parse_series(text, "f.csv");
    CHECK(s.values == std::vector<double>{1, 2, 3});
    CHECK(s.notes.back() == "the rows were sorted by time");
  }
  const Series loose = parse_series("d,y\n2010-01-31,3\n2010-01-30,2\n2010-01-09,1\n", "f.csv",
                                    {.frequency = Frequency::none});
  CHECK(loose.values == std::vector<double>{1, 2, 3});
}

TEST_CASE("times of several zones are taken to UTC, those of one zone stay") {
  const Series one = parse_series(
      "t,y\n2018-03-25 00:00+01:00,1\n2018-03-25 01:00+01:00,2\n2018-03-25 02:00+01:00,3\n",
      "f.csv");
  CHECK(one.time.front() == "2018-03-25 00:00");
  const Series two = parse_series(
      "t,y\n2018-03-25 00:00+01:00,1\n2018-03-25 01:00+01:00,2\n2018-03-25 03:00+02:00,3\n",
      "f.csv");
  CHECK(two.time == Labels{"2018-03-24 23:00", "2018-03-25 00:00", "2018-03-25 01:00"});
}

TEST_CASE("a season is that of the frequency, or the one given") {
  const std::string text = monthly({"1", "2", "4"});
  CHECK(parse_series(text, "f.csv").season == 12);
  CHECK(parse_series(text, "f.csv", {.season = 3}).season == 3);
  CHECK(parse_series("y\n1\n2\n4\n", "f.csv").season == 1);
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
  CHECK(next("1969-12-31 23:55", Frequency::ten_minutes, 1) == "1970-01-01 00:05");
  CHECK(next("2024-02-29 23:45", Frequency::quarter_hour, 1) == "2024-03-01 00:00");
  CHECK(next("2024-03-01", Frequency::business, 1) == "2024-03-04");
  CHECK(next("1970-01-05", Frequency::business, -1) == "1970-01-02");
  CHECK(next("1999-12-31", Frequency::yearly, 1) == "2000");
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
  CHECK(of({"1950-01", "1951-01", "1952-01"}) == Frequency::yearly);
  CHECK(of({"1950-12-31", "1951-12-31", "1952-12-31"}) == Frequency::yearly);
  CHECK(of({"1950", "1951", "1952"}) == Frequency::yearly);
  CHECK(of({"2024-03-01", "2024-03-04", "2024-03-05"}) == Frequency::business);
  CHECK(of({"2024-03-04", "2024-03-05", "2024-03-06"}) == Frequency::daily);
  CHECK(of({"1950-01-31 22:50", "1950-01-31 23:00", "1950-01-31 23:10"}) == Frequency::ten_minutes);
  CHECK(of({"1950-01-31 22:30", "1950-01-31 23:00", "1950-01-31 23:30"}) == Frequency::half_hour);
  CHECK(complaint("t,y\n1950-01,1\n1950-06,2\n1950-11,3\n") ==
        "f.csv:2:1: the times are not hourly, daily, weekly, monthly, quarterly, yearly or some "
        "minutes apart (--freq none takes the rows as equally spaced)");
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
  CHECK(complaint("t,y\n2024-03-01,1\n2024-03-02,2\n2024-03-04,3\n",
                  {.frequency = Frequency::business}) ==
        "f.csv:3:1: 2024-03-02 is a Saturday or a Sunday, in a series of business days");
}

TEST_CASE("rows in another order are sorted, and that is said") {
  const Series s = parse_series("m,y\n1950-03,3\n1950-02,2\n1950-01,1\n", "f.csv");
  CHECK(s.values == std::vector<double>{1, 2, 3});
  CHECK(s.time.front() == "1950-01");
  CHECK(s.notes.back() == "the rows were sorted by time");
}
