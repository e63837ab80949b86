#pragma once
// The update rule and the learning rate over time that settings name.

#include <tapestry/examples/lm/model/language_model.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/optim/optimizer.h>
#include <tapestry/optim/schedule.h>

namespace tapestry::lm {

UpdateRule make_rule(const TrainSettings& settings);
/// The rule of the rows of embedding and softmax, where they have one of their own.
UpdateRule make_row_rule(const TrainSettings& settings);
/// Those rows of `model` with it, or nothing.
Optimizer::Groups make_groups(const TrainSettings& settings, const LanguageModel& model);

/// `updates_per_epoch` is how many times the schedule is asked in an epoch.
Schedule make_schedule(const TrainSettings& settings, int64_t updates_per_epoch);

}  // namespace tapestry::lm
