#pragma once
// Nonlinear least squares by Levenberg and Marquardt (Marquardt, 1963), with central differences
// for the Jacobian: enough for the few parameters of a classical forecast. It goes downhill from
// the start to the nearest local minimum, and is deterministic.

#include <functional>
#include <span>
#include <vector>

namespace tapestry::airline {

/// The residuals at a point, always as many; ones that are not finite refuse the point.
using Residuals = std::function<std::vector<double>(std::span<const double>)>;

/// A point where the sum of squared residuals is least. The parameters should be of order 1.
/// Throws NonFiniteError when the start itself is refused.
std::vector<double> least_squares(const Residuals& residuals, std::vector<double> start);

}  // namespace tapestry::airline
