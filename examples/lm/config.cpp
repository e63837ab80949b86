#include <tapestry/examples/lm/config.h>

#include <fmt/format.h>
#include <tapestry/examples/common/run_config.h>

#include <algorithm>
#include <filesystem>

namespace tapestry::lm {
namespace {

using app::Json;
namespace fs = std::filesystem;

const app::EnumNames<BpttMode> kModes{
    {"exact", BpttMode::exact}, {"chunk", BpttMode::chunk}, {"full", BpttMode::full}};
const app::EnumNames<DType> kTypes{{"float", f32}, {"double", f64}};

/// Fields that the runs of earlier versions lack, which were trained as the defaults say.
constexpr std::string_view kAdded[] = {
    "cutoffs",        "softmax",        "samples",           "unigram_bias",  "row_optimizer",
    "row_lr",         "locked_dropout", "weight_drop",       "group_lengths", "schedule_steps",
    "between",        "exchange_every", "exchange_by_items", "outer",         "outer_rate",
    "outer_momentum", "zoneout",        "average_after"};

const app::Check any;
using app::number, app::one_of, app::whole_number;

template <class Settings, class F>
void for_each_input(Settings& s, F&& f) {
  f("files", s.input.files, any);
  f("valid", s.input.valid, any);
  f("corpus", s.input.corpus, one_of({"", "agreement", "zipf"}));
  f("size", s.input.size, whole_number(1, 100'000'000));
  f("format", s.input.text.format, any);
  f("column", s.input.text.column, any);
  f("header", s.input.text.header, any);
  f("quote", s.input.text.quote, any);
  f("on_bad_utf8", s.input.text.on_bad_utf8, any);
  f("tokenizer", s.input.text.tokenizer, any);
  f("lower", s.input.text.lower, any);
  f("normalize", s.input.text.normalize, any);
  f("split_sentences", s.input.text.split_sentences, any);
  f("max_sentences", s.input.text.max_sentences, whole_number(0));
  f("valid_split", s.input.valid_split, number(0, 0.5));
  f("vocab_size", s.input.vocab_size, whole_number(4, 10'000'000));
  f("min_count", s.input.min_count, whole_number(1));
  f("stream", s.input.stream, whole_number(0));
  f("vocab", s.input.vocab, any);
}

template <class Settings, class F>
void for_each_model(Settings& s, F&& f) {
  f("cell", s.model.cell, one_of({"rnn", "lstm", "gru"}));
  f("vocabulary", s.model.vocabulary, whole_number(1, 100'000'000));
  f("hidden", s.model.hidden, whole_number(1, 65536));
  f("layers", s.model.layers, whole_number(1, 64));
  f("embed", s.model.embed, whole_number(0, 65536));
  f("bias", s.model.bias, any);
  f("tied", s.model.tied, any);
  f("cutoffs", s.model.cutoffs, any);
  f("dropout", s.dropout, number(0, 1, app::Ends::open_high));
  f("locked_dropout", s.locked_dropout, any);
  f("weight_drop", s.weight_drop, number(0, 1, app::Ends::open_high));
  f("zoneout", s.zoneout, number(0, 1, app::Ends::open_high));
  f("dtype", s.dtype, kTypes);
}

template <class Settings, class F>
void for_each_training(Settings& s, F&& f) {
  f("preset", s.preset, one_of({"", "reference", "demo", "fast", "quality"}));
  f("softmax", s.softmax, one_of({"full", "sampled", "adaptive"}));
  f("samples", s.samples, whole_number(1));
  f("unigram_bias", s.unigram_bias, any);
  f("bptt", s.bptt.steps, whole_number(0));
  f("bptt_mode", s.bptt.mode, kModes);
  f("batch", s.batch, whole_number(1, 1'000'000));
  f("shuffle", s.shuffle, any);
  f("group_lengths", s.group_lengths, whole_number(0));
  f("optimizer", s.optimizer, one_of({"sgd", "adam", "adamw", "rmsprop", "adagrad"}));
  f("lr", s.lr, number(0));
  f("row_optimizer", s.row_optimizer, one_of({"", "sgd", "adam", "adamw", "rmsprop", "adagrad"}));
  f("row_lr", s.row_lr, number(0));
  f("momentum", s.momentum, number(0, 1, app::Ends::open_high));
  f("weight_decay", s.weight_decay, number(0));
  f("clip_norm", s.clip_norm, number(0));
  f("schedule", s.schedule, one_of({"constant", "plateau", "step", "cosine", "linear"}));
  f("warmup", s.warmup, whole_number(0));
  f("schedule_steps", s.schedule_steps, whole_number(0));
  f("epochs", s.epochs, whole_number(1));
  f("stream", s.stream, any);
  f("average_after", s.average_after, whole_number(0));
  f("max_steps", s.max_steps, whole_number(0));
  f("max_tokens", s.max_tokens, whole_number(0));
  f("max_time", s.max_time, number(0));
  f("patience", s.patience, whole_number(0));
  f("seed", s.seed, any);
}

template <class Settings, class F>
void for_each_parallel(Settings& s, F&& f) {
  f("workers", s.parallel.workers, whole_number(1, 1024));
  f("update", s.parallel.update, update_policies());
  f("staleness", s.parallel.staleness, whole_number(0));
  f("shards", s.parallel.shards, whole_number(1, 65536));
  f("simulate", s.parallel.simulate, whole_number(0, 1024));
  f("max_item_tokens", s.parallel.max_item_tokens, whole_number(0));
  f("damp_stale", s.parallel.damp_stale, any);
  f("threads", s.parallel.threads, whole_number(1, 256));
  f("between", s.parallel.between, between_names());
  f("exchange_every", s.parallel.exchange_every, whole_number(1));
  f("exchange_by_items", s.parallel.exchange_by_items, any);
  f("outer", s.parallel.outer, outer_names());
  f("outer_rate", s.parallel.outer_rate, number(0, 100, app::Ends::open_low));
  f("outer_momentum", s.parallel.outer_momentum, number(0, 1, app::Ends::open_high));
}

template <class Settings, class F>
void for_each_output(Settings& s, F&& f) {
  f("save_every", s.save_every, whole_number(0));
  f("keep", s.keep, whole_number(1));
  f("sample_every", s.sample_every, whole_number(0));
}

/// Every setting that a run keeps.
template <class Settings, class F>
void for_each_setting(Settings& s, F&& f) {
  const auto of = [&](const char* section) {
    return [&f, section](const char* key, auto& value, const auto& range) {
      f(section, key, value, range);
    };
  };
  for_each_input(s, of("input"));
  for_each_model(s, of("model"));
  for_each_training(s, of("training"));
  for_each_parallel(s, of("parallel"));
  for_each_output(s, of("output"));
}

/// The paths as they are named from anywhere; "-" is standard input.
void make_absolute(std::string& path) {
  if (!path.empty() && path != "-") path = fs::absolute(path).lexically_normal().string();
}

/// What no single field can tell. Throws ValueError.
void check_together(const TrainSettings& s) {
  check(s.input.text);
  require<ValueError>(!s.model.tied || s.model.embed == s.model.hidden,
                      "model.embed must be model.hidden where model.tied is true");
  require<ValueError>(s.bptt.mode != BpttMode::chunk || s.bptt.steps > 0,
                      "training.bptt must be at least 1 where training.bptt_mode is chunk");
  require<ValueError>(s.model.cutoffs.empty() != s.adaptive(),
                      "model.cutoffs belongs to training.softmax adaptive");
  int64_t before = 0;
  for (const int64_t cutoff : s.model.cutoffs) {
    require<ValueError>(cutoff > before && cutoff < s.model.vocabulary,
                        "model.cutoffs must rise, from 1 to model.vocabulary - 1");
    before = cutoff;
  }
  require<ValueError>(s.momentum == 0 || s.optimizer == "sgd",
                      "training.momentum belongs to training.optimizer sgd");
}

}  // namespace

std::string config_text(const TrainSettings& settings) {
  app::ConfigWriter config;
  for_each_setting(settings, config);
  return config.text();
}

TrainSettings parse_config(std::string_view text, const std::string& path) {
  TrainSettings settings;
  const app::ConfigReader config(text, path);
  for_each_setting(
      settings, [&](const char* section, const char* key, auto& value, const auto& range) {
        const bool added = std::find(std::begin(kAdded), std::end(kAdded), key) != std::end(kAdded);
        if (!added || config.has(section, key)) config(section, key, value, range);
      });
  try {
    check_together(settings);
  } catch (const Error& error) {
    fail<FormatError>(path, ": ", error.what());
  }
  return settings;
}

InputSettings with_absolute_paths(InputSettings input) {
  for (std::string& path : input.files) make_absolute(path);
  for (std::string& path : input.valid) make_absolute(path);
  make_absolute(input.vocab);
  return input;
}

std::vector<std::string> changed_settings(const TrainSettings& before, const TrainSettings& now) {
  // How long, how fast and where from may change; what was learnt so far must still hold.
  constexpr const char* kFree[] = {"input.files",       "input.valid",        "model.vocabulary",
                                   "training.epochs",   "training.max_steps", "training.max_tokens",
                                   "training.max_time", "training.patience"};
  const auto values = [](TrainSettings s) {
    s.input = with_absolute_paths(s.input);
    return Json::parse(config_text(s));
  };
  const Json was = values(before), is = values(now);
  std::vector<std::string> out;
  for_each_setting(now, [&](const std::string& section, const std::string& key, const auto&,
                            const auto&) {
    const std::string old = was.at(section).at(key).dump(), value = is.at(section).at(key).dump();
    const bool free =
        section == "parallel" || section == "output" ||
        std::find(std::begin(kFree), std::end(kFree), section + "." + key) != std::end(kFree);
    if (!free && value != old)
      out.push_back(fmt::format("{} is {} in the run, not {}", key, old, value));
  });
  return out;
}

}  // namespace tapestry::lm
