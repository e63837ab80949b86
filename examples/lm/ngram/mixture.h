#pragma once
// Two models as one: the probability of a token is weight times that of the first, and the rest of
// that of the second.

#include <span>

namespace tapestry::lm {

/// The mean of -ln p of the tokens under the mixture, from their ln p under both models; weight is
/// in [0, 1].
double mean_loss(std::span<const double> first, std::span<const double> second, double weight);

/// The weight of the least loss.
double mixture_weight(std::span<const double> first, std::span<const double> second);

}  // namespace tapestry::lm
