#pragma once
// How much training fits into a given time: a schedule that is to end when the time does must know.

#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/text/data.h>

namespace tapestry::lm {

/// The updates that --epochs asks for, or fewer: as many as --max-time leaves room for, with the
/// held-out losses after each epoch. Some are made on a model that is thrown away, for a thirtieth
/// of the time, at most 3 s. 0 where that diverges.
int64_t updates_in_time(const TrainSettings& settings, const Data& data);

}  // namespace tapestry::lm
