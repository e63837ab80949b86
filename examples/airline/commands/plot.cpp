// airline plot: a run's pictures once more, and the forecast in characters on a terminal.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/panel/panel_run.h>
#include <tapestry/examples/airline/pictures.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/plot.h>

namespace tapestry::airline {

void add_options(app::Command& command, PlotSettings& s) {
  command.add_option("RUN", s.run, "directory that airline fit left")->required();
  command.footer("Example: airline plot runs/airline-20240611-120000");
}

app::ExitCode plot(const PlotSettings& s) {
  if (is_panel_run(s.run)) return plot_panel(s.run);
  const Run run = open_run(s.run);
  draw(run, timeline(run, run.settings.horizon), s.run, false);
  for (const char* name : {"plot", "residuals", "loss"})
    app::print_files(std::filesystem::path(s.run) / name);
  return app::ExitCode::ok;
}

}  // namespace tapestry::airline
