#pragma once
// The season of a series as M4's benchmarks take it off (Makridakis, Spiliotis and Assimakopoulos,
// 2020): classical multiplicative decomposition, where a test finds a season at all.

#include <span>
#include <vector>

namespace tapestry::airline {

/// Whether the autocorrelation at the season's lag is beyond its 90 % limits, given those at
/// shorter lags; false for fewer than three seasons, and without a season.
bool is_seasonal(std::span<const double> values, size_t season);

/// The factor of each place in the season, [t % season], of mean 1: the mean ratio to a centred
/// moving average. Values must be positive.
std::vector<double> seasonal_factors(std::span<const double> values, size_t season);

}  // namespace tapestry::airline
