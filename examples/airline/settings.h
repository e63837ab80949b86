#pragma once
// What airline takes from its command line, and the defaults.

#include <tapestry/examples/airline/lstm.h>
#include <tapestry/examples/airline/series.h>
#include <tapestry/examples/common/common_options.h>

#include <string>

namespace tapestry::airline {

struct ForecastSettings {
  std::string file;  // empty: the built-in series
  ReadOptions input;
  LstmSettings lstm;
  size_t test = 24;  // values held out at the end

  std::string output;
  bool overwrite = false, json = false;
  app::CommonOptions common;
};

/// Registers the options, whose defaults are those of `settings`.
void add_options(CLI::App& command, ForecastSettings& settings);

}  // namespace tapestry::airline
