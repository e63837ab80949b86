#pragma once
// Which columns of a table hold the times and the values: those named, or else the first column
// whose first filled cell reads as a time (failing that, a first column of rising whole numbers),
// and the first other column whose first filled cell reads as a number.

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <tapestry/examples/airline/series/csv.h>

namespace tapestry::airline {

struct Columns {
  std::optional<size_t> time;
  bool index;  // there are no dates: the times are row numbers or the whole numbers of `time`
  size_t value;
};

/// Empty names mean: choose. Throws FormatError listing the columns there are.
Columns choose_columns(const Table& table, const std::string& time, const std::string& value);

/// The finite number that is all of `text`, whatever the locale.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if constexpr (std::is_floating_point_v<T>)
    if (!std::isfinite(value)) return std::nullopt;
  return value;
}

/// Empty, NA, NaN, nan or null.
bool means_missing(std::string_view text);

}  // namespace tapestry::airline
