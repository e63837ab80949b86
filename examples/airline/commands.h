#pragma once
// The commands of airline, a file each. They throw what examples/common/report.h turns into
// messages.

#include <tapestry/examples/airline/settings.h>
#include <tapestry/examples/common/exit_code.h>

namespace tapestry::airline {

/// Fits on all but the last values of a series, forecasts these, and leaves a run directory.
app::ExitCode forecast(const ForecastSettings& settings);

}  // namespace tapestry::airline
