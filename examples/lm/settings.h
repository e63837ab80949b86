#pragma once
// What the commands of lm take from their command lines, and the defaults.

#include <tapestry/examples/common/options.h>
#include <tapestry/examples/lm/model.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tapestry::lm {

/// How text becomes sentences of tokens; stored with a model and used again on other files.
struct InputSettings {
  bool lower = false, split_sentences = false;
  int64_t max_sentences = 0;  // 0: all
};

struct TrainSettings {
  std::vector<std::string> files, valid;
  InputSettings input;
  double valid_split = 0.05;  // share of the sentences held out, by hash
  int64_t vocab_size = 8000, min_count = 1;

  ModelShape model;
  double dropout = 0;
  DType dtype = f32;

  std::string preset;
  Bptt bptt{BpttMode::exact, 4};
  int64_t batch = 1, epochs = 10;
  bool shuffle = true;
  std::string optimizer = "sgd";  // sgd, adam, adamw, rmsprop, adagrad
  double lr = 0;                  // 0: 0.005 for sgd, 0.001 otherwise
  double momentum = 0, weight_decay = 0, clip_norm = 0;
  std::string schedule = "constant";  // constant, plateau, step, cosine
  int64_t warmup = 0;                 // updates
  uint64_t seed = 1;

  std::string output;
  bool overwrite = false, json = false;
  app::CommonOptions common;
};

/// Registers the options of `lm train`, whose defaults are those of `settings`.
void add_train_options(CLI::App& command, TrainSettings& settings);
/// The settings of --preset NAME when argv names one that exists, else the defaults.
TrainSettings preset_of(int argc, const char* const* argv);
/// What CLI11 cannot check: options that exclude or need each other. Throws UserError (usage).
void check(const TrainSettings& settings);

struct EvalSettings {
  std::string run;
  std::vector<std::string> files;
  int64_t batch = 32;
  std::string dtype;  // empty: as trained
  int64_t max_sentences = 0;
  bool json = false;
  app::CommonOptions common;
};
void add_eval_options(CLI::App& command, EvalSettings& settings);

}  // namespace tapestry::lm
