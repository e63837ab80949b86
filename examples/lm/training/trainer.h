#pragma once
// The training loop: updates, progress, evaluation after each epoch, checkpoints, metrics.
//
// Workers run until the epoch ends or halt_ is set: an update at which to save or to show samples,
// a limit, a signal. Between such stretches the model stands still, with every item before
// position_.item done and none behind it, so what is saved there is where a resumed run goes on.
// One worker also stops between the pieces of an item; of several each leaves the rest of its item
// where the run ends there, or all leave the round, which a resumed run repeats.
//
// Several ranks do this alike, each with a part of the items, and agree between stretches on what
// they did and what is to happen. While one lasts a rank takes the others to be as fast as itself.

#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/training/averages.h>
#include <tapestry/examples/lm/training/checkpoint.h>
#include <tapestry/examples/lm/training/divergence.h>
#include <tapestry/examples/lm/training/items.h>
#include <tapestry/examples/lm/training/metrics.h>
#include <tapestry/examples/lm/training/saved_state.h>
#include <tapestry/examples/lm/training/schedule_file.h>
#include <tapestry/examples/lm/training/stretch.h>
#include <tapestry/examples/lm/training/train_batch.h>
#include <tapestry/optim/server/parameter_server.h>

#include <chrono>
#include <mutex>

namespace tapestry::lm {

struct TrainResult {
  Position position;
  bool whole_epochs = true;  // it did not end inside one
  double seconds = 0;        // of this process, evaluation excluded
  int64_t tokens = 0;        // in that time
  std::string fingerprint;   // of the parameters
  std::string ended;         // why before the last epoch; empty otherwise
  ServerStats server;
};

class Trainer {
 public:
  /// Goes on from `resumed`, a checkpoint of the same run, or begins. Keeps references to the
  /// others; only the first rank has a directory. Throws FormatError where the checkpoint does not
  /// fit, and has then written nothing.
  Trainer(const TrainSettings& settings, const Data& data, const app::RunDirectory* directory,
          const NamedTensors* resumed = nullptr, const Cluster& cluster = Cluster());

  int64_t parameters() const { return count(model_); }
  const Position& position() const { return position_; }

  /// Trains to the last epoch or a limit. Throws UserError (diverged, io_error, or of a signal).
  TrainResult run();

 private:
  // ---- a stretch of updates
  ServerOptions options();
  void train_on();
  /// With the other ranks, on where the training stands after a stretch.
  void agree(int64_t steps_before);
  /// What a worker does with one item: an update, or several with the state carried on.
  void train_item(LanguageModel& model, Worker& worker, int64_t item);
  void train_on_batch(LanguageModel& model, Worker& worker, const Batch& batch, Rng rng);
  /// The only one who trains, so that its place inside an item can be kept.
  bool alone() const {
    return s_.parallel.workers == 1 && s_.parallel.simulate == 0 && !cluster_.several();
  }

  // ---- books, kept under a lock
  /// Books the loss of an update, in nats, as it was computed; false: go no further.
  bool note(double nats, int64_t tokens, double gradient_norm, bool item_done);
  /// Whether an update since the last stretch was a multiple of `every`.
  bool due(int64_t every) const;
  double run_seconds() const;
  /// The one that ends the run, which ranks have agreed on; 0 before.
  int signal() const { return cluster_.several() ? agreed_signal_ : app::interrupted().load(); }
  /// By --max-time or a signal.
  bool out_of_time() const;
  void add_metrics(double train_loss, std::optional<double> valid_loss);

  // ---- between stretches
  auto averages() { return averages_of(position_, server_.optimizer()); }
  std::string model_fingerprint() {
    const auto averaged = averages();
    return hex(fingerprint(model_));
  }
  /// Of the held-out text, if there is one. It has as long again as --max-time, but at most 10 s or
  /// a tenth of it: nothing where that is over.
  std::optional<double> held_out_loss();
  /// Keeps the loss; true where the model is the best so far.
  bool judge(std::optional<double> held_out);
  void finish_epoch();
  void finish_early();
  void finish_run();
  /// Saves and ends the program as the signal asks.
  [[noreturn]] void stop_here();

  // ---- divergence
  [[noreturn]] void item_diverged(const LanguageModel& model, int worker, int64_t item,
                                  const std::string& what);
  /// Of a synchronous round, which made no update: the worker is found by trying.
  [[noreturn]] void round_diverged(const std::string& what);
  /// Throws where the loss is finite and hopeless; to be called before such a model is saved.
  void check_hope(double loss) const;

  // ---- saving and saying
  void save(bool best);
  Training training();
  double learning_rate() const { return schedule_.lr(position_.updates); }
  app::Status status() const;

  const TrainSettings& s_;
  const Data& data_;
  const Cluster cluster_;
  LanguageModel model_;
  Items items_;
  Schedule schedule_;
  std::atomic<int> halt_{0};
  ParameterServer<LanguageModel> server_;
  ScheduleFile schedules_;
  std::optional<CheckpointWriter> checkpoints_;  // of the first rank, as metrics_
  std::optional<Metrics> metrics_;
  std::optional<app::Progress> progress_;
  std::chrono::steady_clock::time_point began_;
  ServerStats stats_;
  Carried carried_;   // the state of a stream, or inside an item that is trained in pieces
  std::mutex books_;  // guards what follows while workers run
  Position position_, before_;  // now, and when the stretch began
  LossWatch watch_;
  Stretch own_;  // of this rank, where there are several
  int agreed_signal_ = 0;
  bool save_due_ = false, sample_due_ = false;
  int64_t tokens_before_ = 0, updates_before_ = 0;
  double recent_loss_ = 0, clip_rate_ = 0, seconds_before_ = 0;
  std::optional<double> grad_norm_;
};

}  // namespace tapestry::lm
