#include <tapestry/examples/lm/training/averages.h>

namespace tapestry::lm {

bool begin_averages(const TrainSettings& s, Position& position, Optimizer& optimizer) {
  if (s.average_after == 0 || position.averaged > 0 ||
      position.epoch - position.best_epoch < s.average_after)
    return false;
  restart_averages(optimizer);
  position.averaged = position.epoch;
  return true;
}

std::optional<AveragedValues> averages_of(const Position& position, Optimizer& optimizer) {
  if (position.averaged == 0) return std::nullopt;
  return std::optional<AveragedValues>(std::in_place, optimizer);
}

}  // namespace tapestry::lm
