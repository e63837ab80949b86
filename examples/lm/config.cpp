#include <tapestry/examples/lm/config.h>

#include <tapestry/examples/common/config.h>
#include <tapestry/tensor/error.h>

namespace tapestry::lm {
namespace {

// Ranges and names are those of the command line.
constexpr double kMany = 1e15, kBelowOne = 1 - 1e-9;

void input_fields(app::Fields& f, InputSettings& s) {
  f.section("input");
  f.field("files", s.files);
  f.field("valid", s.valid);
  f.field("corpus", s.corpus, {"", "agreement", "zipf"});
  f.field("size", s.size, {1, 1e8});
  f.field("format", s.text.format, {"auto", "text", "csv", "tsv"});
  f.field("column", s.text.column);
  f.field("header", s.text.header, {"auto", "yes", "no"});
  f.field("quote", s.text.quote);
  f.field("on_bad_utf8", s.text.on_bad_utf8, {"error", "replace", "skip"});
  f.field("tokenizer", s.text.tokenizer, {"space", "word", "char"});
  f.field("lower", s.text.lower);
  f.field("normalize", s.text.normalize, {"nfc", "none"});
  f.field("split_sentences", s.text.split_sentences);
  f.field("max_sentences", s.text.max_sentences, {0, kMany});
  f.field("valid_split", s.valid_split, {0, 0.5});
  f.field("vocab_size", s.vocab_size, {4, 1e7});
  f.field("min_count", s.min_count, {1, kMany});
  f.field("stream", s.stream, {0, kMany});
  f.field("vocab", s.vocab);
}

void model_fields(app::Fields& f, TrainSettings& s) {
  f.section("model");
  f.field("cell", s.model.cell, {"rnn", "lstm", "gru"});
  f.field("vocabulary", s.model.vocabulary, {0, 1e7});
  f.field("hidden", s.model.hidden, {1, 65536});
  f.field("layers", s.model.layers, {1, 64});
  f.field("embed", s.model.embed, {0, 65536});
  f.field("bias", s.model.bias);
  f.field("tied", s.model.tied);
  f.field("dropout", s.dropout, {0, kBelowOne});
  f.choice<DType>("dtype", s.dtype, {{"float", f32}, {"double", f64}});
}

void training_fields(app::Fields& f, TrainSettings& s) {
  f.section("training");
  f.field("preset", s.preset);
  f.field("bptt", s.bptt.steps, {0, kMany});
  f.choice<BpttMode>(
      "bptt_mode", s.bptt.mode,
      {{"exact", BpttMode::exact}, {"chunk", BpttMode::chunk}, {"full", BpttMode::full}});
  f.field("batch", s.batch, {1, 1e6});
  f.field("shuffle", s.shuffle);
  f.field("optimizer", s.optimizer, {"sgd", "adam", "adamw", "rmsprop", "adagrad"});
  f.field("lr", s.lr, {0, 1e300});
  f.field("momentum", s.momentum, {0, kBelowOne});
  f.field("weight_decay", s.weight_decay, {0, 1e300});
  f.field("clip_norm", s.clip_norm, {0, 1e300});
  f.field("schedule", s.schedule, {"constant", "plateau", "step", "cosine"});
  f.field("warmup", s.warmup, {0, kMany});
  f.field("epochs", s.epochs, {1, kMany});
  f.field("stream", s.stream);
  f.field("max_steps", s.max_steps, {0, kMany});
  f.field("max_tokens", s.max_tokens, {0, kMany});
  f.field("max_time", s.max_time, {0, kMany});
  f.field("patience", s.patience, {0, kMany});
  f.field("seed", s.seed);
}

void parallel_fields(app::Fields& f, ParallelSettings& s) {
  f.section("parallel");
  f.field("workers", s.workers, {1, 1024});
  f.choice<UpdatePolicy>("update", s.update, update_policies());
  f.field("staleness", s.staleness, {0, kMany});
  f.field("shards", s.shards, {1, 65536});
  f.field("simulate", s.simulate, {0, 1024});
  f.field("max_item_tokens", s.max_item_tokens, {0, kMany});
  f.field("damp_stale", s.damp_stale);
  f.field("threads", s.threads, {1, 256});
}

app::FieldList fields_of(TrainSettings& s) {
  return [&s](app::Fields& f) {
    input_fields(f, s.input);
    model_fields(f, s);
    training_fields(f, s);
    parallel_fields(f, s.parallel);
    f.section("output");
    f.field("save_every", s.save_every, {0, kMany});
    f.field("keep", s.keep, {1, kMany});
    f.field("sample_every", s.sample_every, {0, kMany});
  };
}

}  // namespace

std::string config_text(const TrainSettings& settings) {
  TrainSettings s = settings;
  return app::config_text(fields_of(s));
}

TrainSettings parse_config(std::string_view text, const std::string& path) {
  TrainSettings settings;
  app::parse_config(std::string(text), path, fields_of(settings));
  try {
    check(settings.input.text);
  } catch (const FormatError& e) {
    fail<FormatError>(path, ": not the configuration of a run: ", e.what());
  }
  return settings;
}

std::vector<std::string> changed_settings(const TrainSettings& before, const TrainSettings& now) {
  // How long, how fast and where from may change; what was learnt so far must still hold.
  TrainSettings was = before, is = now;
  return app::changed_fields(
      fields_of(was), fields_of(is),
      {"input.files", "input.valid", "model.vocabulary", "training.epochs", "training.max_steps",
       "training.max_tokens", "training.max_time", "training.patience", "parallel", "output"});
}

}  // namespace tapestry::lm
