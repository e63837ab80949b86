#include <tapestry/examples/airline/series/numbers.h>

#include <algorithm>

namespace tapestry::airline {
namespace {

/// Whether the whole part is groups of three digits after a first one of one to three.
bool well_grouped(std::string_view whole, char separator) {
  if (whole.starts_with('-')) whole.remove_prefix(1);
  size_t group = whole.find(separator);
  if (group == 0 || group > 3) return false;
  while (group != std::string_view::npos) {
    const size_t next = whole.find(separator, group + 1);
    if (std::min(next, whole.size()) - group != 4) return false;
    group = next;
  }
  return true;
}

}  // namespace

std::optional<double> parse_decimal(std::string_view text, Decimal decimal) {
  const char sign = decimal == Decimal::point ? '.' : ',';
  const char thousands = decimal == Decimal::point ? ',' : '.';
  const size_t end = std::min(text.find(sign), text.size());
  const std::string_view whole = text.substr(0, end);
  if (text.find(thousands, end) != std::string_view::npos) return std::nullopt;
  const bool grouped = whole.find(thousands) != std::string_view::npos;
  if (!grouped && sign == '.') return parse_number<double>(text);
  if (grouped && !well_grouped(whole, thousands)) return std::nullopt;
  std::string plain;
  for (const char c : text)
    if (c != thousands) plain += c == sign ? '.' : c;
  return parse_number<double>(plain);
}

bool resembles_number(std::string_view text) {
  return parse_decimal(text, Decimal::point) || parse_decimal(text, Decimal::comma);
}

std::optional<Decimal> decimal_of(std::string_view text) {
  const bool point = parse_decimal(text, Decimal::point).has_value();
  const bool comma = parse_decimal(text, Decimal::comma).has_value();
  if (point == comma || text.find_first_of(".,") == std::string_view::npos) return std::nullopt;
  return point ? Decimal::point : Decimal::comma;
}

bool means_missing(std::string_view text) {
  return text.empty() || text == "NA" || text == "NaN" || text == "nan" || text == "null";
}

}  // namespace tapestry::airline
