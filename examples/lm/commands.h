#pragma once
// The commands of lm, a file each. They throw what examples/common/report.h turns into messages.

#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/settings.h>

namespace tapestry::lm {

app::ExitCode train(TrainSettings settings);
app::ExitCode eval(const EvalSettings& settings);

}  // namespace tapestry::lm
