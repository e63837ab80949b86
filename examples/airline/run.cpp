#include <fmt/format.h>
#include <tapestry/examples/airline/run.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/nn/checkpoint.h>

#include <fstream>
#include <sstream>

namespace tapestry::airline {
namespace {

using app::Json;
namespace fs = std::filesystem;

/// Every setting that a run keeps, with its section and name.
template <class Settings, class F>
void for_each_setting(Settings& s, F&& f) {
  auto& lstm = s.training.lstm;
  auto& preprocessing = lstm.preprocessing;
  f("preprocessing", "log", preprocessing.log);
  f("preprocessing", "difference", preprocessing.difference);
  f("preprocessing", "seasonal_difference", preprocessing.seasonal_difference);
  f("preprocessing", "season_memory", preprocessing.season_memory);
  f("preprocessing", "scale", preprocessing.scale);
  f("preprocessing", "month_features", lstm.month_features);
  f("model", "lookback", lstm.lookback);
  f("model", "hidden", lstm.hidden);
  f("model", "layers", lstm.layers);
  f("model", "direct", lstm.direct);
  f("training", "epochs", lstm.epochs);
  f("training", "batch", lstm.batch);
  f("training", "lr", lstm.lr);
  f("training", "seed", lstm.seed);
  f("training", "runs", s.training.runs);
  f("forecast", "horizon", s.horizon);
}

std::string config_text(const Run& run) {
  Json config;
  config["input"]["file"] = run.series.file;
  config["input"]["column"] = run.series.name;
  config["input"]["frequency"] = name(run.series.frequency);
  config["input"]["missing"] = static_cast<int>(run.settings.input.read.missing);
  config["input"]["training_values"] = run.train_size;
  for_each_setting(run.settings, [&](const char* section, const char* key, const auto& value) {
    if constexpr (std::is_enum_v<std::remove_cvref_t<decltype(value)>>)
      config[section][key] = static_cast<int>(value);
    else
      config[section][key] = value;
  });
  return config.dump(2) + "\n";
}

std::string series_text(const Series& series) {
  std::string name;
  for (const char c : series.name) name += c == '"' ? std::string("\"\"") : std::string(1, c);
  std::string out = fmt::format("time,\"{}\"\n", name);
  for (size_t t = 0; t < series.size(); ++t)
    out += fmt::format("{},{}\n", series.time[t], series.values[t]);
  return out;
}

Tensor row_of(const std::vector<double>& values) {
  return Tensor::from<double>({static_cast<int64_t>(values.size())}, values);
}

Frequency frequency_named(const std::string& wanted) {
  for (const Frequency f : {Frequency::none, Frequency::hourly, Frequency::daily, Frequency::weekly,
                            Frequency::monthly, Frequency::quarterly})
    if (name(f) == wanted) return f;
  fail<FormatError>("'", wanted, "' is no frequency");
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
    tensors.tensors[fmt::format("interval{}", Intervals::levels[i])] =
        row_of(run.intervals.half_widths[i]);
  app::write_atomically(directory / "config.json", config_text(run));
  app::write_atomically(directory / "series.csv", series_text(run.series));
  write_safetensors(directory / "model.safetensors", tensors);
}

Run open_run(const std::string& directory) {
  const fs::path path(directory), config_path = path / "config.json";
  std::ifstream file(config_path);
  if (!file)
    throw app::UserError(app::ExitCode::no_input, directory + ": no run of airline fit is here",
                         "airline fit --output " + directory + " makes one");
  FitSettings s;
  size_t train_size = 0;
  try {
    std::ostringstream text;
    text << file.rdbuf();
    const Json config = Json::parse(text.str());
    const Json& input = config.at("input");
    s.input.read.missing = static_cast<Missing>(input.at("missing").get<int>());
    s.input.read.frequency = frequency_named(input.at("frequency").get<std::string>());
    input.at("file").get_to(s.input.file);
    input.at("training_values").get_to(train_size);
    for_each_setting(s, [&](const char* section, const char* key, auto& value) {
      using T = std::remove_cvref_t<decltype(value)>;
      const Json& from = config.at(section).at(key);
      if constexpr (std::is_enum_v<T>)
        value = static_cast<T>(from.get<int>());
      else
        from.get_to(value);
    });
  } catch (const app::JsonError& error) {
    fail<FormatError>(config_path.string(), ": not the settings of a run: ", error.what());
  }

  Series series = read_series(path / "series.csv", s.input.read);
  series.file = s.input.file;
  series.notes.clear();
  require<FormatError>(train_size <= series.size(), config_path.string(), ": ", train_size,
                       " training values of ", series.size());
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
  Intervals intervals{s.training.lstm.preprocessing.log, {}};
  for (size_t i = 0; i < Intervals::levels.size(); ++i)
    intervals.half_widths[i] = numbers(fmt::format("interval{}", Intervals::levels[i]));
  return {std::move(s),         std::move(series), train_size, Ensemble(std::move(members)),
          std::move(intervals), std::move(losses)};
}

}  // namespace tapestry::airline
