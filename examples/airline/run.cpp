#include <fmt/format.h>
#include <tapestry/examples/airline/config.h>
#include <tapestry/examples/airline/run.h>
#include <tapestry/examples/common/csv.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/nn/checkpoint.h>

#include <fstream>
#include <iterator>
#include <utility>

namespace tapestry::airline {
namespace {

namespace fs = std::filesystem;

std::string series_text(const Series& series) {
  std::string out = "time," + app::csv_field(series.name) + "\n";
  for (size_t t = 0; t < series.size(); ++t)
    out += fmt::format("{},{}\n", app::csv_field(series.time[t]), series.values[t]);
  return out;
}

Tensor row_of(const std::vector<double>& values) {
  return Tensor::from<double>({static_cast<int64_t>(values.size())}, values);
}

}  // namespace

const std::vector<std::string>& run_files() {
  static const std::vector<std::string> files = {
      "config.json",  "series.csv", "model.safetensors", "forecast.csv",
      "metrics.json", "plot.*",     "residuals.*",       "loss.*"};
  return files;
}

void save(const Run& run, const fs::path& directory) {
  NamedTensors tensors;
  for (size_t i = 0; i < run.ensemble.members().size(); ++i) {
    to_tensors(run.ensemble.members()[i].network(), tensors, fmt::format("run{}.", i));
    tensors.tensors[fmt::format("loss{}", i)] = row_of(run.losses[i]);
  }
  for (size_t i = 0; run.intervals.known() && i < Intervals::levels.size(); ++i)
    tensors.tensors[fmt::format("conformal{}", Intervals::levels[i])] =
        row_of(run.intervals.half_widths[i]);
  app::write_atomically(directory / "config.json",
                        config_text(run.settings, run.series, run.train_size));
  app::write_atomically(directory / "series.csv", series_text(run.series));
  write_safetensors(directory / "model.safetensors", tensors);
}

Run open_run(const std::string& directory) {
  const fs::path path(directory), config_path = path / "config.json";
  std::ifstream file(config_path);
  if (!file)
    throw app::UserError(app::ExitCode::no_input, directory + ": no run of airline fit is here",
                         "airline fit --output " + directory + " makes one");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  auto [s, train_size] = read_config(text, config_path.string());
  const std::string input_file = std::exchange(s.input.file, "");

  Series series = read_series(path / "series.csv", s.input.read);
  series.file = s.input.file = input_file;
  series.notes.clear();
  const size_t least = LstmForecaster::minimum(series.season, s.training.lstm);
  require<FormatError>(train_size <= series.size() && train_size >= least, config_path.string(),
                       ": input.training_values: ", train_size, ": expected ", least, " to ",
                       series.size());
  const NamedTensors tensors = read_safetensors(path / "model.safetensors");
  const auto numbers = [&](const std::string& name) {
    const auto found = tensors.tensors.find(name);
    return found == tensors.tensors.end() ? std::vector<double>{}
                                          : found->second.to_vector<double>();
  };
  std::vector<LstmForecaster> members;
  std::vector<std::vector<double>> losses;
  const auto train = std::span<const double>(series.values).first(train_size);
  for (size_t i = 0; i < s.training.runs; ++i) {
    Network network = LstmForecaster::initial_network(season_of(series), s.training.lstm);
    from_tensors(network, tensors, fmt::format("run{}.", i));
    members.emplace_back(train, season_of(series), s.training.lstm, std::move(network));
    losses.push_back(numbers(fmt::format("loss{}", i)));
  }
  Intervals intervals{s.training.lstm.preprocessing.log, {}};  // of older runs: none
  for (size_t i = 0; i < Intervals::levels.size(); ++i)
    intervals.half_widths[i] = numbers(fmt::format("conformal{}", Intervals::levels[i]));
  Ensemble ensemble(std::move(members));
  auto forecaster = fit_chosen(s.training, ensemble, train, series.season, s.horizon);
  return {std::move(s),         std::move(series), train_size,           std::move(ensemble),
          std::move(intervals), std::move(losses), std::move(forecaster)};
}

}  // namespace tapestry::airline
