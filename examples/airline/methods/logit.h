#pragma once
// Rates between 0 and 1 as numbers without bounds, for methods that minimize over them.

#include <algorithm>
#include <cmath>

namespace tapestry::airline {

/// The rate of a logit, held within 8 of 0: one that wants to be 0 or 1 stops there.
inline double rate_of(double logit) { return 1 / (1 + std::exp(-std::clamp(logit, -8.0, 8.0))); }

/// log(p / (1 - p)), the inverse.
inline double logit(double p) { return std::log(p / (1 - p)); }

}  // namespace tapestry::airline
