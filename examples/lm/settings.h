#pragma once
// What a training run is set to: input, model, training. The same structs describe a run on the
// command line, in config.json, and in the commands that read a run.

#include <tapestry/examples/common/common_options.h>
#include <tapestry/examples/lm/model/shape.h>
#include <tapestry/examples/lm/text/text_settings.h>
#include <tapestry/nn/bptt.h>
#include <tapestry/optim/server/options.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tapestry::lm {

/// Where sentences come from and how text becomes sentences of tokens.
struct InputSettings {
  std::vector<std::string> files = {}, valid = {};
  std::string corpus = "";  // a built-in one, where no file is named: agreement, zipf
  int64_t size = 20000;     // its training sentences
  TextSettings text = {};
  double valid_split = 0.05;  // share of the sentences held out
  int64_t vocab_size = 8000, min_count = 1;
  int64_t stream = 0;      // sentences of a block of text on disk; 0: all in memory
  std::string vocab = "";  // a vocabulary instead, that lm vocab wrote
};

/// How several workers train; see optim/server/parameter_server.h.
struct ParallelSettings {
  int64_t workers = 1;
  UpdatePolicy update = UpdatePolicy::async;
  int64_t staleness = 4, shards = 64;  // of ssp, in items; locks per large parameter
  int64_t simulate = 0;                // virtual workers; 0: real ones
  int64_t max_item_tokens = 0;         // longer items are updated piece by piece; 0: never
  bool damp_stale = false;             // divide the learning rate by 1 + staleness
  int64_t threads = 1;                 // inside one update
  std::string record, replay;          // files
  // Between ranks, where there are several:
  Between between = Between::local;
  int64_t exchange_every = 5000;   // tokens of a rank
  bool exchange_by_items = false;  // so many exactly, else as long as they take on average
  OuterStep outer = OuterStep::diversity;
  double outer_rate = 1, outer_momentum = 0;
  int64_t nodes = 0;            // of a plan; 0: none
  std::string network = "10g";  // between them, in bits per second
};

struct TrainSettings {
  InputSettings input;
  ModelShape model;
  double dropout = 0, weight_drop = 0, zoneout = 0;
  bool locked_dropout = false;  // one mask for all words of a sentence
  DType dtype = f32;

  std::string preset;
  bool quality = false;          // for --preset quality
  std::string softmax = "full";  // what training minimises: full, sampled, adaptive
  int64_t samples = 128;         // words drawn for each update
  bool unigram_bias = false;     // biases of the softmax begin at log frequencies
  Bptt bptt{BpttMode::exact, 4};
  int64_t batch = 1, epochs = 10;
  bool shuffle = true;
  int64_t group_lengths = 0;      // batches among which sentences are sorted by length; 0: none
  std::string optimizer = "sgd";  // sgd, adam, adamw, rmsprop, adagrad
  double lr = 0;                  // 0: 0.005 for sgd, 0.001 otherwise
  std::string row_optimizer;      // of embedding and softmax; empty: as the others
  double row_lr = 0;              // 0: 0.1 for adagrad, else as lr
  double momentum = 0, weight_decay = 0, clip_norm = 0;
  std::string schedule = "constant";  // constant, plateau, step, cosine, linear
  int64_t warmup = 0;                 // updates
  int64_t schedule_steps = 0;         // updates over which cosine and linear run; 0: all epochs
  bool stream = false;                // the state of one sentence is where the next one begins
  int64_t average_after = 0;          // epochs without a better loss; 0: weights are not averaged
  int64_t max_steps = 0, max_tokens = 0, patience = 0;  // 0: no limit; patience in epochs
  double max_time = 0;                                  // seconds
  uint64_t seed = 1;
  ParallelSettings parallel;

  std::string output;
  bool overwrite = false, json = false, resume = false, dry_run = false, verify_resume = false;
  int64_t save_every = 0, keep = 3;  // updates between checkpoints, 0: epochs; checkpoints kept
  int64_t sample_every = 0;          // updates between samples shown; 0: never
  std::vector<std::string> command;  // the words of the command line, for the manifest
  app::CommonOptions common;

  /// Whether the training loss is one over samples, which is no estimate of the exact one.
  bool sampled() const { return softmax == "sampled"; }
  bool adaptive() const { return softmax == "adaptive"; }
};

/// Checks what CLI11 cannot, options that exclude or need each other, and fills in what follows
/// from others. Throws UserError (usage).
void resolve(TrainSettings& settings);
/// Once the vocabulary is known: the cutoffs of an adaptive softmax, if none were given. Throws
/// UserError (usage) for those that do not rise or lie outside of the vocabulary.
void resolve_cutoffs(TrainSettings& settings);
/// "lstm 1 x 64, one-hot input, float"
std::string describe_model(const TrainSettings& settings);
/// "bptt exact 4"
std::string describe_bptt(const Bptt& bptt);
/// "adam lr 0.01 cosine, bptt full, 16 sentences per update, 3 epochs, seed 1"
std::string describe_training(const TrainSettings& settings);

/// What the loss of training is called: "train loss", or "sampled train loss", which cannot be
/// compared with the exact one.
std::string train_loss_name(const TrainSettings& settings);

/// Whether workers go through the items in rounds, one update for all.
bool in_rounds(const ParallelSettings& settings);
/// "async", "sync", ...
const std::vector<std::pair<std::string, UpdatePolicy>>& update_policies();
const char* policy_name(UpdatePolicy policy);
/// "local", "sync"; "average", "sum", "momentum"
const std::vector<std::pair<std::string, Between>>& between_names();
const std::vector<std::pair<std::string, OuterStep>>& outer_names();
/// The same for so many ranks: checks what does not go with several, and chooses what follows from
/// their number.
void resolve_ranks(TrainSettings& settings, int ranks);

/// Throws UserError (usage) for a shape or a truncation that makes no sense.
void check_model(const ModelShape& model, const Bptt& bptt);

}  // namespace tapestry::lm
