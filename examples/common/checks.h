#pragma once
// What the values of options may be: a check says in help what it accepts, and in messages what is
// wrong with a word.

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace tapestry::app {

struct Check {
  std::function<std::string(const std::string&)> problem;  ///< what is wrong, empty if nothing
  std::string range;                                       ///< "1 to 64", "a|b", as help shows it
};

/// Accepts a decimal whole number from `low` to `high`.
Check whole_number(std::int64_t low, std::int64_t high = std::numeric_limits<std::int64_t>::max());

enum class Ends { closed, open_low, open_high, open };
/// Accepts a finite decimal number in the interval from `low` to `high`, whose ends belong to it
/// unless `ends` says otherwise.
Check number(double low, double high = std::numeric_limits<double>::infinity(),
             Ends ends = Ends::closed);

/// Accepts one of `names`.
Check one_of(std::vector<std::string> names);

/// Accepts a count such as 1200, 50k or 10M; a time such as 90s, 30m or 2h.
Check count();
Check duration();

/// The entry of `known` that `word` was most likely meant to be; empty when none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& known);
/// " (did you mean WORD?)" with the nearest one, or nothing.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known);

}  // namespace tapestry::app
