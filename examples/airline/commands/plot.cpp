// airline plot: a run's pictures once more, and the forecast in characters on a terminal.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/pictures.h>
#include <tapestry/examples/common/options.h>

namespace tapestry::airline {

void add_options(app::Command& command, PlotSettings& s) {
  command.add_option("RUN", s.run, "directory that airline fit left")->required();
  command.footer("Example: airline plot runs/airline-20240611-120000");
}

app::ExitCode plot(const PlotSettings& s) {
  const Run run = open_run(s.run);
  draw(run, timeline(run, run.settings.horizon), s.run, false);
  for (const char* name : {"plot", "residuals", "loss"})
    for (const char* ending : {".svg", ".png", ".csv", ".gp"}) {
      const auto path = std::filesystem::path(s.run) / (std::string(name) + ending);
      if (std::filesystem::exists(path)) fmt::print("{}\n", path.string());
    }
  return app::ExitCode::ok;
}

}  // namespace tapestry::airline
