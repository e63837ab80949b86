// config.json of lm: every field is checked on every read, and it means the same from anywhere.

#include <doctest/doctest.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/tensor/error.h>

#include <algorithm>
#include <filesystem>

using namespace tapestry;
using namespace tapestry::lm;
using app::Json;
namespace fs = std::filesystem;

namespace {

TrainSettings good() {
  TrainSettings s;
  s.model.vocabulary = 10;
  s.input.files = {"text.txt"};
  return s;
}

/// What reading says of the configuration in which one field has another value.
std::string message(const std::string& section, const std::string& key, const Json& value) {
  Json config = Json::parse(config_text(good()));
  config[section][key] = value;
  try {
    parse_config(config.dump(2), "run/config.json");
  } catch (const FormatError& e) {
    return e.what();
  }
  return "no error";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a configuration is read back as it was written") {
  const std::string text = config_text(good());
  CHECK(config_text(parse_config(text, "config.json")) == text);
}

TEST_CASE("a field out of its range is refused with its file and name") {
  struct Case {
    const char *section, *key;
    Json value;
  };
  const std::vector<Case> cases = {
      {"input", "size", 0},           {"input", "valid_split", 0.7},
      {"input", "vocab_size", -1},    {"input", "min_count", 0},
      {"input", "stream", -1},        {"input", "max_sentences", -5},
      {"input", "corpus", "penn"},    {"input", "format", "pdf"},
      {"model", "hidden", -4},        {"model", "layers", 65},
      {"model", "embed", -1},         {"model", "vocabulary", -3},
      {"model", "cell", "lstn"},      {"model", "dropout", 1.0},
      {"model", "dtype", "half"},     {"training", "preset", "x"},
      {"training", "bptt", -1},       {"training", "bptt_mode", "exactly"},
      {"training", "batch", 0},       {"training", "optimizer", "lbfgs"},
      {"training", "lr", -0.1},       {"training", "momentum", -0.5},
      {"training", "momentum", 1.5},  {"training", "weight_decay", -1.0},
      {"training", "clip_norm", -1},  {"training", "schedule", "cosin"},
      {"training", "warmup", -1},     {"training", "epochs", 0},
      {"training", "max_steps", -1},  {"training", "max_tokens", -1},
      {"training", "max_time", -1},   {"training", "patience", -1},
      {"training", "seed", -1},       {"parallel", "workers", 0},
      {"parallel", "update", "asnc"}, {"parallel", "staleness", -1},
      {"parallel", "shards", 0},      {"parallel", "simulate", -1},
      {"parallel", "threads", 0},     {"parallel", "max_item_tokens", -2},
      {"output", "save_every", -1},   {"output", "keep", 0},
      {"output", "sample_every", -1}, {"model", "hidden", "4"},
      {"model", "bias", 1},           {"input", "files", "text.txt"}};
  for (const Case& c : cases) {
    const std::string said = message(c.section, c.key, c.value);
    CAPTURE(said);
    CHECK(said.starts_with("run/config.json: "));
    CHECK_MESSAGE(has(said, std::string(c.section) + "." + c.key), c.section << "." << c.key);
  }
}

TEST_CASE(
    "every field is needed but those that earlier versions lack, and the whole must be JSON") {
  std::vector<std::string> accepted;
  const Json config = Json::parse(config_text(good()));
  for (size_t s = 0; s < config.size(); ++s)
    for (size_t k = 0; k < config.item(s).size(); ++k) {
      Json without = Json::object();
      for (size_t i = 0; i < config.size(); ++i)
        for (size_t j = 0; j < config.item(i).size(); ++j)
          if (i != s || j != k)
            without[config.key(i)][config.item(i).key(j)] = config.item(i).item(j);
      const std::string name = config.key(s) + "." + config.item(s).key(k);
      try {
        const TrainSettings read = parse_config(without.dump(), "c");
        accepted.push_back(config.item(s).key(k));
        CHECK_MESSAGE(config_text(read) == config_text(good()), name);
      } catch (const FormatError& e) {
        CHECK_MESSAGE(has(e.what(), name + ": is missing"), e.what());
      }
    }
  std::sort(accepted.begin(), accepted.end());
  CHECK(accepted == std::vector<std::string>{
                        "average_after", "between", "cutoffs", "exchange_by_items",
                        "exchange_every", "group_lengths", "locked_dropout", "outer",
                        "outer_momentum", "outer_rate", "row_lr", "row_optimizer", "samples",
                        "schedule_steps", "softmax", "unigram_bias", "weight_drop", "zoneout"});
  CHECK(has(message("model", "cutoffs", Json::parse("[5]")), "model.cutoffs belongs to"));
  CHECK_THROWS_AS(parse_config("{", "c"), FormatError);
  CHECK_THROWS_AS(parse_config("[]", "c"), FormatError);
}

TEST_CASE("fields that contradict each other are refused") {
  CHECK(has(message("model", "tied", true), "model.embed"));
  TrainSettings s = good();
  s.bptt = {BpttMode::chunk, 0};
  CHECK_THROWS_AS(parse_config(config_text(s), "c"), FormatError);
}

TEST_CASE("files are kept as they are named from anywhere, standard input as it is") {
  TrainSettings s = good();
  s.input.files = {"a.txt", "-", "/b.txt"};
  s.input.valid = {"sub/../c.txt"};
  s.input.vocab = "v.txt";
  const InputSettings kept = with_absolute_paths(s.input);
  CHECK(kept.files[0] == (fs::current_path() / "a.txt").string());
  CHECK(kept.files[1] == "-");
  CHECK(kept.files[2] == "/b.txt");
  CHECK(kept.valid[0] == (fs::current_path() / "c.txt").string());
  TrainSettings absolute = s;
  absolute.input = kept;
  CHECK(changed_settings(absolute, s).empty());
}

TEST_CASE("overwriting a run removes all its pictures") {
  const auto& files = run_files();
  for (const char* pattern : {"learning_curve.*", "learning_curve_time.*", "credit_horizon.*"})
    CHECK(std::find(files.begin(), files.end(), pattern) != files.end());
}
