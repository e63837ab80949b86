#include <tapestry/examples/lm/run.h>

#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/training/checkpoint.h>

#include <tapestry/nn/checkpoint.h>

#include <algorithm>
#include <tuple>

namespace tapestry::lm {
namespace {

using app::Json;
namespace fs = std::filesystem;

// The names of enumerations in config.json are those of the command line.
constexpr std::pair<const char*, BpttMode> kModes[] = {
    {"exact", BpttMode::exact}, {"chunk", BpttMode::chunk}, {"full", BpttMode::full}};
constexpr std::pair<const char*, DType> kTypes[] = {{"float", f32}, {"double", f64}};

template <class Names, class Enum>
const char* name_of(const Names& names, Enum value) {
  for (const auto& [name, named] : names)
    if (named == value) return name;
  return "";
}

template <class Names, class Enum>
void read_name(const Names& names, const Json& from, Enum& value) {
  const auto wanted = from.get<std::string>();
  for (const auto& [name, named] : names)
    if (name == wanted) {
      value = named;
      return;
    }
  fail<FormatError>("'", wanted, "' is unknown");
}

/// Every setting that a run keeps, with its section and name.
template <class Settings, class F>
void for_each_setting(Settings& s, F&& f) {
  f("input", "files", s.input.files);
  f("input", "valid", s.input.valid);
  f("input", "corpus", s.input.corpus);
  f("input", "size", s.input.size);
  f("input", "format", s.input.text.format);
  f("input", "column", s.input.text.column);
  f("input", "header", s.input.text.header);
  f("input", "quote", s.input.text.quote);
  f("input", "on_bad_utf8", s.input.text.on_bad_utf8);
  f("input", "tokenizer", s.input.text.tokenizer);
  f("input", "lower", s.input.text.lower);
  f("input", "normalize", s.input.text.normalize);
  f("input", "split_sentences", s.input.text.split_sentences);
  f("input", "max_sentences", s.input.text.max_sentences);
  f("input", "valid_split", s.input.valid_split);
  f("input", "vocab_size", s.input.vocab_size);
  f("input", "min_count", s.input.min_count);
  f("input", "stream", s.input.stream);
  f("input", "vocab", s.input.vocab);
  f("model", "cell", s.model.cell);
  f("model", "vocabulary", s.model.vocabulary);
  f("model", "hidden", s.model.hidden);
  f("model", "layers", s.model.layers);
  f("model", "embed", s.model.embed);
  f("model", "bias", s.model.bias);
  f("model", "tied", s.model.tied);
  f("model", "dropout", s.dropout);
  f("model", "dtype", s.dtype);
  f("training", "preset", s.preset);
  f("training", "bptt", s.bptt.steps);
  f("training", "bptt_mode", s.bptt.mode);
  f("training", "batch", s.batch);
  f("training", "shuffle", s.shuffle);
  f("training", "optimizer", s.optimizer);
  f("training", "lr", s.lr);
  f("training", "momentum", s.momentum);
  f("training", "weight_decay", s.weight_decay);
  f("training", "clip_norm", s.clip_norm);
  f("training", "schedule", s.schedule);
  f("training", "warmup", s.warmup);
  f("training", "epochs", s.epochs);
  f("training", "stream", s.stream);
  f("training", "max_steps", s.max_steps);
  f("training", "max_tokens", s.max_tokens);
  f("training", "max_time", s.max_time);
  f("training", "patience", s.patience);
  f("training", "seed", s.seed);
  f("parallel", "workers", s.parallel.workers);
  f("parallel", "update", s.parallel.update);
  f("parallel", "staleness", s.parallel.staleness);
  f("parallel", "shards", s.parallel.shards);
  f("parallel", "simulate", s.parallel.simulate);
  f("parallel", "max_item_tokens", s.parallel.max_item_tokens);
  f("parallel", "damp_stale", s.parallel.damp_stale);
  f("parallel", "threads", s.parallel.threads);
  f("output", "save_every", s.save_every);
  f("output", "keep", s.keep);
  f("output", "sample_every", s.sample_every);
}

}  // namespace

const std::vector<std::string>& run_files() {
  static const std::vector<std::string> files = {"config.json",
                                                 "run.json",
                                                 "vocab.txt",
                                                 "ckpt-*.safetensors",
                                                 "last",
                                                 "best",
                                                 "metrics.csv",
                                                 "metrics.jsonl",
                                                 "learning_curve.*",
                                                 "learning_curve_time.*",
                                                 "credit_horizon.*",
                                                 "staleness.*",
                                                 "results.json",
                                                 "server.json"};
  return files;
}

std::string config_text(const TrainSettings& settings) {
  Json config;
  for_each_setting(settings, [&](const char* section, const char* key, const auto& value) {
    using T = std::remove_cvref_t<decltype(value)>;
    Json& out = config[section][key];
    if constexpr (std::is_same_v<T, BpttMode>)
      out = name_of(kModes, value);
    else if constexpr (std::is_same_v<T, DType>)
      out = name_of(kTypes, value);
    else if constexpr (std::is_same_v<T, UpdatePolicy>)
      out = policy_name(value);
    else
      out = value;
  });
  return config.dump(2) + "\n";
}

TrainSettings parse_config(std::string_view text, const std::string& path) {
  TrainSettings settings;
  const char *in = "", *name = "";
  try {
    const Json config = Json::parse(text);
    for_each_setting(settings, [&](const char* section, const char* key, auto& value) {
      using T = std::remove_cvref_t<decltype(value)>;
      in = section, name = key;
      const Json* part = config.find(section);
      const Json* found = part ? part->find(key) : nullptr;
      if (!found) throw app::JsonError("is missing");
      const Json& from = *found;
      if constexpr (std::is_same_v<T, BpttMode>)
        read_name(kModes, from, value);
      else if constexpr (std::is_same_v<T, DType>)
        read_name(kTypes, from, value);
      else if constexpr (std::is_same_v<T, UpdatePolicy>)
        read_name(update_policies(), from, value);
      else
        from.get_to(value);
    });
  } catch (const app::JsonError& e) {
    const std::string place = *name ? fmt::format("{}.{} ", in, name) : "";
    fail<FormatError>(path, ": not the configuration of a run: ", place, e.what());
  } catch (const FormatError& e) {  // a name
    fail<FormatError>(path, ": not the configuration of a run: ", in, ".", name, ": ", e.what());
  }
  const auto check = [&](bool good, const char* key, const auto& value) {
    require<FormatError>(good, path, ": not the configuration of a run: model.", key, " is ",
                         value);
  };
  const ModelShape& m = settings.model;
  try {
    lm::check(settings.input.text);
  } catch (const FormatError& e) {
    fail<FormatError>(path, ": not the configuration of a run: ", e.what());
  }
  check(m.cell == "rnn" || m.cell == "lstm" || m.cell == "gru", "cell", m.cell);
  check(m.hidden >= 1 && m.hidden <= 65536, "hidden", m.hidden);
  check(m.layers >= 1 && m.layers <= 64, "layers", m.layers);
  check(m.embed >= 0 && m.embed <= 65536, "embed", m.embed);
  return settings;
}

std::vector<std::string> changed_settings(const TrainSettings& before, const TrainSettings& now) {
  // How long, how fast and where from may change; what was learnt so far must still hold.
  constexpr const char* kFree[] = {"input.files",       "input.valid",        "model.vocabulary",
                                   "training.epochs",   "training.max_steps", "training.max_tokens",
                                   "training.max_time", "training.patience"};
  const Json was = Json::parse(config_text(before)), is = Json::parse(config_text(now));
  std::vector<std::string> out;
  for_each_setting(now, [&](const std::string& section, const std::string& key, const auto&) {
    const std::string old = was.at(section).at(key).dump(), value = is.at(section).at(key).dump();
    const bool free =
        section == "parallel" || section == "output" ||
        std::find(std::begin(kFree), std::end(kFree), section + "." + key) != std::end(kFree);
    if (!free && value != old)
      out.push_back(fmt::format("{} is {} in the run, not {}", key, old, value));
  });
  return out;
}

Run Run::open(const std::string& path) {
  using app::ExitCode, app::UserError;
  fs::path directory = path;
  std::error_code ignored;
  const bool whole = fs::is_directory(path, ignored);
  if (!whole && fs::exists(path, ignored))
    directory = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : ".";
  else if (!whole)
    throw UserError(ExitCode::no_input, path + ": no such run",
                    "name the directory that lm train printed");
  else if (checkpoints(directory).empty() && !fs::exists(directory / "best", ignored))
    throw UserError(ExitCode::no_input, path + " holds no checkpoint",
                    "name the directory of a run that lm train has written");
  const fs::path config = directory / "config.json";
  if (!fs::exists(config, ignored))
    throw UserError(ExitCode::no_input, path + " is not (in) a run: there is no " + config.string(),
                    "name the directory of a run that lm train has written");
  Run run{directory,
          path,
          parse_config(read_text(config.string()), config.string()),
          Vocabulary::load((directory / "vocab.txt").string()),
          {}};
  if (whole)
    std::tie(run.checkpoint, run.state) = read_newest(directory, "best");
  else
    run.state = read_checkpoint(path);
  require<FormatError>(run.vocabulary.size() == run.settings.model.vocabulary,
                       (directory / "vocab.txt").string(), " has ", run.vocabulary.size(),
                       " tokens and config.json says ", run.settings.model.vocabulary,
                       " (were files of two runs mixed?)");
  return run;
}

LanguageModel Run::model(DType dtype) const {
  Rng rng(0);
  LanguageModel out(settings.model, rng, settings.dtype);
  try {
    from_tensors(out, state, "model.");
  } catch (const FormatError& e) {
    fail<FormatError>(checkpoint.string(), " does not fit config.json: ", e.what());
  }
  out.rnn.set_bptt(settings.bptt);
  return cast(out, dtype);
}

}  // namespace tapestry::lm
