#pragma once
// The update rule and the learning rate over time that settings name.

#include <tapestry/examples/lm/settings.h>
#include <tapestry/optim/rule.h>
#include <tapestry/optim/schedule.h>

namespace tapestry::lm {

UpdateRule make_rule(const TrainSettings& settings);

/// `updates_per_epoch` is how many times the schedule is asked in an epoch.
Schedule make_schedule(const TrainSettings& settings, int64_t updates_per_epoch);

}  // namespace tapestry::lm
