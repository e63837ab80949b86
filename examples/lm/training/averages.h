#pragma once
// Averages of the weights, which become the model where training no longer makes it better.

#include <optional>

#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/training/position.h>
#include <tapestry/optim/average.h>

namespace tapestry::lm {

/// Begins averages after an epoch, if --average-after says so now.
bool begin_averages(const TrainSettings& settings, Position& position, Optimizer& optimizer);

/// While it lives, the parameters are the averages, if these have begun.
std::optional<AveragedValues> averages_of(const Position& position, Optimizer& optimizer);

}  // namespace tapestry::lm
