#pragma once
// Numbers as people write them: 1234.5, 1234,5, 1,234.5, 1.234,5. What the comma means is decided
// for a whole column, and refused where no row tells: 1,234 alone may be either.

#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace tapestry::airline {

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

/// What separates the fraction: a point, with commas between thousands; or the other way about.
enum class Decimal { point, comma };

/// A number with that sign; separators of thousands must stand before groups of three digits.
std::optional<double> parse_decimal(std::string_view text, Decimal decimal);

/// Whether `text` is a number with one sign or the other.
bool resembles_number(std::string_view text);

/// Which sign a number shows that it uses; nothing where it has neither, or may use both.
std::optional<Decimal> decimal_of(std::string_view text);

/// Empty, NA, NaN, nan or null.
bool means_missing(std::string_view text);

}  // namespace tapestry::airline
