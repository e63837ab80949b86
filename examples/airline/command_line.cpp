// The command line of airline: its commands; without one, fit and forecast.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/version.h>

#include <algorithm>

namespace tapestry::airline {
namespace {

/// Options before a command would be those of no command at all, and silently lost.
void require_command_first(const app::Command& app, const std::string& command) {
  const std::string given = app.first_given();
  if (!given.empty())
    throw app::UserError(app::ExitCode::usage,
                         fmt::format("{}: stands before the command {}", given, command),
                         fmt::format("airline {} [OPTION]... [FILE]", command));
}

app::ExitCode fit_and_forecast(FitSettings s, bool json) {
  if (s.input.is_panel()) return fit_panel(s, json);
  const Run run = fit_run(s);
  return forecast(run, {.run = s.output, .json = json, .quiet = s.common.quiet});
}

}  // namespace

app::ExitCode command_line(const std::vector<const char*>& words) {
  const auto app = app::make_app("airline",
                                 "Forecasts a series with LSTMs trained on its past, beside the "
                                 "classical forecasts they have to beat.",
                                 app::version("airline"));
  FitSettings both;
  bool json = false;
  add_options(*app, both);
  app->add_flag("--json", json, "print the measures of error as one JSON object")->group("Output");
  app->footer(
      "Without a command: fit, then forecast.\nExample: airline sales.csv --value-column units");

  std::vector<std::pair<app::Command*, std::function<app::ExitCode()>>> commands;
  const auto add = [&](const char* name, const char* text, auto& settings, auto command) {
    app::Command* options = app->add_subcommand(name, text);
    add_options(*options, settings);
    commands.emplace_back(options, [&settings, command] { return command(settings); });
  };
  FitSettings fit_settings;
  ForecastSettings forecast_settings;
  BacktestSettings backtest_settings;
  CompareSettings compare_settings;
  PlotSettings plot_settings;
  InfoSettings info_settings;
  add("fit", "train on all but the last values of a series", fit_settings, fit);
  add("forecast", "what a run expects, and how far it was off", forecast_settings,
      [](const ForecastSettings& s) { return forecast(s); });
  add("backtest", "fits and forecasts at many origins in turn", backtest_settings, backtest);
  add("compare", "one LSTM trained in several ways, and how fast they are", compare_settings,
      compare);
  add("plot", "the pictures of a run", plot_settings, plot);
  add("info", "what a run is", info_settings, info);

  if (!app::parse(*app, static_cast<int>(words.size()), words.data())) return app::ExitCode::ok;
  for (const auto& [options, command] : commands)
    if (options->parsed()) {
      require_command_first(*app, options->name());
      return command();
    }
  return fit_and_forecast(both, json);
}

}  // namespace tapestry::airline
