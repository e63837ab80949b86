#pragma once
// How losses are written for people: beside their floor where one is known, else as perplexities.

#include <optional>
#include <string>

namespace tapestry::lm {

/// e^loss: "183.6", of huge ones "4.9e+08".
std::string perplexity(double loss, int decimals = 1);

/// "held out 1.7547, 0.004 above the floor 1.7510" or "loss 6.3307  ppl 561.5".
std::string describe_loss(const char* what, double loss, std::optional<double> floor);

}  // namespace tapestry::lm
