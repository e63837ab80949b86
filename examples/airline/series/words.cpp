#include <tapestry/examples/airline/series/words.h>

#include <algorithm>

namespace tapestry::airline {

std::string counted(size_t n, std::string_view noun) {
  return std::to_string(n) + ' ' + std::string(noun) + (n == 1 ? "" : "s");
}

std::string shorten(const std::vector<std::string>& items, size_t total) {
  std::string text;
  const size_t shown = std::min<size_t>(items.size(), 10);
  for (size_t i = 0; i < shown; ++i) text += (i ? ", " : "") + items[i];
  return total > shown ? text + " and " + std::to_string(total - shown) + " more" : text;
}

}  // namespace tapestry::airline
