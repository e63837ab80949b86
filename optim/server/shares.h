#pragma once
// Shares: which items a rank gets. They are granted a few rounds ahead, to each by how fast it is
// and what it still has, so that all end together. All ranks compute the same from the same
// numbers.

#include <cstdint>
#include <span>
#include <vector>

namespace tapestry {

/// What is known of a rank when items are granted.
struct Pace {
  double items = 0;   // in a round
  int64_t stock = 0;  // granted before and not begun
};

/// How many of the next `left` items each rank gets: as many as it lacks for `rounds` rounds, or,
/// if there are fewer, so that all have equally long to do.
std::vector<int64_t> grant(int64_t left, std::span<const Pace> paces, double rounds);

}  // namespace tapestry
