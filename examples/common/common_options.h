#pragma once
// What every command that reports its work takes.

#include <tapestry/examples/common/progress.h>

#include <string>

namespace tapestry::app {

class Command;

/// --color sets color_mode() itself.
struct CommonOptions {
  ProgressMode progress = ProgressMode::automatic;
  double log_every = 10;  ///< seconds between plain progress lines
  bool quiet = false;

  ProgressSettings progress_settings(std::string unit) const;
};
void add_common_options(Command& command, CommonOptions& options);

}  // namespace tapestry::app
