#include <fmt/format.h>
#include <tapestry/examples/airline/config.h>
#include <tapestry/examples/common/checks.h>
#include <tapestry/examples/common/json.h>

#include <type_traits>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

using app::Check, app::Json, app::number, app::whole_number;

/// The names of an enum's values, in the order of their numbers.
template <class Enum>
std::vector<std::string> names_of() {
  if constexpr (std::is_same_v<Enum, Missing>)
    return {"error", "interpolate", "drop"};
  else if constexpr (std::is_same_v<Enum, Scale>)
    return {"none", "standard", "minmax"};
  else if constexpr (std::is_same_v<Enum, Model>)
    return {"lstm", "hybrid", "combination"};
  else {
    std::vector<std::string> names;
    for (const Frequency f : frequencies()) names.emplace_back(name(f));
    return names;
  }
}

/// Every setting that a run keeps, with its section, its name and what it may be.
template <class Settings, class F>
void for_each_setting(Settings& s, F&& f) {
  auto& lstm = s.training.lstm;
  auto& preprocessing = lstm.preprocessing;
  f("input", "missing", s.input.read.missing);
  f("preprocessing", "log", preprocessing.log);
  f("preprocessing", "difference", preprocessing.difference, whole_number(0, 2));
  f("preprocessing", "seasonal_difference", preprocessing.seasonal_difference);
  f("preprocessing", "season_memory", preprocessing.season_memory, number(0, 1));
  f("preprocessing", "scale", preprocessing.scale);
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

class Reader {
 public:
  Reader(const Json& config, const std::string& file) : config_(config), file_(file) {}

  template <class T>
  void operator()(const char* section, const char* key, T& value, const Check& check = {}) const {
    const Json* group = config_.find(section);
    const Json* found = group && group->is_object() ? group->find(key) : nullptr;
    const std::string place = fmt::format("{}: {}.{}: ", file_, section, key);
    require<FormatError>(found != nullptr, place, "is missing");
    if constexpr (std::is_enum_v<T>) {
      value = named<T>(*found, place);
    } else {
      get(*found, value, place);
      if constexpr (std::is_arithmetic_v<T>) {
        const std::string problem = check.problem ? check.problem(fmt::format("{}", value)) : "";
        require<FormatError>(problem.empty(), place, value, ": ", problem);
      }
    }
  }

 private:
  template <class T>
  static void get(const Json& from, T& value, const std::string& place) {
    try {
      from.get_to(value);
    } catch (const app::JsonError& error) {
      fail<FormatError>(place, error.what());
    }
  }

  template <class Enum>
  static Enum named(const Json& from, const std::string& place) {
    const std::vector<std::string> names = names_of<Enum>();
    size_t number = names.size();
    if (from.is_number()) {  // as older versions wrote it
      get(from, number, place);
    } else {
      std::string name;
      get(from, name, place);
      for (size_t i = names.size(); i-- > 0;)
        if (names[i] == name) number = i;
    }
    require<FormatError>(number < names.size(), place, "expected one of ",
                         fmt::format("{}", fmt::join(names, ", ")));
    return static_cast<Enum>(number);
  }

  const Json& config_;
  const std::string& file_;
};

Json parsed(const std::string& text, const std::string& file) {
  try {
    return Json::parse(text);
  } catch (const app::JsonError& error) {
    fail<FormatError>(file, ": not the settings of a run: ", error.what());
  }
}

std::string kind_of(const FitSettings& s, Model otherwise) {
  return names_of<Model>()[static_cast<size_t>(s.training.model.value_or(otherwise))];
}

/// Older runs do not name it.
void read_kind(const Json& json, const Reader& read, FitSettings& s) {
  const Json* model = json.find("model");
  if (!model || !model->is_object() || !model->find("kind")) return;
  Model kind{};
  read("model", "kind", kind);
  s.training.model = kind;
}

}  // namespace

std::string config_text(const FitSettings& settings, const Series& series, size_t train_size) {
  Json config;
  config["input"]["file"] = series.file;
  config["input"]["column"] = series.name;
  config["input"]["frequency"] = name(series.frequency);
  config["input"]["season"] = series.season;
  config["input"]["training_values"] = train_size;
  config["model"]["kind"] = kind_of(settings, Model::lstm);
  for_each_setting(settings,
                   [&](const char* section, const char* key, const auto& value, const Check& = {}) {
                     using T = std::remove_cvref_t<decltype(value)>;
                     if constexpr (std::is_enum_v<T>)
                       config[section][key] = names_of<T>()[static_cast<size_t>(value)];
                     else
                       config[section][key] = value;
                   });
  return config.dump(2) + "\n";
}

std::string panel_config_text(const FitSettings& settings, const PanelFacts& facts) {
  Json config;
  config["input"]["file"] = settings.input.file;
  config["input"]["frequency"] = name(facts.frequency);
  config["input"]["season"] = facts.season;
  config["input"]["held_out"] = facts.test;
  config["input"]["left_out"] = facts.left_out;
  config["input"]["id_column"] = settings.input.id_column;
  config["input"]["time_column"] = settings.input.read.time_column;
  config["input"]["value_column"] = settings.input.read.value_column;
  config["model"]["kind"] = kind_of(settings, Model::hybrid);
  for_each_panel_setting(settings, [&](const char* section, const char* key, const auto& value,
                                       const Check& = {}) { config[section][key] = value; });
  return config.dump(2) + "\n";
}

std::pair<FitSettings, PanelFacts> read_panel_config(const std::string& text,
                                                     const std::string& file) {
  const Json json = parsed(text, file);
  std::pair<FitSettings, PanelFacts> out{};
  const Reader read(json, file);
  read("input", "file", out.first.input.file);
  read("input", "frequency", out.second.frequency);
  read("input", "season", out.second.season, whole_number(1, 100'000));
  read("input", "held_out", out.second.test, whole_number(0, 100'000));
  if (const Json* input = json.find("input"); input->find("left_out")) {  // not in older runs
    read("input", "left_out", out.second.left_out, whole_number(0));
    read("input", "id_column", out.first.input.id_column);
    read("input", "time_column", out.first.input.read.time_column);
    read("input", "value_column", out.first.input.read.value_column);
  }
  read_kind(json, read, out.first);
  for_each_panel_setting(out.first, read);
  return out;
}

Config read_config(const std::string& text, const std::string& file) {
  const Json json = parsed(text, file);
  Config config{};
  FitSettings& s = config.settings;
  const Reader read(json, file);
  read("input", "file", s.input.file);
  Frequency frequency{};
  read("input", "frequency", frequency);
  s.input.read.frequency = frequency;
  s.input.read.season = season_length(frequency);  // of runs that do not name it
  if (const Json* input = json.find("input"); input->find("season"))
    read("input", "season", s.input.read.season, whole_number(1, 100'000));
  read_kind(json, read, s);
  read("input", "training_values", config.train_size, whole_number(3));
  for_each_setting(s, read);
  return config;
}

}  // namespace tapestry::airline
