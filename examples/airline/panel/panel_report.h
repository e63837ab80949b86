#pragma once
// What is said of the run of a panel: the scores of every method, coverage, and the files' texts.

#include <tapestry/examples/airline/panel/panel_run.h>

namespace tapestry::airline {

struct PanelReport {
  std::vector<PanelMethod> methods;  // the run's own first
  std::vector<PanelScores> scores;   // by method; empty where nothing is known
  size_t naive2 = 0, reference = 0;  // of the methods: naive 2, and seasonal naive or naive
  std::vector<double> covered;       // share of what followed, by Intervals::levels
};

/// Forecasts with the run's networks and, where something is known of what followed, scores.
PanelReport report_of(const PanelRun& run, int64_t workers);

/// id,time,split,actual,forecast,lo80,hi80,lo95,hi95
std::string forecast_text(const PanelRun& run, const PanelMethod& method);
/// id,forecast,forecast,...
std::string wide_text(const PanelRun& run, const PanelMethod& method);
/// What --json prints.
std::string json_text(const PanelRun& run, const PanelReport& report);
void print_scores(const PanelRun& run, const PanelReport& report);

}  // namespace tapestry::airline
