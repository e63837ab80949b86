#pragma once
// Phrases of messages.

#include <string>
#include <string_view>
#include <vector>

namespace tapestry::airline {

/// "1 value", "2 values"
std::string counted(size_t n, std::string_view noun);
/// "a, b, c and 7 more": at most ten of `total` items, of which `items` are the first.
std::string shorten(const std::vector<std::string>& items, size_t total);

}  // namespace tapestry::airline
