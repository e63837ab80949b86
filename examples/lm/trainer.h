#pragma once
// The training loop: updates, progress, evaluation after each epoch, checkpoints, metrics.

#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/data.h>
#include <tapestry/examples/lm/evaluate.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/optim/parameter_server.h>
#include <tapestry/optim/schedule.h>
#include <tapestry/tensor/threads.h>

#include <csignal>
#include <deque>
#include <mutex>

namespace tapestry::lm {

UpdateRule make_rule(const TrainSettings& settings);
Schedule make_schedule(const TrainSettings& settings, int64_t updates_per_epoch);

/// Losses in nats per token against the tokens trained on.
struct Curve {
  std::vector<double> tokens, loss;
};

struct TrainResult {
  double seconds = 0;  // of training, evaluation excluded
  int64_t parameters = 0, tokens = 0;
  double train_loss = 0;             // of the last epoch, while the model changed
  std::optional<double> valid_loss;  // after the last epoch
  double best_loss = 0;              // held-out, or of training where nothing is
  int64_t best_epoch = 0;
  Curve train, valid;
  ServerStats server;
};

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

/// Writes checkpoints and metrics into a run directory.
class RunWriter {
 public:
  explicit RunWriter(const app::RunDirectory& directory);

  void metrics(std::initializer_list<std::optional<double>> row) { metrics_.row(row); }
  /// Saves the state after `updates` updates as the last, and where it is better as the best.
  void checkpoint(const NamedTensors& state, int64_t updates, bool best);

 private:
  void link(const std::string& name, const std::string& target);

  const app::RunDirectory& directory_;
  app::MetricsWriter metrics_;
  std::string last_, best_;
};

template <class Cell>
class Trainer {
 public:
  Trainer(const TrainSettings& settings, const Data& data, const app::RunDirectory& directory)
      : s_(settings),
        data_(data),
        writer_(directory),
        model_(initial_model(settings)),
        updates_per_epoch_((data.train.sentences() + settings.batch - 1) / settings.batch),
        schedule_(make_schedule(settings, updates_per_epoch_)),
        server_(model_, make_rule(settings), server_options()),
        schedules_(settings.parallel),
        progress_(static_cast<double>(data.train.tokens() * settings.epochs),
                  settings.common.progress_settings("tok")) {
    result_.parameters = count(model_);
    result_.best_loss = std::numeric_limits<double>::infinity();
  }

  int64_t parameters() const { return result_.parameters; }

  TrainResult run() {
    check_first_loss();
    for (epoch_ = 0; epoch_ < s_.epochs; ++epoch_) {
      train_epoch();
      if (app::interrupted()) stop_here();
      finish_epoch();
    }
    progress_.finish(static_cast<double>(result_.tokens), status());
    result_.seconds = progress_.seconds();
    schedules_.save();
    return result_;
  }

 private:
  Optimizer& optimizer() { return server_.optimizer(); }
  const Optimizer& optimizer() const { return server_.optimizer(); }

  static LanguageModel<Cell> initial_model(const TrainSettings& s) {
    Rng rng(s.seed);
    LanguageModel<Cell> model(s.model, rng, s.dtype);
    model.dropout = model.rnn.dropout = s.dropout;
    model.rnn.bptt = s.bptt;
    return model;
  }

  /// Before any update a model knows nothing, so its loss is near ln V.
  void check_first_loss() {
    std::vector<int64_t> first;
    for (int64_t i = 0; i < std::min<int64_t>(32, data_.train.sentences()); ++i) first.push_back(i);
    const Batch batch = make_batch(data_.train, first);
    const double loss = mean(model_.token_losses(batch)).value().item();
    const double uniform = std::log(static_cast<double>(s_.model.vocabulary));
    progress_.log(fmt::format("first loss {:.3f}, ln V {:.3f}", loss, uniform));
    if (!(std::abs(loss - uniform) < 0.1 * uniform))
      progress_.log("warning: the first loss is far from ln V; is the initialisation too wide?");
  }

  ServerOptions server_options() {
    const ParallelSettings& p = s_.parallel;
    ServerOptions out;
    out.workers = static_cast<int>(p.simulate ? p.simulate : p.workers);
    out.update = p.update;
    out.shards = p.shards;
    out.staleness = p.staleness;
    out.clip_norm = s_.clip_norm;
    out.damp_stale = p.damp_stale;
    out.shared = {&model_.input.table, &model_.weight};  // all but a few kilobytes of the model
    out.lr = [this](int64_t updates) { return schedule_.lr(updates); };
    out.stop = &app::interrupted();
    return out;
  }

  void train_epoch() {
    epoch_tokens_ = row_tokens_ = batches_ = 0;
    epoch_total_ = row_total_ = 0;
    order_ = epoch_order(data_.train.sentences(), s_.shuffle, s_.seed, epoch_, s_.input.stream);
    set_kernel_threads(static_cast<int>(s_.parallel.threads));
    const auto body = [&](LanguageModel<Cell>& m, Worker& w, int64_t item) {
      train_batch(m, w, item);
    };
    const auto run = [&] {
      if (s_.parallel.simulate) return server_.simulate(updates_per_epoch_, body);
      if (!s_.parallel.record.empty())
        return server_.record(updates_per_epoch_, body, schedules_.next());
      if (!s_.parallel.replay.empty())
        return server_.replay(updates_per_epoch_, body, schedules_.next());
      return server_.run(updates_per_epoch_, body);
    };
    try {
      result_.server += run();
    } catch (const NonFiniteError& e) {
      throw app::UserError(
          app::ExitCode::diverged,
          fmt::format("diverged after update {}: {}", optimizer().steps(), e.what()),
          "lower --lr, set --clip-norm, or use fewer --workers");
    }
  }

  /// What a worker does with one batch: an update, or several with the state carried on.
  void train_batch(LanguageModel<Cell>& m, Worker& w, int64_t item) {
    const size_t first = static_cast<size_t>(item * s_.batch);
    const size_t count = std::min(static_cast<size_t>(s_.batch), order_.size() - first);
    const Batch batch = make_batch(data_.train, std::span(order_).subspan(first, count));
    Rng dropout(s_.seed, dropout_stream(item));
    Rng* rng = s_.dropout > 0 ? &dropout : nullptr;
    const int64_t sentences = batch.sentences(), most = s_.parallel.max_item_tokens;
    const auto weight = static_cast<double>(sentences);
    double loss = 0;
    if (most == 0 || batch.tokens() <= most) {
      loss =
          w.update([&] { return m.loss(batch, rng); }, static_cast<double>(batch.tokens()), weight);
    } else {
      auto state = m.rnn.zero(sentences);
      for (const Batch& piece : pieces(batch, most))
        loss += w.update([&] { return m.loss(piece, sentences, &state, rng); },
                         static_cast<double>(piece.tokens()), weight);
    }
    note(batch.tokens(), loss * weight, w.gradient_norm());
  }

  /// The masks of a batch depend on its place in the training, not on who trains it.
  uint64_t dropout_stream(int64_t item) const {
    return (uint64_t{1} << 40) + static_cast<uint64_t>(epoch_ * updates_per_epoch_ + item);
  }

  /// Books the loss of a batch, in nats, as it was computed for its update.
  void note(int64_t tokens, double total, double gradient_norm) {
    const std::lock_guard lock(books_);
    epoch_total_ += total, row_total_ += total;
    epoch_tokens_ += tokens, row_tokens_ += tokens;
    result_.tokens += tokens;
    recent_loss_ = row_total_ / static_cast<double>(row_tokens_);
    if (s_.clip_norm > 0) grad_norm_ = gradient_norm;
    progress_.update(static_cast<double>(result_.tokens), [&] { return status(); });
    const bool last = ++batches_ == updates_per_epoch_;
    if (batches_ % std::max<int64_t>(1, updates_per_epoch_ / 20) != 0 && !last) return;
    result_.train.tokens.push_back(static_cast<double>(result_.tokens));
    result_.train.loss.push_back(recent_loss_);
    if (!last) metrics_row(recent_loss_, {});
    row_total_ = 0, row_tokens_ = 0;
  }

  void finish_epoch() {
    result_.train_loss = epoch_total_ / static_cast<double>(epoch_tokens_);
    if (data_.valid.sentences() > 0) {
      const auto pause = progress_.pause();
      result_.valid_loss = evaluate(model_, data_.valid).loss();
      result_.valid.tokens.push_back(static_cast<double>(result_.tokens));
      result_.valid.loss.push_back(*result_.valid_loss);
    }
    const double judged = result_.valid_loss.value_or(result_.train_loss);
    const bool lowered = schedule_.observe(judged);
    metrics_row(result_.train_loss, result_.valid_loss);
    std::string line = fmt::format("epoch {}/{}  {}", epoch_ + 1, s_.epochs,
                                   in_words("loss", result_.train_loss, data_.train_floor));
    if (result_.valid_loss)
      line += "  " + in_words("held out", *result_.valid_loss, data_.valid_floor);
    if (lowered) line += fmt::format("  lr -> {:.3g}", schedule_.lr(optimizer().steps()));
    progress_.log(line);
    const bool best = judged < result_.best_loss;
    if (best) result_.best_loss = judged, result_.best_epoch = epoch_ + 1;
    writer_.checkpoint(state(judged), optimizer().steps(), best);
  }

  /// Saves and ends the program as the signal asks.
  [[noreturn]] void stop_here() {
    writer_.checkpoint(
        state(epoch_total_ / static_cast<double>(std::max<int64_t>(1, epoch_tokens_))),
        optimizer().steps(), false);
    const int signal = app::interrupted();
    throw app::UserError(
        signal == SIGINT ? app::ExitCode::interrupted : app::ExitCode::terminated,
        fmt::format("stopped by {} after {} updates; the model is saved in {}",
                    signal == SIGINT ? "SIGINT" : "SIGTERM", optimizer().steps(), s_.output));
  }

  static std::string in_words(const char* what, double loss, std::optional<double> floor) {
    const std::string out = fmt::format("{} {:.4f}", what, loss);
    return out + (floor ? fmt::format(", {:.3f} above the floor {:.3f}", loss - *floor, *floor)
                        : fmt::format("  ppl {:.1f}", std::exp(loss)));
  }

  NamedTensors state(double judged) const {
    NamedTensors out;
    to_tensors(model_, out, "model.");
    optimizer().save(out);
    schedule_.save(out);
    out.put("epoch", epoch_ + 1);
    out.put("tokens", result_.tokens);
    out.put("loss", judged);
    return out;
  }

  void metrics_row(double train_loss, std::optional<double> valid_loss) {
    const auto tokens = static_cast<double>(result_.tokens);
    writer_.metrics({tokens / static_cast<double>(data_.train.tokens()),
                     static_cast<double>(optimizer().steps()), tokens, progress_.seconds(),
                     train_loss, valid_loss, learning_rate(), grad_norm_});
  }

  double learning_rate() const { return schedule_.lr(optimizer().steps()); }

  app::Status status() const {
    app::Status out;
    out.prefix = fmt::format("epoch {}/{}", std::min(epoch_ + 1, s_.epochs), s_.epochs);
    out.fraction = static_cast<double>(epoch_tokens_) / static_cast<double>(data_.train.tokens());
    out.position = fmt::format("step {}", optimizer().steps());
    out.fields = {fmt::format("loss {:.3f}", recent_loss_),
                  data_.train_floor
                      ? fmt::format("{:.3f} above the floor {:.3f}",
                                    recent_loss_ - *data_.train_floor, *data_.train_floor)
                      : fmt::format("ppl {:.1f}", std::exp(recent_loss_)),
                  fmt::format("lr {:.3g}", learning_rate())};
    if (grad_norm_) out.fields.push_back(fmt::format("|g| {:.2f}", *grad_norm_));
    return out;
  }

  const TrainSettings& s_;
  const Data& data_;
  RunWriter writer_;
  LanguageModel<Cell> model_;
  int64_t updates_per_epoch_;
  Schedule schedule_;
  ParameterServer<LanguageModel<Cell>> server_;
  ScheduleFile schedules_;
  app::Progress progress_;

  TrainResult result_;
  std::vector<int64_t> order_;  // of the sentences in this epoch
  std::mutex books_;            // guards what follows while workers run
  int64_t epoch_ = 0, epoch_tokens_ = 0, row_tokens_ = 0, batches_ = 0;
  double epoch_total_ = 0, row_total_ = 0, recent_loss_ = 0;
  std::optional<double> grad_norm_;
};

}  // namespace tapestry::lm
