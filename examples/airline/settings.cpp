#include <fmt/format.h>
#include <tapestry/examples/airline/settings.h>
#include <tapestry/examples/common/options.h>

#include <algorithm>

#include <tapestry/examples/airline/series/columns.h>
#include <tapestry/examples/common/exit_code.h>

namespace tapestry::airline {

using app::number, app::whole_number;

void add_input_options(app::Command& command, InputSettings& s) {
  const std::string group = "Input";
  command.add_option("FILE", s.file,
                     "CSV file with a header (- for standard input; default: the built-in series)");
  command.add_option("--time-column", s.read.time_column, "default: the first with dates")
      ->group(group);
  command.add_option("--value-column", s.read.value_column, "default: the first with numbers")
      ->group(group);
  std::vector<std::pair<std::string, std::optional<Frequency>>> frequencies = {
      {"auto", std::nullopt}};
  for (const Frequency f : airline::frequencies()) frequencies.emplace_back(option_name(f), f);
  app::add_choice<std::optional<Frequency>>(command, "--freq", s.read.frequency, frequencies,
                                            "how often there is a value (B: business days)")
      ->group(group);
  command
      .add_option("--season", s.read.season, "values in a season (1: none; 0: by the frequency)")
      ->check(whole_number(0, 100'000))
      ->group(group);
  app::add_choice<std::optional<Decimal>>(
      command, "--decimal", s.read.decimal,
      {{"auto", std::nullopt}, {"point", Decimal::point}, {"comma", Decimal::comma}},
      "what separates the fraction of a number")
      ->group(group);
  app::add_choice<std::optional<DateOrder>>(
      command, "--date-order", s.read.date_order,
      {{"auto", std::nullopt}, {"day", DateOrder::day_first}, {"month", DateOrder::month_first}},
      "what comes first in dates such as 03/04/1949")
      ->group(group);
  const std::string many = "Many series";
  command.add_option("--id-column", s.id_column, "column that names the series of each row")
      ->group(many);
  command.add_flag("--wide", s.wide, "a row is a series: its name, then its values (as in M4)")
      ->group(many);
  command.add_flag("--skip-bad", s.skip_bad, "leave out series that are not fit")->group(many);
  command.add_option("--season2", s.season2, "a longer season (0: 168 of hours, else none)")
      ->check(whole_number(0, 100'000))
      ->group(many);
  app::add_choice<Missing>(
      command, "--missing", s.read.missing,
      {{"error", Missing::error}, {"interpolate", Missing::interpolate}, {"drop", Missing::drop}},
      "what to do about missing values")
      ->group(group);
}

namespace {

void add_preprocessing_options(app::Command& command, LstmSettings& lstm) {
  PreprocessingSettings& s = lstm.preprocessing;
  const std::string group = "Preprocessing";
  command.add_flag("--log,!--no-log", s.log, "forecast logarithms: relative growth (default)")
      ->group(group);
  command.add_option("--difference", s.difference, "how often to take differences")
      ->check(whole_number(0, 2))
      ->group(group);
  command
      .add_flag("--seasonal-difference,!--no-seasonal-difference", s.seasonal_difference,
                "take off what the same period was in past seasons (default)")
      ->group(group);
  command
      .add_option("--season-memory", s.season_memory,
                  "weight of each season relative to the one after it; 0: only the last one counts")
      ->check(number(0, 1))
      ->group(group);
  app::add_choice<Scale>(
      command, "--scale", s.scale,
      {{"standard", Scale::standard}, {"minmax", Scale::minmax}, {"none", Scale::none}},
      "mean 0 and deviation 1, or 0 to 1, of the training part")
      ->group(group);
  command
      .add_flag("--month-features", lstm.month_features, "tell the network the time of the year")
      ->group(group);
}

}  // namespace

void add_training_options(app::Command& command, TrainingSettings& s) {
  add_preprocessing_options(command, s.lstm);
  const std::string model = "Model";
  app::add_choice<std::optional<Model>>(
      command, "--model", s.model,
      {{"lstm", Model::lstm}, {"hybrid", Model::hybrid}, {"combination", Model::combination}},
      "whose forecasts are given: the LSTM's (default), those of smoothing and an LSTM trained "
      "together (default of a panel), or the mean of LSTM, ARIMA and Holt-Winters")
      ->group(model);
  command.add_option("--lookback", s.lstm.lookback, "values the network sees at once")
      ->check(whole_number(1, 10'000))
      ->group(model);
  command.add_option("--hidden", s.lstm.hidden, "units of a layer")
      ->check(whole_number(1, 4096))
      ->group(model);
  command.add_option("--layers", s.lstm.layers, "layers of the LSTM")
      ->check(whole_number(1, 16))
      ->group(model);
  app::add_choice<bool>(command, "--strategy", s.direct, {{"recursive", false}, {"direct", true}},
                        "forecast one value after the other, or all at once")
      ->group(model);

  const std::string training = "Training";
  command.add_option("--epochs", s.lstm.epochs, "passes over the training part")
      ->check(whole_number(1, 1'000'000))
      ->group(training);
  command.add_option("--lr", s.lstm.lr, "learning rate at the start, of Adam")
      ->check(number(0, 1e9, app::Ends::open_low))
      ->group(training);
  command.add_option("--seed", s.lstm.seed, "of the first run; the next runs take the next ones")
      ->check(whole_number(0))
      ->group(training);
  command.add_option("--runs", s.runs, "networks trained; the forecast is their median")
      ->check(whole_number(1, 10'000))
      ->group(training);
  command.add_option("--workers", s.workers, "threads that train them (0: one per processor)")
      ->check(whole_number(0, 1024))
      ->group(training);
}

void add_output_options(app::Command& command, std::string& output, bool& overwrite) {
  const std::string group = "Output";
  command.add_option("-o,--output", output, "run directory (default: a new one below runs/)")
      ->group(group);
  command.add_flag("--overwrite", overwrite, "replace the run in the output directory")
      ->group(group);
}

std::string seeds_text(uint64_t first, size_t runs) {
  return runs == 1 ? fmt::format("seed {}", first)
                   : fmt::format("seeds {} to {}", first, first + runs - 1);
}

size_t held_out(const std::string& test, const Series& series) {
  const auto number = parse_number<uint64_t>(test);
  if (number && *number < series.size()) return *number;  // times may be plain numbers, too
  const auto label = std::find(series.time.begin(), series.time.end(), test);
  if (label != series.time.end()) return static_cast<size_t>(series.time.end() - label);
  if (number) return *number;
  throw app::UserError(app::ExitCode::usage,
                       fmt::format("--test: \"{}\" is neither a number of values nor a time of the "
                                   "series, {} to {}",
                                   test, series.time.front(), series.time.back()));
}

Series read_input(const InputSettings& s, bool positive) {
  ReadOptions options = s.read;
  options.positive = positive;
  return s.file.empty() ? airline_passengers() : read_series(s.file, options);
}

void require_enough(const Series& series, const LstmSettings& lstm, size_t test,
                    const char* options) {
  const size_t season = season_of(series), lost = Preprocessing::lost(season, lstm.preprocessing);
  std::string reason = fmt::format(
      "{} to take differences, {} to look back, {} to learn from", lost, lstm.lookback,
      LstmForecaster::minimum(season, lstm) - lost - static_cast<size_t>(lstm.lookback));
  if (test > 0) reason += fmt::format(", {} held out", test);
  require_length(series, LstmForecaster::minimum(season, lstm) + test, reason + ": see " + options);
}

}  // namespace tapestry::airline
