#include <tapestry/examples/common/units.h>

#include <charconv>
#include <cmath>
#include <string>
#include <utility>

namespace tapestry::app {
namespace {

struct Amount {
  double value;
  char unit;  // 0: none
};

/// A number that is finite and not negative, and at most one character behind it.
std::optional<Amount> parse(std::string_view text) {
  if (text.empty() || text[0] == '-') return {};
  Amount out{0, 0};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out.value, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(out.value) || end - stop > 1) return {};
  if (stop != end) out.unit = *stop;
  return out;
}

}  // namespace

std::optional<std::int64_t> parse_count(std::string_view text) {
  const auto amount = parse(text);
  if (!amount) return {};
  constexpr std::pair<char, double> kUnits[] = {{0, 1}, {'k', 1e3}, {'M', 1e6}, {'G', 1e9}};
  for (const auto& [unit, factor] : kUnits)
    if (unit == amount->unit) {
      const double value = amount->value * factor;
      if (value > 1e15 || value != std::floor(value)) return {};
      return static_cast<std::int64_t>(value);
    }
  return {};
}

std::optional<double> parse_seconds(std::string_view text) {
  const auto amount = parse(text);
  if (!amount) return {};
  constexpr std::pair<char, double> kUnits[] = {
      {0, 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  for (const auto& [unit, factor] : kUnits)
    if (unit == amount->unit) return amount->value * factor;
  return {};
}

}  // namespace tapestry::app
