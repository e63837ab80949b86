#pragma once
// The pictures of a panel.

#include <tapestry/examples/airline/panel/panel_run.h>
#include <tapestry/examples/common/plot.h>

namespace tapestry::airline {

/// Some of the series, evenly taken, each in a panel of its own: the end of what was learnt from,
/// what followed as far as it is known, the forecasts and their 80 %.
app::Plot page_picture(const PanelRun& run, const PanelMethod& method);

/// The share of series whose MASE is below a value, for the run's method and the naive
/// one.
app::Plot mase_picture(const PanelScores& own, const std::string& own_title,
                       const PanelScores& naive, const std::string& naive_title);

/// The interval of a series at a distance, at Intervals::levels[level]: [low, high].
std::pair<double, double> interval(const PanelRun& run, size_t series, size_t level,
                                   size_t distance, double forecast);

}  // namespace tapestry::airline
