#pragma once
// config.json of a run: how its series was read and its networks were trained. It is checked on
// every read as the command line is, field by field.

#include <tapestry/examples/airline/settings.h>

namespace tapestry::airline {

std::string config_text(const FitSettings& settings, const Series& series, size_t train_size);

struct Config {
  FitSettings settings;  // input.file and input.read as far as the run's own series.csv needs them
  size_t train_size;
};
/// Throws FormatError "FILE: SECTION.KEY: ..." for text that is not JSON, a field that is missing,
/// of another type or out of its range.
Config read_config(const std::string& text, const std::string& file);

/// The same for the run of a panel.
struct PanelFacts {
  Frequency frequency;
  size_t season, test;  // of scoring; values held out of each series
  size_t left_out = 0;  // series
};
std::string panel_config_text(const FitSettings& settings, const PanelFacts& facts);
std::pair<FitSettings, PanelFacts> read_panel_config(const std::string& text,
                                                     const std::string& file);

}  // namespace tapestry::airline
