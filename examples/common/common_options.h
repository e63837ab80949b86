#pragma once
// What every command that reports its work takes. Apart from options.h, so that who only passes
// settings on need not compile CLI11.

#include <string>

#include <tapestry/examples/common/progress.h>

namespace CLI {
class App;
}

namespace tapestry::app {

/// --color sets color_mode() itself.
struct CommonOptions {
  ProgressMode progress = ProgressMode::automatic;
  double log_every = 10;  ///< seconds between plain progress lines
  bool quiet = false;

  ProgressSettings progress_settings(std::string unit) const;
};
void add_common_options(CLI::App& command, CommonOptions& options);

}  // namespace tapestry::app
