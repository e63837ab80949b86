#pragma once
// The training loop: updates, progress, evaluation after each epoch, checkpoints, metrics.
//
// Workers run until the epoch ends or halt_ is set: an update at which to save or to show samples,
// a limit, a signal. Between such stretches the model stands still, with every item before
// place_.item done and none behind it, so what is saved there is where a resumed run goes on.

#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/model/sampling.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/text/stream.h>
#include <tapestry/examples/lm/text/tokenizer.h>
#include <tapestry/examples/lm/training/checkpoint.h>
#include <tapestry/examples/lm/training/place.h>
#include <tapestry/examples/lm/training/train_batch.h>
#include <tapestry/optim/server/parameter_server.h>
#include <tapestry/optim/schedule.h>
#include <tapestry/tensor/threads.h>

#include <csignal>
#include <deque>
#include <mutex>

namespace tapestry::lm {

UpdateRule make_rule(const TrainSettings& settings);
Schedule make_schedule(const TrainSettings& settings, int64_t updates_per_epoch);

/// The schedules of a recorded run, one for each epoch, in the file of --record or --replay.
class ScheduleFile {
 public:
  /// Reads the file of --replay. Throws UserError (no_input), FormatError.
  explicit ScheduleFile(const ParallelSettings& settings);
  /// The schedule of the next epoch: to be filled when recording; throws FormatError where the
  /// recorded run had fewer epochs.
  LockLog& next();
  /// Writes what was recorded.
  void save() const;

 private:
  std::string record_, replay_;
  std::deque<LockLog> logs_;
  size_t next_ = 0;
};

struct TrainResult {
  Place place;
  bool whole_epochs = true;  // it did not end inside one
  double seconds = 0;        // of this process, evaluation excluded
  int64_t tokens = 0;        // in that time
  std::string fingerprint;   // of the parameters
  std::string ended;         // why before the last epoch; empty otherwise
  ServerStats server;
};

/// The error that a worker's NonFiniteError becomes.
app::UserError diverged(const Place& place, int worker, const std::string& what,
                        const std::string& last_checkpoint, const std::string& run);
/// "time step 3 of 17" where the first of the token losses that is not finite lies; empty if none.
std::string first_bad_step(const Tensor& losses, const Packing& packing);

template <class Cell>
class Trainer {
 public:
  /// Goes on from `resumed`, a checkpoint of the same run, or begins. Throws FormatError where it
  /// does not fit.
  Trainer(const TrainSettings& settings, const Data& data, const app::RunDirectory& directory,
          const NamedTensors* resumed = nullptr)
      : s_(settings),
        data_(data),
        model_(initial_model<Cell>(settings)),
        stream_(settings.stream ? std::optional<Stream>(std::in_place, data.train, settings.batch,
                                                        settings.bptt.steps)
                                : std::nullopt),
        items_(stream_ ? stream_->items()
                       : (data.train.sentences() + settings.batch - 1) / settings.batch),
        round_(in_rounds(settings.parallel) ? settings.parallel.workers : 1),
        schedule_(make_schedule(settings, (items_ + round_ - 1) / round_)),
        server_(model_, make_rule(settings), options()),
        schedules_(settings.parallel),
        checkpoints_(directory, settings.keep),
        metrics_(directory.path(), metrics_columns(),
                 resumed ? resumed->number<size_t>("rows") : 0) {
    if (resumed) load(*resumed);
    progress_.emplace(total_tokens(), progress_settings(), static_cast<double>(place_.tokens));
    began_ = std::chrono::steady_clock::now();
    seconds_before_ = place_.seconds;
    tokens_before_ = place_.tokens;
  }

  int64_t parameters() const { return count(model_); }
  const Place& place() const { return place_; }

  TrainResult run();

 private:
  using State = typename LanguageModel<Cell>::State;

  Optimizer& optimizer() { return server_.optimizer(); }
  const Optimizer& optimizer() const { return server_.optimizer(); }

  static std::vector<std::string> metrics_columns() {
    return {"epoch", "step", "tokens", "seconds", "train_loss", "valid_loss", "lr", "grad_norm"};
  }

  double total_tokens() const;

  app::ProgressSettings progress_settings() const;

  /// Before any update a model knows nothing, so its loss is near ln V.
  void check_first_loss();

  ServerOptions options();

  // ---- a stretch of updates

  void train_on();

  void begin_epoch();

  Batch batch_of(int64_t item) const;

  /// The masks of a batch depend on its place in the training, not on who trains it.
  Rng dropout_of(int64_t item) const {
    return Rng(s_.seed, (uint64_t{1} << 40) + static_cast<uint64_t>(place_.epoch * items_ + item));
  }

  /// What a worker does with one batch: an update, or several with the state carried on.
  void train_item(LanguageModel<Cell>& m, Worker& w, int64_t item);

  // ---- divergence

  /// Repeats an item with checks on and throws what they say, or `what` where they find nothing.
  [[noreturn]] void blame(const LanguageModel<Cell>& m, int worker, int64_t item, std::string what);

  /// The same for a synchronous round, which made no update: the worker is found by trying.
  [[noreturn]] void blame_round(const std::string& what);

  // ---- books

  /// Books the loss of a batch, in nats, as it was computed for its update.
  void note(int64_t tokens, double total, double gradient_norm, int64_t updates);

  /// Whether an update since the last stretch was a multiple of `every`.
  bool due(int64_t every) const {
    return every > 0 && place_.updates / every > segment_updates_ / every;
  }

  double run_seconds() const;

  /// Why to end before the last epoch; empty where nothing speaks for it.
  std::string reason_to_end() const;

  void metrics_row(double train_loss, std::optional<double> valid_loss);

  // ---- between stretches

  /// Evaluates; true where the model is the best so far.
  bool judge();

  void finish_epoch();

  /// The end of a run inside an epoch. What is written here is no part of what a resumed run
  /// repeats: it goes on as if there had been no end.
  void finish_early();

  double epochs_done() const;

  /// Saves and ends the program as the signal asks.
  [[noreturn]] void stop_here();

  void show_samples();

  std::string losses() const;

  static std::string in_words(const char* what, double loss, std::optional<double> floor);

  // ---- saving

  void save(bool best);

  NamedTensors state() const;

  void load(const NamedTensors& in);

  std::string model_fingerprint() const;

  double learning_rate() const { return schedule_.lr(place_.updates); }

  app::Status status() const;

  const TrainSettings& s_;
  const Data& data_;
  LanguageModel<Cell> model_;
  std::optional<Stream> stream_;
  int64_t items_, round_;  // of an epoch; items that share one update
  Schedule schedule_;
  std::atomic<int> halt_{0};
  ParameterServer<LanguageModel<Cell>> server_;
  ScheduleFile schedules_;
  CheckpointWriter checkpoints_;
  app::MetricsWriter metrics_;
  std::optional<app::Progress> progress_;
  std::chrono::steady_clock::time_point began_;

  ServerStats stats_;
  std::vector<int64_t> order_;  // of the sentences in this epoch
  int64_t order_epoch_ = -1;
  State state_;       // of the stream
  std::mutex books_;  // guards what follows while workers run
  Place place_;
  bool save_due_ = false, sample_due_ = false;
  int64_t segment_updates_ = 0, segment_item_ = 0, tokens_before_ = 0;
  double recent_loss_ = 0, clip_rate_ = 0, seconds_before_ = 0;
  std::optional<double> grad_norm_;
};

extern template class Trainer<RNNCell>;
extern template class Trainer<LSTMCell>;
extern template class Trainer<GRUCell>;

}  // namespace tapestry::lm
