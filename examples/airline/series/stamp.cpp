#include <tapestry/examples/airline/series/stamp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

namespace tapestry::airline {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 12> kMonths = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// A run of digits, a word in small letters, or one other character.
struct Token {
  enum class Kind { number, word, mark } kind;
  std::string text;
  int64_t value = 0;  // of a number

  bool number(size_t shortest, size_t longest) const {
    return kind == Kind::number && text.size() >= shortest && text.size() <= longest;
  }
  bool is(std::string_view wanted) const { return kind != Kind::number && text == wanted; }
};

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> out;
  for (size_t i = 0; i < text.size();) {
    const auto run = [&](auto belongs) {
      const size_t first = i;
      while (i < text.size() && belongs(text[i])) ++i;
      return std::string(text.substr(first, i - first));
    };
    Token token{Token::Kind::mark, "", 0};
    if (is_digit(text[i])) {
      token = {Token::Kind::number, run(is_digit), 0};
      for (const char c : std::string_view(token.text).substr(0, 18))
        token.value = token.value * 10 + (c - '0');
    } else if (is_letter(text[i])) {
      token = {Token::Kind::word, run(is_letter), 0};
      std::transform(token.text.begin(), token.text.end(), token.text.begin(), lower);
    } else {
      token.text = text[i++];
    }
    out.push_back(std::move(token));
  }
  return out;
}

/// 1 to 12 for a month's name or its first three letters ("sept" too), else 0.
int64_t named_month(const Token& token) {
  if (token.kind != Token::Kind::word || token.text.size() < 3) return 0;
  for (size_t m = 0; m < kMonths.size(); ++m)
    if (token.text == kMonths[m] || token.text == kMonths[m].substr(0, 3) ||
        (m == 8 && token.text == "sept"))
      return static_cast<int64_t>(m) + 1;
  return 0;
}

int64_t month_count(int64_t year, int64_t month) { return (year - 1970) * 12 + month - 1; }

std::optional<Stamp> day_stamp(int64_t year, int64_t month, int64_t day) {
  const year_month_day date{std::chrono::year{static_cast<int>(year)},
                            std::chrono::month{static_cast<unsigned>(month)},
                            std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return Stamp{Unit::day, sys_days{date}.time_since_epoch().count()};
}

std::optional<Stamp> month_stamp(int64_t year, int64_t month) {
  if (month < 1 || month > 12) return std::nullopt;
  return Stamp{Unit::month, month_count(year, month)};
}

Readings both(std::optional<Stamp> stamp) { return {stamp, stamp}; }

/// Reads a text from the left; what does not fit leaves the place where it was.
class Reader {
 public:
  explicit Reader(std::string_view text) : tokens_(tokens_of(text)) {}

  Readings read() {
    Readings out = date();
    if (done()) return out;
    const auto with_time = time();
    if (!with_time || !done()) return {};
    for (std::optional<Stamp>* stamp : {&out.day_first, &out.month_first})
      if (*stamp && (*stamp)->unit == Unit::day)
        *stamp = Stamp{
            with_time->unit,
            (*stamp)->count * (with_time->unit == Unit::hour ? 24 : 24 * 60) + with_time->count,
            with_time->zone};
      else
        stamp->reset();
    return out;
  }

 private:
  bool done() const { return at_ == tokens_.size(); }
  const Token& peek(size_t ahead = 0) const {
    static const Token end{Token::Kind::mark, "", 0};
    return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : end;
  }
  bool take(std::string_view wanted) {
    if (!peek().is(wanted)) return false;
    ++at_;
    return true;
  }
  std::optional<int64_t> take_number(size_t shortest, size_t longest) {
    if (!peek().number(shortest, longest)) return std::nullopt;
    return tokens_[at_++].value;
  }
  /// One separator of a date, or a comma, with blanks around it; empty for none.
  std::string separator() {
    std::string found;
    while (peek().is(" ") ||
           (found.find_first_not_of(' ') == std::string::npos &&
            (peek().is("-") || peek().is("/") || peek().is(".") || peek().is(","))))
      found += tokens_[at_++].text;
    const size_t mark = found.find_first_not_of(' ');
    return mark == std::string::npos ? found.substr(0, 1) : found.substr(mark, 1);
  }

  Readings date() {
    if (peek().number(8, 8)) {
      const int64_t n = tokens_[at_++].value;
      const bool likely = n / 10000 >= 1600 && n / 10000 < 2400;
      return both(likely ? day_stamp(n / 10000, n / 100 % 100, n % 100) : std::nullopt);
    }
    if (peek().number(4, 4)) return year_first();
    if (peek().is("q")) return quarter_first();
    if (named_month(peek()) > 0) return month_name_first();
    if (peek().number(1, 2)) return year_last();
    return {};
  }

  Readings year_first() {
    const int64_t year = *take_number(4, 4);
    if (done()) return both(Stamp{Unit::year, year - 1970});
    const std::string by = separator();
    if (take("q")) {
      const auto quarter = take_number(1, 1);
      if (!quarter || *quarter < 1 || *quarter > 4) return {};
      return both(Stamp{Unit::quarter, (year - 1970) * 4 + *quarter - 1});
    }
    if (take("w")) return week(year);
    if (by.empty() || by == ",") return {};
    int64_t month = named_month(peek());
    if (month > 0)
      ++at_;
    else if (const auto number = take_number(1, 2))
      month = *number;
    else
      return {};
    if (done()) return both(month_stamp(year, month));
    const size_t before = at_;
    if (separator() != by) at_ = before;
    const auto day = at_ > before ? take_number(1, 2) : std::nullopt;
    return day ? both(day_stamp(year, month, *day)) : Readings{};
  }

  /// The Monday, or day 1 to 7, of a week of ISO 8601: week 1 has the year's first Thursday.
  Readings week(int64_t year) {
    const auto number = take_number(2, 2);
    int64_t day = 1;
    if (peek().is("-") && peek(1).number(1, 1)) {
      ++at_;
      day = *take_number(1, 1);
    }
    if (!number || *number < 1 || *number > 53 || day < 1 || day > 7) return {};
    const auto monday_of = [](int64_t y) {  // of week 1
      const int64_t fourth = day_stamp(y, 1, 4)->count;
      return fourth - ((fourth + 3) % 7 + 7) % 7;
    };
    const int64_t monday = monday_of(year) + 7 * (*number - 1);
    if (monday >= monday_of(year + 1)) return {};
    return both(Stamp{Unit::day, monday + day - 1});
  }

  Readings quarter_first() {
    ++at_;
    const auto quarter = take_number(1, 1);
    separator();
    const auto year = take_number(4, 4);
    if (!quarter || *quarter < 1 || *quarter > 4 || !year) return {};
    return both(Stamp{Unit::quarter, (*year - 1970) * 4 + *quarter - 1});
  }

  Readings month_name_first() {
    const int64_t month = named_month(tokens_[at_++]);
    separator();
    if (const auto year = take_number(4, 4)) return both(month_stamp(*year, month));
    const auto day = take_number(1, 2);
    if (!day || separator().empty()) return {};
    const auto year = take_number(4, 4);
    return year ? both(day_stamp(*year, month, *day)) : Readings{};
  }

  /// 31.01.1949, 01/31/1949, 31 Jan 1949.
  Readings year_last() {
    const int64_t first = *take_number(1, 2);
    const std::string by = separator();
    if (by.empty() || by == ",") return {};
    if (const int64_t month = named_month(peek()); month > 0) {
      ++at_;
      separator();
      const auto year = take_number(4, 4);
      return year ? both(day_stamp(*year, month, first)) : Readings{};
    }
    const auto second = take_number(1, 2);
    if (!second || by == " " || separator() != by) return {};
    const auto year = take_number(4, 4);
    if (!year) return {};
    return {day_stamp(*year, *second, first), day_stamp(*year, first, *second)};
  }

  /// The time of a day, counted from its begin.
  std::optional<Stamp> time() {
    if (take("t")) {
    } else if (!take(" ")) {
      return std::nullopt;
    }
    while (take(" ")) {
    }
    auto hour = take_number(1, 2);
    int64_t minute = 0;
    if (!hour) return std::nullopt;
    if (take(":")) {
      const auto minutes = take_number(2, 2);
      if (!minutes || *minutes > 59) return std::nullopt;
      minute = *minutes;
      if (take(":") && take_number(2, 2).value_or(1) != 0) return std::nullopt;
      if (take(".") && take_number(1, 9).value_or(1) != 0) return std::nullopt;
    }
    const size_t before = at_;
    while (take(" ")) {
    }
    if (peek().is("am") || peek().is("pm")) {
      const bool afternoon = tokens_[at_++].text == "pm";
      if (*hour < 1 || *hour > 12) return std::nullopt;
      hour = *hour % 12 + (afternoon ? 12 : 0);
    } else {
      at_ = before;
    }
    if (*hour > 23) return std::nullopt;
    const auto zone = this->zone();
    if (!zone) return std::nullopt;
    if (minute == 0) return Stamp{Unit::hour, *hour, *zone};
    return Stamp{Unit::minute, *hour * 60 + minute, *zone};
  }

  /// Z, UTC, GMT, +01:00, -0330, +01; 0 where there is none.
  std::optional<int64_t> zone() {
    while (take(" ")) {
    }
    if (done() || take("z") || take("utc") || take("gmt")) return 0;
    const int64_t sign = take("+") ? 1 : take("-") ? -1 : 0;
    if (sign == 0) return std::nullopt;
    if (const auto packed = take_number(4, 4)) return sign * (*packed / 100 * 60 + *packed % 100);
    const auto hours = take_number(2, 2);
    if (!hours) return std::nullopt;
    const auto minutes = take(":") ? take_number(2, 2) : std::optional<int64_t>(0);
    if (!minutes) return std::nullopt;
    return sign * (*hours * 60 + *minutes);
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
};

/// "Jan-49", "1/2/49": how many digits the last number of something like a date has.
bool year_of_two_digits(const std::vector<Token>& tokens) {
  if (tokens.size() < 3 || !tokens.back().number(2, 2)) return false;
  return named_month(tokens.front()) > 0 ||
         (tokens.size() == 5 && tokens.front().number(1, 2) &&
          (tokens[2].number(1, 2) || named_month(tokens[2]) > 0));
}

}  // namespace

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

Readings read_stamp(std::string_view text) { return Reader(text).read(); }

std::optional<Stamp> parse_stamp(std::string_view text) {
  const Readings r = read_stamp(text);
  if (r.day_first && r.month_first && *r.day_first != *r.month_first) return std::nullopt;
  return r.day_first ? r.day_first : r.month_first;
}

bool resembles_time(std::string_view text) {
  const std::vector<Token> tokens = tokens_of(text);
  if (tokens.size() < 2) return false;
  size_t numbers = 0;
  for (const Token& t : tokens) numbers += t.kind == Token::Kind::number;
  if (named_month(tokens.front()) > 0) return numbers > 0;
  return tokens.front().kind == Token::Kind::number &&
         (numbers >= 3 || (numbers >= 2 && tokens.front().text.size() == 4) ||
          year_of_two_digits(tokens));
}

std::string time_hint(std::string_view text) {
  const std::vector<Token> tokens = tokens_of(text);
  if (year_of_two_digits(tokens))
    return "its year may be 19" + tokens.back().text + " or 20" + tokens.back().text +
           ": write it in full";
  return "expected such as 1949-01, 1949-01-31, 1949-01-31 10:00, 31.01.1949, 1949-Q1, 1949-W05 or "
         "Jan 1949";
}

int64_t day_of(Stamp stamp) {
  if (stamp.unit == Unit::minute) return floor_div(stamp.count, 24 * 60);
  return stamp.unit == Unit::hour ? floor_div(stamp.count, 24) : stamp.count;
}

int64_t month_of(Stamp stamp) {
  if (stamp.unit == Unit::year) return stamp.count * 12;
  if (stamp.unit == Unit::quarter) return stamp.count * 3;
  if (stamp.unit == Unit::month) return stamp.count;
  const year_month_day date{sys_days{std::chrono::days{day_of(stamp)}}};
  return month_count(static_cast<int>(date.year()), static_cast<unsigned>(date.month()));
}

Stamp in_minutes(Stamp stamp) {
  if (stamp.unit == Unit::hour) return {Unit::minute, stamp.count * 60, stamp.zone};
  return stamp;
}

}  // namespace tapestry::airline
