#include <tapestry/examples/common/checks.h>

#include <fmt/format.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/common/units.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tapestry::app {
namespace {

std::string interval(double low, double high, Ends ends) {
  const bool open_low = ends == Ends::open_low || ends == Ends::open;
  const bool open_high = ends == Ends::open_high || ends == Ends::open;
  if (!open_low && !open_high && std::isfinite(low) && std::isfinite(high))
    return fmt::format("{} to {}", low, high);
  std::string out;
  if (std::isfinite(low)) out = fmt::format("{} {}", open_low ? "above" : "at least", low);
  if (std::isfinite(low) && std::isfinite(high)) out += " and ";
  if (std::isfinite(high)) out += fmt::format("{} {}", open_high ? "below" : "at most", high);
  return out;
}

/// Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min(
          {d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace

Check whole_number(std::int64_t low, std::int64_t high) {
  const std::string range = high == std::numeric_limits<std::int64_t>::max()
                                ? fmt::format("at least {}", low)
                                : fmt::format("{} to {}", low, high);
  const auto problem = [=](const std::string& text) -> std::string {
    std::int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    // CLI11 would read 010 as octal.
    const bool octal = text.size() > 1 && text[text[0] == '-'] == '0';
    if (error != std::errc() || stop != end || octal || value < low || value > high)
      return fmt::format("must be a whole number, {}, not '{}'", range, text);
    return "";
  };
  return {problem, range};
}

Check number(double low, double high, Ends ends) {
  const std::string range = interval(low, high, ends);
  const auto problem = [=](const std::string& text) -> std::string {
    double x = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, x);
    const bool above = ends == Ends::open_low || ends == Ends::open ? x > low : x >= low;
    const bool below = ends == Ends::open_high || ends == Ends::open ? x < high : x <= high;
    if (error == std::errc() && stop == end && std::isfinite(x) && above && below) return "";
    return fmt::format("must be a number{}{}, not '{}'", range.empty() ? "" : ", ", range, text);
  };
  return {problem, range};
}

Check one_of(std::vector<std::string> names) {
  const std::string list = join(names, "|");
  const auto problem = [names = std::move(names)](const std::string& text) -> std::string {
    if (std::find(names.begin(), names.end(), text) != names.end()) return "";
    return fmt::format("must be one of {}, not '{}'{}", join(names, ", "), text,
                       did_you_mean(text, names));
  };
  return {problem, list};
}

Check count() {
  const auto problem = [](const std::string& text) -> std::string {
    if (parse_count(text)) return "";
    return fmt::format("must be a count such as 5000, 50k or 10M, not '{}'", text);
  };
  return {problem, "such as 50k, 10M"};
}

Check duration() {
  const auto problem = [](const std::string& text) -> std::string {
    if (parse_seconds(text)) return "";
    return fmt::format("must be a time such as 90s, 30m or 2h, not '{}'", text);
  };
  return {problem, "such as 90s, 30m, 2h"};
}

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  const auto letters = [](const std::string& s) {
    return s.substr(std::min(s.find_first_not_of('-'), s.size()));
  };
  const std::string wanted = letters(word);
  std::string best;
  std::size_t least = wanted.size() < 3 ? 1 : 2 + wanted.size() / 4;  // exclusive
  for (const std::string& name : known) {
    const std::string candidate = letters(name);
    std::size_t d = distance(wanted, candidate);
    // A beginning or an end of the name is near too: --vocab for --vocab-size.
    if (wanted.size() >= 3 && (candidate.starts_with(wanted) || candidate.ends_with(wanted)))
      d = std::min<std::size_t>(d, 1);
    if (candidate.size() > 1 && d < least) {
      least = d;
      best = name;
    }
  }
  return best;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::string best = nearest(word, known);
  return best.empty() ? "" : fmt::format(" (did you mean {}?)", best);
}

}  // namespace tapestry::app
