#pragma once
// Short trainings by the parameter server that are compared with each other: what sweep, race and
// the benchmarks run. Each starts from the same parameters and reads the same sentences in the same
// order, however many workers there are.

#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/training/train_batch.h>

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

/// A model in training. It learns by plain SGD at a constant rate.
template <class Cell>
class Experiment {
 public:
  Experiment(const TrainSettings& s, const EncodedCorpus& corpus)
      : model(initial_model<Cell>(s)),
        s_(s),
        corpus_(corpus),
        server_(model, SGD{.lr = s.lr}, options()) {}

  /// Trains on the next `sentences`, a pass after the other; the last batch of a pass may be
  /// smaller. `law`: of simulated workers; null: real ones. Throws NonFiniteError, and UserError
  /// after a signal.
  ServerStats run(int64_t sentences, const DelayLaw* law = nullptr) {
    const int64_t n = corpus_.sentences();
    total_ = 0, tokens_ = 0;
    std::vector<std::vector<int64_t>> batches;
    for (int64_t left = sentences; left > 0;) {
      if (next_ % n == 0) order_ = epoch_order(n, true, s_.seed, next_ / n);
      const int64_t at = next_ % n, take = std::min({s_.batch, left, n - at});
      batches.emplace_back(order_.begin() + at, order_.begin() + at + take);
      next_ += take, left -= take;
    }
    const auto body = [&](LanguageModel<Cell>& m, Worker& w, int64_t item) {
      const Batch batch = make_batch(corpus_, batches[static_cast<size_t>(item)]);
      const BatchLoss loss = train_batch(m, w, batch, s_.parallel.max_item_tokens);
      total_.fetch_add(loss.total, std::memory_order_relaxed);
      tokens_.fetch_add(batch.tokens(), std::memory_order_relaxed);
    };
    const auto items = static_cast<int64_t>(batches.size());
    const ServerStats stats = law ? server_.simulate(items, body, *law) : server_.run(items, body);
    stop_if_interrupted();
    return stats;
  }

  /// The mean over the tokens of the last run() of the losses that were computed for its updates.
  double online_loss() const { return total_ / static_cast<double>(tokens_); }
  int64_t sentences() const { return next_; }

  LanguageModel<Cell> model;

 private:
  ServerOptions options() const {
    ServerOptions out = server_options(s_, model);
    out.stop = &app::interrupted();
    return out;
  }

  TrainSettings s_;
  const EncodedCorpus& corpus_;
  ParameterServer<LanguageModel<Cell>> server_;
  std::vector<int64_t> order_;
  int64_t next_ = 0;
  std::atomic<double> total_{0};
  std::atomic<int64_t> tokens_{0};
};

}  // namespace tapestry::lm
