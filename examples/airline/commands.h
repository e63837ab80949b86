#pragma once
// The commands of airline, a file each: what they take, and what they do. They throw what
// examples/common/report.h turns into messages. Results go to stdout, everything else to stderr.

#include <tapestry/examples/airline/run.h>
#include <tapestry/examples/common/exit_code.h>

namespace tapestry::airline {

/// Does what the words of a command line say, the name of the program first; without a command,
/// fit and forecast.
app::ExitCode command_line(const std::vector<const char*>& words);

/// Trains on all but the last values of a series and leaves a run directory.
void add_options(app::Command& command, FitSettings& settings);
app::ExitCode fit(const FitSettings& settings);
/// The same for a caller that goes on with the run, which lies in settings.output.
Run fit_run(FitSettings& settings);

/// Forecasts from the end of a run's training part, and says how far it was off.
struct ForecastSettings {
  std::string run;
  size_t horizon = 0;       // 0: the run's own
  std::string actual = {};  // of a panel: file of what followed
  bool json = false, csv = false, quiet = false;
};
void add_options(app::Command& command, ForecastSettings& settings);
app::ExitCode forecast(const ForecastSettings& settings);
app::ExitCode forecast(const Run& run, const ForecastSettings& settings);

/// The same for many series, by --id-column or --wide: one model for all.
app::ExitCode fit_panel(const FitSettings& settings, bool json);
app::ExitCode forecast_panel(const ForecastSettings& settings);
app::ExitCode info_panel(const std::string& directory);
app::ExitCode plot_panel(const std::string& directory);

/// Fits at many origins in turn and forecasts from each: how well forecasts are to be trusted.
struct BacktestSettings {
  InputSettings input;
  TrainingSettings training;
  size_t origins = 24, horizon = 12;
  size_t until = 0;  // uses only so many values; 0: all

  std::string output;
  bool overwrite = false, json = false;
  app::CommonOptions common;
};
void add_options(app::Command& command, BacktestSettings& settings);
app::ExitCode backtest(const BacktestSettings& settings);

/// Trains one LSTM in every version of versions.h and compares their times.
struct CompareSettings {
  bool synthetic = false;                            // a long series in place of the built-in one
  int64_t hidden = 50, length = 20000, batch = 256;  // of the synthetic one
  int threads = 2;
  bool gpu = false;  // the versions on a device in place of those on the CPU but the first
  std::string output;
  bool overwrite = false, json = false, quiet = false;
};
void add_options(app::Command& command, CompareSettings& settings);
app::ExitCode compare(const CompareSettings& settings);

/// Draws a run's pictures once more.
struct PlotSettings {
  std::string run;
};
void add_options(app::Command& command, PlotSettings& settings);
app::ExitCode plot(const PlotSettings& settings);

/// Prints what a run is.
struct InfoSettings {
  std::string run;
};
void add_options(app::Command& command, InfoSettings& settings);
app::ExitCode info(const InfoSettings& settings);

}  // namespace tapestry::airline
