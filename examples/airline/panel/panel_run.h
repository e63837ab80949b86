#pragma once
// The run of a panel: what a fit leaves behind.
//   config.json         how the panel was read and the networks were trained
//   panel.csv           id,value,value,...: the training parts and what was held out
//   times.csv           id,label,...: the times of the forecasts
//   model.safetensors   the networks of all seeds, their training losses, the intervals
// and, from forecasting, forecast.csv, forecast_wide.csv, metrics.json, page.*, mase.*.

#include <tapestry/examples/airline/panel/panel_scores.h>
#include <tapestry/examples/airline/panel/training.h>
#include <tapestry/examples/airline/scores/intervals.h>
#include <tapestry/examples/airline/settings.h>

#include <filesystem>

namespace tapestry::airline {

struct PanelRun {
  FitSettings settings;
  HybridSettings hybrid;
  std::vector<std::string> ids;
  Frequency frequency = Frequency::none;
  size_t season = 1;                               // of scoring
  std::vector<std::vector<double>> train, actual;  // by series; what followed may be empty
  std::vector<std::vector<std::string>> times;     // of the forecasts
  std::vector<Prepared> prepared;                  // the training parts
  std::vector<Hybrid::Network> networks;           // of each seed
  std::vector<std::vector<double>> losses;         // [seed][epoch]
  Intervals intervals;                             // in units of a series' spread
  size_t left_out = 0;                             // series of the file that were not fit

  const char* model() const { return hybrid.shape.smooth ? "hybrid" : "lstm"; }
};

/// What a panel's networks are like, before the horizon is known.
HybridSettings panel_settings(const FitSettings& settings, Frequency frequency, size_t season);

/// All but the networks: cuts `test` values off every series.
PanelRun cut(const Panel& panel, const FitSettings& settings, size_t test);

/// What a series' errors are taken to be in proportion to after its first `known` values: how much
/// it changed of late, over four horizons, but not less than a tenth of its scale.
double spread(const Prepared& series, const SmoothingShape& shape, size_t known);

/// Half widths at each distance in units of a series' spread: quantiles of the errors of a network
/// that has not seen the ends of the training parts, from up to three origins in each. None where
/// there are fewer than 40 origins in all.
Intervals calibrate(const PanelRun& run, int64_t workers,
                    const std::function<void(int64_t, double)>& on_item);

const std::vector<std::string>& panel_files();
void save(const PanelRun& run, const std::filesystem::path& directory);
/// Whether a run is there and is one of a panel.
bool is_panel_run(const std::string& directory);
/// Throws UserError (no_input) where there is no run, FormatError where one is damaged.
PanelRun open_panel_run(const std::string& directory);

}  // namespace tapestry::airline
