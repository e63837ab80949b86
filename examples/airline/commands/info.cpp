// airline info: what a run is.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/panel/panel_run.h>
#include <tapestry/examples/airline/series/words.h>
#include <tapestry/examples/common/options.h>

#include <sstream>

namespace tapestry::airline {
namespace {

std::string describe(const LstmSettings& s) {
  const PreprocessingSettings& p = s.preprocessing;
  std::string out = p.log ? "log, " : "";
  if (p.difference > 0)
    out += fmt::format("{} difference{}, ", p.difference, p.difference > 1 ? "s" : "");
  if (p.seasonal_difference)
    out += fmt::format("seasonal difference (memory {:g}), ", p.season_memory);
  const char* scales[] = {"no", "standard", "min-max"};
  out += fmt::format("{} scaling", scales[static_cast<int>(p.scale)]);
  return s.month_features ? out + ", month features" : out;
}

}  // namespace

void add_options(app::Command& command, InfoSettings& s) {
  command.add_option("RUN", s.run, "directory that airline fit left")->required();
  command.footer("Example: airline info runs/airline-20240611-120000");
}

app::ExitCode info(const InfoSettings& settings) {
  if (is_panel_run(settings.run)) return info_panel(settings.run);
  const Run run = open_run(settings.run);
  const LstmSettings& lstm = run.settings.training.lstm;
  const Series& series = run.series;
  fmt::print("run            {}\n", settings.run);
  fmt::print("series         {}, {}: {}, {} to {}\n", series.file, series.name,
             counted(series.size(), period_name(series.frequency)), series.time.front(),
             series.time.back());
  fmt::print("held out       {} from {} on\n", series.size() - run.train_size,
             run.train_size < series.size() ? series.time[run.train_size] : "the end");
  fmt::print("preprocessing  {}\n", describe(lstm));
  fmt::print("model          lstm {} x {}, looking back at {} values, {}\n", lstm.layers,
             lstm.hidden, lstm.lookback,
             lstm.direct ? fmt::format("predicting {} at once", lstm.direct) : "recursive");
  fmt::print("training       {}, {}, {}, adam lr {:g}, batches of {}\n",
             counted(run.settings.training.runs, "run"),
             seeds_text(lstm.seed, run.settings.training.runs),
             counted(static_cast<size_t>(lstm.epochs), "epoch"), lstm.lr, lstm.batch);
  std::vector<double> last;
  for (const auto& losses : run.losses)
    if (!losses.empty()) last.push_back(losses.back());
  fmt::print("loss           {:.4f} at the end, median of the runs\n", median(last));
  fmt::print("intervals      {}\n\n", run.intervals.known() ? Intervals::method : "none");
  std::ostringstream parameters;
  summary(parameters, run.ensemble.members().front().network());
  fmt::print("{}", parameters.str());
  return app::ExitCode::ok;
}

}  // namespace tapestry::airline
