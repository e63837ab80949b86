#include <tapestry/examples/lm/run.h>

#include <tapestry/examples/common/exit_code.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace tapestry::lm {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

const char* mode_name(BpttMode mode) {
  return mode == BpttMode::exact ? "exact" : mode == BpttMode::chunk ? "chunk" : "full";
}

BpttMode mode_of(const std::string& name) {
  return name == "exact" ? BpttMode::exact : name == "chunk" ? BpttMode::chunk : BpttMode::full;
}

void read_config(const fs::path& path, TrainSettings& s) {
  std::ifstream in(path);
  if (!in)
    throw app::UserError(app::ExitCode::no_input, path.string() + " cannot be read",
                         "name the directory of a run that lm train has written");
  try {
    const Json config = Json::parse(in);
    const Json &input = config.at("input"), &model = config.at("model"),
               &training = config.at("training");
    input.at("lower").get_to(s.input.lower);
    input.at("split_sentences").get_to(s.input.split_sentences);
    model.at("cell").get_to(s.model.cell);
    model.at("vocabulary").get_to(s.model.vocabulary);
    model.at("hidden").get_to(s.model.hidden);
    model.at("layers").get_to(s.model.layers);
    model.at("embed").get_to(s.model.embed);
    model.at("bias").get_to(s.model.bias);
    model.at("tied").get_to(s.model.tied);
    s.dtype = model.at("dtype").get<std::string>() == "double" ? f64 : f32;
    training.at("bptt").get_to(s.bptt.steps);
    s.bptt.mode = mode_of(training.at("bptt_mode").get<std::string>());
  } catch (const Json::exception& e) {
    fail<FormatError>(path.string(), ": not the configuration of a run: ", e.what());
  }
}

}  // namespace

const std::vector<std::string>& run_files() {
  static const std::vector<std::string> files = {"config.json",  "vocab.txt", "ckpt-*.safetensors",
                                                 "last",         "best",      "metrics.csv",
                                                 "metrics.jsonl"};
  return files;
}

std::string config_text(const TrainSettings& s) {
  const Json config = {{"input",
                        {{"files", s.files},
                         {"lower", s.input.lower},
                         {"split_sentences", s.input.split_sentences},
                         {"max_sentences", s.input.max_sentences},
                         {"valid", s.valid},
                         {"valid_split", s.valid_split},
                         {"vocab_size", s.vocab_size},
                         {"min_count", s.min_count}}},
                       {"model",
                        {{"cell", s.model.cell},
                         {"vocabulary", s.model.vocabulary},
                         {"hidden", s.model.hidden},
                         {"layers", s.model.layers},
                         {"embed", s.model.embed},
                         {"bias", s.model.bias},
                         {"tied", s.model.tied},
                         {"dropout", s.dropout},
                         {"dtype", s.dtype == f64 ? "double" : "float"}}},
                       {"training",
                        {{"preset", s.preset},
                         {"bptt", s.bptt.steps},
                         {"bptt_mode", mode_name(s.bptt.mode)},
                         {"batch", s.batch},
                         {"shuffle", s.shuffle},
                         {"optimizer", s.optimizer},
                         {"lr", s.lr},
                         {"momentum", s.momentum},
                         {"weight_decay", s.weight_decay},
                         {"clip_norm", s.clip_norm},
                         {"schedule", s.schedule},
                         {"warmup", s.warmup},
                         {"epochs", s.epochs},
                         {"seed", s.seed}}}};
  return config.dump(2) + "\n";
}

Run Run::open(const std::string& path) {
  fs::path directory = path, checkpoint = path;
  std::error_code ignored;
  if (fs::is_directory(directory, ignored)) {
    checkpoint = directory / (fs::exists(directory / "best") ? "best" : "last");
    if (!fs::exists(checkpoint))
      throw app::UserError(app::ExitCode::no_input, path + " holds no checkpoint",
                           "name the directory of a run that lm train has written");
  } else if (fs::exists(directory, ignored)) {
    directory = directory.parent_path();
  } else {
    throw app::UserError(app::ExitCode::no_input, path + ": no such run",
                         "name the directory that lm train printed");
  }
  TrainSettings settings;
  read_config(directory / "config.json", settings);
  Run run{directory, checkpoint, settings, Vocabulary::load((directory / "vocab.txt").string()),
          read_safetensors(checkpoint.string())};
  require<FormatError>(run.vocabulary.size() == settings.model.vocabulary,
                       (directory / "vocab.txt").string(), " has ", run.vocabulary.size(),
                       " tokens and config.json says ", settings.model.vocabulary,
                       " (were files of two runs mixed?)");
  return run;
}

}  // namespace tapestry::lm
