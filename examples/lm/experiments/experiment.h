#pragma once
// Short trainings by the parameter server that are compared with each other: what sweep, race and
// the benchmarks run. Each starts from the same parameters and reads the same sentences in the same
// order, however many workers there are.

#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/training/train_batch.h>
#include <tapestry/optim/server/parameter_server.h>

#include <atomic>

namespace tapestry::lm {

/// Those of the reference system: tanh units, one sentence per update, plain SGD.
TrainSettings experiment_settings();
/// Registers the options that experiments have in common.
void add_experiment_options(app::Command& command, TrainSettings& settings);
/// Reads the text, or draws `zipf` where no file is named, and says what it is.
Data read_experiment_data(TrainSettings& settings);
/// Throws UserError with the signal's exit code once a signal has come.
void stop_if_interrupted();

/// The sentences of each update, in order.
using Batches = std::vector<std::vector<int64_t>>;

/// The first n sentences, for evaluate().
EncodedCorpus first_of(const EncodedCorpus& corpus, int64_t n);

/// A model in training. It learns by plain SGD at a constant rate.
class Experiment {
 public:
  Experiment(const TrainSettings& settings, const EncodedCorpus& corpus);

  /// Trains on the next `sentences`, a pass after the other; the last batch of a pass may be
  /// smaller. `law`: of simulated workers; null: real ones. Throws NonFiniteError, and UserError
  /// after a signal.
  ServerStats run(int64_t sentences, const DelayLaw* law = nullptr) {
    return train(next(sentences), law);
  }
  /// The two halves of that: what comes next is read; a model trains on these.
  Batches next(int64_t sentences);
  ServerStats train(std::span<const std::vector<int64_t>> batches, const DelayLaw* law = nullptr);

  /// The sum over the tokens of the last train() of the losses that were computed for its updates.
  double nats() const { return total_; }
  int64_t tokens() const { return tokens_; }
  double online_loss() const { return total_ / static_cast<double>(tokens_); }
  int64_t sentences() const { return next_; }
  std::span<ParameterState> states() { return server_.optimizer().states(); }

  LanguageModel model;

 private:
  ServerOptions options() const;

  TrainSettings s_;
  const EncodedCorpus& corpus_;
  ParameterServer<LanguageModel> server_;
  std::vector<int64_t> order_;
  int64_t next_ = 0;
  std::atomic<double> total_{0};
  std::atomic<int64_t> tokens_{0};
};

}  // namespace tapestry::lm
