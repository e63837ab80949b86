#pragma once
// The training loop: updates, progress, evaluation after each epoch, checkpoints, metrics.

#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/data.h>
#include <tapestry/examples/lm/evaluate.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/optim/optimizer.h>
#include <tapestry/optim/schedule.h>

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
        optimizer_(model_, make_rule(settings)),
        updates_per_epoch_((data.train.sentences() + settings.batch - 1) / settings.batch),
        schedule_(make_schedule(settings, updates_per_epoch_)),
        dropout_(settings.seed, 1),
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
      finish_epoch();
    }
    progress_.finish(static_cast<double>(result_.tokens), status());
    result_.seconds = progress_.seconds();
    return result_;
  }

 private:
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

  void train_epoch() {
    epoch_tokens_ = 0;
    epoch_total_ = 0;
    const std::vector<int64_t> order =
        epoch_order(data_.train.sentences(), s_.shuffle, s_.seed, epoch_);
    const int64_t rows_every = std::max<int64_t>(1, updates_per_epoch_ / 20);
    double row_total = 0;
    int64_t row_tokens = 0;
    for (size_t first = 0; first < order.size(); first += static_cast<size_t>(s_.batch)) {
      const size_t count = std::min(static_cast<size_t>(s_.batch), order.size() - first);
      const Batch batch = make_batch(data_.train, std::span(order).subspan(first, count));
      const double total = update(batch);
      epoch_total_ += total, row_total += total;
      epoch_tokens_ += batch.tokens(), row_tokens += batch.tokens();
      result_.tokens += batch.tokens();
      recent_loss_ = row_total / static_cast<double>(row_tokens);
      progress_.update(static_cast<double>(result_.tokens), [&] { return status(); });
      const bool last = first + count == order.size();
      if (optimizer_.steps() % rows_every == 0 || last) {
        result_.train.tokens.push_back(static_cast<double>(result_.tokens));
        result_.train.loss.push_back(recent_loss_);
        if (!last) metrics_row(recent_loss_, {});
        row_total = 0, row_tokens = 0;
      }
    }
  }

  /// One update; returns the summed loss of the batch as computed for it, in nats.
  double update(const Batch& batch) {
    optimizer_.set_lr(schedule_.lr(optimizer_.steps()));
    double loss = 0;
    {
      Tape tape;
      const Var objective = model_.loss(batch, s_.dropout > 0 ? &dropout_ : nullptr);
      loss = objective.value().item();
      if (!std::isfinite(loss))
        throw app::UserError(
            app::ExitCode::diverged,
            fmt::format("the loss of update {} is {}", optimizer_.steps() + 1, loss),
            "lower --lr or set --clip-norm");
      tape.backward(objective);
    }
    if (s_.clip_norm > 0) grad_norm_ = optimizer_.clip_grad_norm(s_.clip_norm);
    optimizer_.step();
    return loss * static_cast<double>(batch.sentences());
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
    if (lowered) line += fmt::format("  lr -> {:.3g}", schedule_.lr(optimizer_.steps()));
    progress_.log(line);
    const bool best = judged < result_.best_loss;
    if (best) result_.best_loss = judged, result_.best_epoch = epoch_ + 1;
    writer_.checkpoint(state(judged), optimizer_.steps(), best);
  }

  static std::string in_words(const char* what, double loss, std::optional<double> floor) {
    const std::string out = fmt::format("{} {:.4f}", what, loss);
    return out + (floor ? fmt::format(", {:.3f} above the floor {:.3f}", loss - *floor, *floor)
                        : fmt::format("  ppl {:.1f}", std::exp(loss)));
  }

  NamedTensors state(double judged) const {
    NamedTensors out;
    to_tensors(model_, out, "model.");
    optimizer_.save(out);
    schedule_.save(out);
    out.put("dropout", dropout_);
    out.put("epoch", epoch_ + 1);
    out.put("tokens", result_.tokens);
    out.put("loss", judged);
    return out;
  }

  void metrics_row(double train_loss, std::optional<double> valid_loss) {
    const auto tokens = static_cast<double>(result_.tokens);
    writer_.metrics({tokens / static_cast<double>(data_.train.tokens()),
                     static_cast<double>(optimizer_.steps()), tokens, progress_.seconds(),
                     train_loss, valid_loss, optimizer_.lr(), grad_norm_});
  }

  app::Status status() const {
    app::Status out;
    out.prefix = fmt::format("epoch {}/{}", std::min(epoch_ + 1, s_.epochs), s_.epochs);
    out.fraction = static_cast<double>(epoch_tokens_) / static_cast<double>(data_.train.tokens());
    out.position = fmt::format("step {}", optimizer_.steps());
    out.fields = {fmt::format("loss {:.3f}", recent_loss_),
                  data_.train_floor
                      ? fmt::format("{:.3f} above the floor {:.3f}",
                                    recent_loss_ - *data_.train_floor, *data_.train_floor)
                      : fmt::format("ppl {:.1f}", std::exp(recent_loss_)),
                  fmt::format("lr {:.3g}", optimizer_.lr())};
    if (grad_norm_)
      out.fields.push_back(
          fmt::format("|g| {:.2f} (clip {:.0f}%)", *grad_norm_, 100 * optimizer_.clip_rate()));
    return out;
  }

  const TrainSettings& s_;
  const Data& data_;
  RunWriter writer_;
  LanguageModel<Cell> model_;
  Optimizer optimizer_;
  int64_t updates_per_epoch_;
  Schedule schedule_;
  Rng dropout_;
  app::Progress progress_;

  TrainResult result_;
  int64_t epoch_ = 0, epoch_tokens_ = 0;
  double epoch_total_ = 0, recent_loss_ = 0;
  std::optional<double> grad_norm_;
};

}  // namespace tapestry::lm
