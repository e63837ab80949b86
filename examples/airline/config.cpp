#include <tapestry/examples/airline/config.h>
#include <tapestry/examples/common/run_config.h>

namespace tapestry::airline {
namespace {

using app::number, app::whole_number;

const app::EnumNames<Missing> kMissing{
    {"error", Missing::error}, {"interpolate", Missing::interpolate}, {"drop", Missing::drop}};
const app::EnumNames<Scale> kScales{
    {"none", Scale::none}, {"standard", Scale::standard}, {"minmax", Scale::minmax}};
const app::EnumNames<Model> kModels{
    {"lstm", Model::lstm}, {"hybrid", Model::hybrid}, {"combination", Model::combination}};

app::EnumNames<Frequency> frequency_names() {
  app::EnumNames<Frequency> names;
  for (const Frequency f : frequencies()) names.emplace_back(name(f), f);
  return names;
}

/// Every setting that a run keeps.
template <class Settings, class F>
void for_each_setting(Settings& s, F&& f) {
  auto& lstm = s.training.lstm;
  auto& preprocessing = lstm.preprocessing;
  f("input", "missing", s.input.read.missing, kMissing);
  f("preprocessing", "log", preprocessing.log);
  f("preprocessing", "difference", preprocessing.difference, whole_number(0, 2));
  f("preprocessing", "seasonal_difference", preprocessing.seasonal_difference);
  f("preprocessing", "season_memory", preprocessing.season_memory, number(0, 1));
  f("preprocessing", "scale", preprocessing.scale, kScales);
  f("preprocessing", "month_features", lstm.month_features);
  f("model", "lookback", lstm.lookback, whole_number(1, 10'000));
  f("model", "hidden", lstm.hidden, whole_number(1, 4096));
  f("model", "layers", lstm.layers, whole_number(1, 16));
  f("model", "direct", lstm.direct, whole_number(0, 100'000));
  f("training", "epochs", lstm.epochs, whole_number(1, 1'000'000));
  f("training", "batch", lstm.batch, whole_number(1, 1'000'000));
  f("training", "lr", lstm.lr, number(0, 1e9, app::Ends::open_low));
  f("training", "seed", lstm.seed, whole_number(0));
  f("training", "runs", s.training.runs, whole_number(1, 10'000));
  f("forecast", "horizon", s.horizon, whole_number(1, 100'000));
}

/// What the run of a panel keeps.
template <class Settings, class F>
void for_each_panel_setting(Settings& s, F&& f) {
  f("input", "season1", s.input.read.season, whole_number(1, 100'000));
  f("input", "season2", s.input.season2, whole_number(0, 100'000));
  f("preprocessing", "log", s.training.lstm.preprocessing.log);
  f("training", "seed", s.training.lstm.seed, whole_number(0));
  f("training", "runs", s.training.runs, whole_number(1, 10'000));
  f("forecast", "horizon", s.horizon, whole_number(1, 100'000));
}

/// Older runs do not name it.
void read_kind(const app::ConfigReader& read, FitSettings& s) {
  if (!read.has("model", "kind")) return;
  Model kind{};
  read("model", "kind", kind, kModels);
  s.training.model = kind;
}

}  // namespace

std::string config_text(const FitSettings& settings, const Series& series, size_t train_size) {
  app::ConfigWriter write;
  write("input", "file", series.file);
  write("input", "column", series.name);
  write("input", "frequency", series.frequency, frequency_names());
  write("input", "season", series.season);
  write("input", "training_values", train_size);
  write("model", "kind", settings.training.model.value_or(Model::lstm), kModels);
  for_each_setting(settings, write);
  return write.text();
}

std::string panel_config_text(const FitSettings& settings, const PanelFacts& facts) {
  app::ConfigWriter write;
  write("input", "file", settings.input.file);
  write("input", "frequency", facts.frequency, frequency_names());
  write("input", "season", facts.season);
  write("input", "held_out", facts.test);
  write("input", "left_out", facts.left_out);
  write("input", "id_column", settings.input.id_column);
  write("input", "time_column", settings.input.read.time_column);
  write("input", "value_column", settings.input.read.value_column);
  write("model", "kind", settings.training.model.value_or(Model::hybrid), kModels);
  for_each_panel_setting(settings, write);
  return write.text();
}

std::pair<FitSettings, PanelFacts> read_panel_config(const std::string& text,
                                                     const std::string& file) {
  std::pair<FitSettings, PanelFacts> out{};
  const app::ConfigReader read(text, file);
  read("input", "file", out.first.input.file);
  read("input", "frequency", out.second.frequency, frequency_names());
  read("input", "season", out.second.season, whole_number(1, 100'000));
  read("input", "held_out", out.second.test, whole_number(0, 100'000));
  if (read.has("input", "left_out")) {  // not in older runs
    read("input", "left_out", out.second.left_out, whole_number(0));
    read("input", "id_column", out.first.input.id_column);
    read("input", "time_column", out.first.input.read.time_column);
    read("input", "value_column", out.first.input.read.value_column);
  }
  read_kind(read, out.first);
  for_each_panel_setting(out.first, read);
  return out;
}

Config read_config(const std::string& text, const std::string& file) {
  Config config{};
  FitSettings& s = config.settings;
  const app::ConfigReader read(text, file);
  read("input", "file", s.input.file);
  Frequency frequency{};
  read("input", "frequency", frequency, frequency_names());
  s.input.read.frequency = frequency;
  s.input.read.season = season_length(frequency);  // of runs that do not name it
  if (read.has("input", "season"))
    read("input", "season", s.input.read.season, whole_number(1, 100'000));
  read_kind(read, s);
  read("input", "training_values", config.train_size, whole_number(3));
  for_each_setting(s, read);
  return config;
}

}  // namespace tapestry::airline
