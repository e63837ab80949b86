#pragma once
// A run: the directory that a fit leaves behind and the other commands read.
//   config.json         how the series was read and the networks were trained
//   series.csv          the series, after repairs
//   model.safetensors   the networks of all seeds, their training losses, the intervals
//   forecast.csv        time,split,actual,forecast,lo80,hi80,lo95,hi95
//   metrics.json        what --json prints
//   plot.*, residuals.*, loss.*    pictures (svg, png) with their numbers (csv) and script (gp)

#include <tapestry/examples/airline/chosen.h>
#include <tapestry/examples/airline/scores/evaluation.h>
#include <tapestry/examples/airline/scores/intervals.h>
#include <tapestry/examples/airline/settings.h>

#include <filesystem>

namespace tapestry::airline {

struct Run {
  FitSettings settings;
  Series series;
  size_t train_size;
  Ensemble ensemble;
  Intervals intervals;
  std::vector<std::vector<double>> losses;  // [seed][epoch]
  std::shared_ptr<Forecaster> forecaster;   // the method of --model, fitted on the training part

  Split split() const { return {series.values, train_size, season_of(series)}; }
};

/// The patterns of the files a run owns.
const std::vector<std::string>& run_files();

/// Writes config.json, series.csv and model.safetensors.
void save(const Run& run, const std::filesystem::path& directory);
/// Throws UserError (no_input) where there is no run, FormatError where one is damaged.
Run open_run(const std::string& directory);

}  // namespace tapestry::airline
