#pragma once
// Amounts as people write them on a command line: 10M tokens, 30m of training.

#include <cstdint>
#include <optional>
#include <string_view>

namespace tapestry::app {

/// "1200", "50k", "10M", "1.5G" as a whole number of at least 0; nothing for any other text.
std::optional<std::int64_t> parse_count(std::string_view text);
/// "90", "90s", "30m", "1.5h", "2d" in seconds; nothing for any other text.
std::optional<double> parse_seconds(std::string_view text);

}  // namespace tapestry::app
