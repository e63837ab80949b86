// airline plot: a run's pictures once more, and the forecast in characters on a terminal.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/panel/panel_run.h>
#include <tapestry/examples/airline/pictures.h>
#include <tapestry/examples/common/options.h>

namespace tapestry::airline {

void add_options(app::Command& command, PlotSettings& s) {
  command.add_option("RUN", s.run, "directory that airline fit left")->required();
  command.footer("Example: airline plot runs/airline-20240611-120000");
}

void print_files(const std::string& directory, const std::vector<const char*>& names) {
  for (const char* name : names)
    for (const char* ending : {".svg", ".png", ".csv", ".gp"}) {
      const auto path = std::filesystem::path(directory) / (std::string(name) + ending);
      if (std::filesystem::exists(path)) fmt::print("{}\n", path.string());
    }
}

app::ExitCode plot(const PlotSettings& s) {
  if (is_panel_run(s.run)) return plot_panel(s.run);
  const Run run = open_run(s.run);
  draw(run, timeline(run, run.settings.horizon), s.run, false);
  print_files(s.run, {"plot", "residuals", "loss"});
  return app::ExitCode::ok;
}

}  // namespace tapestry::airline
