#pragma once
// The text that a run was trained on, read again: for what counts it or learns from it afterwards.

#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/text/data.h>

#include <string>

namespace tapestry::lm {

/// In the run's vocabulary, with what the run held out. `what` cannot be done without it, and is
/// asked for by `option`: for messages. Throws UserError (no_input) where it cannot be read again,
/// FormatError where it is another now.
Data training_text(const Run& run, const std::string& what, const std::string& option);

}  // namespace tapestry::lm
