#pragma once
// Distinct strings, numbered: each is stored once, and a table of numbers finds them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::lm {

/// Distinct strings numbered 0, 1, ... in the order in which they were added.
class TokenTable {
 public:
  /// The number of `token`, added if new. Throws ValueError where there are too many.
  int32_t intern(std::string_view token);
  /// The number of `token`, -1 if absent.
  int32_t find(std::string_view token) const;
  /// Throws IndexError outside the table.
  const std::string& token(int32_t id) const;
  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }

 private:
  /// Where the number of `token` is, or belongs.
  size_t slot(std::string_view token) const;
  void grow();

  std::vector<std::string> tokens_;
  std::vector<int32_t> slots_;  // open addressing, a power of two, at most half full; -1: empty
};

}  // namespace tapestry::lm
