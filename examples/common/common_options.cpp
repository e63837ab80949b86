#include <tapestry/examples/common/common_options.h>

#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/terminal.h>

namespace tapestry::app {

void add_common_options(Command& command, CommonOptions& options) {
  const std::string group = "Messages";
  add_choice<ProgressMode>(command, "--progress", options.progress,
                           {{"auto", ProgressMode::automatic},
                            {"bar", ProgressMode::bar},
                            {"plain", ProgressMode::plain},
                            {"none", ProgressMode::none}},
                           "how to show progress on stderr; auto: a bar on a terminal")
      ->group(group);
  command.add_option("--log-every", options.log_every, "seconds between plain progress lines")
      ->check(number(0, std::numeric_limits<double>::infinity(), Ends::open_low))
      ->group(group);
  add_choice<ColorMode>(
      command, "--color", color_mode(),
      {{"auto", ColorMode::automatic}, {"always", ColorMode::always}, {"never", ColorMode::never}},
      "colours; auto: on a terminal, unless NO_COLOR is set")
      ->group(group);
  command.add_flag("-q,--quiet", options.quiet, "no progress and no log lines, only results")
      ->group(group);
}

ProgressSettings CommonOptions::progress_settings(std::string unit) const {
  ProgressSettings settings;
  settings.mode = progress;
  settings.log_every = log_every;
  settings.quiet = quiet;
  settings.unit = std::move(unit);
  return settings;
}

}  // namespace tapestry::app
