#pragma once
// --verify-resume: the proof, on the spot, that a run which is stopped and resumed ends with the
// bits of one that was not.

#include <tapestry/examples/lm/text/data.h>

namespace tapestry::lm {

/// Trains 20 updates at once, and again 10 and 10 with all memory lost but the checkpoint between.
/// Throws UserError (check_failed) that names what differs.
/// `data` is as it was when it returns.
void verify_resume(const TrainSettings& settings, Data& data);

}  // namespace tapestry::lm
