// lm train: reads text, trains a model, leaves a run directory.

#include <fmt/format.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/evaluate.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/optim/optimizer.h>
#include <tapestry/optim/schedule.h>

#include <ctime>
#include <nlohmann/json.hpp>

namespace tapestry::lm {
namespace {

using app::ExitCode;
using app::UserError;

/// Training and held-out sentences with their vocabulary.
struct Data {
  Vocabulary vocabulary;
  EncodedCorpus train, valid;  // valid may be empty
};

/// FNV-1a over the tokens: a sentence and its copies land on the same side of a split.
double hash_fraction(std::span<const int32_t> ids, const TokenTable& types) {
  uint64_t h = 14695981039346656037u;
  for (const int32_t id : ids)
    for (const char c : types.token(id) + ' ')
      h = (h ^ static_cast<unsigned char>(c)) * 1099511628211u;
  h ^= h >> 32;
  h *= 0x9E3779B97F4A7C15u;  // FNV's high bits are weak
  return static_cast<double>(h >> 11) * 0x1p-53;
}

Data read_data(const TrainSettings& s) {
  const ReadOptions options{s.input.lower, s.input.split_sentences, s.input.max_sentences};
  Corpus all = read_sentences(s.files, options), train, valid;
  if (!s.valid.empty()) {
    valid = read_sentences(s.valid, {s.input.lower, s.input.split_sentences});
    train = std::move(all);
  } else if (s.valid_split > 0) {
    for (int64_t i = 0; i < all.sentences(); ++i)
      (hash_fraction(all.sentence(i), all.types) < s.valid_split ? valid : train).add(all.words(i));
    if (train.sentences() == 0) std::swap(train, valid);
  } else {
    train = std::move(all);
  }
  Data data{Vocabulary::build(train, s.vocab_size, s.min_count), {}, {}};
  data.train = data.vocabulary.encode(train);
  if (valid.sentences() > 0) data.valid = data.vocabulary.encode(valid);
  return data;
}

UpdateRule make_rule(const TrainSettings& s) {
  if (s.optimizer == "adam") return Adam{.lr = s.lr};
  if (s.optimizer == "adamw") {
    AdamW rule{.lr = s.lr};
    rule.weight_decay = s.weight_decay;
    return rule;
  }
  if (s.optimizer == "rmsprop") return RMSProp{.lr = s.lr};
  if (s.optimizer == "adagrad") return Adagrad{.lr = s.lr};
  return SGD{.lr = s.lr, .momentum = s.momentum, .weight_decay = s.weight_decay};
}

Schedule make_schedule(const TrainSettings& s, int64_t updates_per_epoch) {
  const int64_t total = updates_per_epoch * s.epochs;
  Schedule schedule = s.schedule == "plateau" ? Schedule::plateau(s.lr)
                      : s.schedule == "step"  ? Schedule::step(s.lr, updates_per_epoch, 0.5)
                      : s.schedule == "cosine"
                          ? Schedule::cosine(s.lr, std::max<int64_t>(1, total - s.warmup))
                          : Schedule::constant(s.lr);
  return s.warmup > 0 ? schedule.warm_up(s.warmup) : schedule;
}

void banner(const TrainSettings& s, const Data& data, int64_t parameters) {
  const auto percent_unknown = [](const EncodedCorpus& c) {
    return 100 * static_cast<double>(c.oov) / static_cast<double>(c.tokens() - c.sentences());
  };
  fmt::print(stderr, "data   {} sentences, {} tokens, longest {}, {:.2f}% unknown; vocabulary {}",
             data.train.sentences(), data.train.tokens(), data.train.longest,
             percent_unknown(data.train), data.vocabulary.size());
  if (data.vocabulary.size() < s.vocab_size) fmt::print(stderr, " (the text has no more types)");
  fmt::print(stderr, "\n");
  if (data.valid.sentences() > 0)
    fmt::print(stderr, "valid  {} sentences, {} tokens, {:.2f}% unknown\n", data.valid.sentences(),
               data.valid.tokens(), percent_unknown(data.valid));
  fmt::print(stderr, "model  {} {} x {}, {}, {} parameters, {}\n", s.model.cell, s.model.layers,
             s.model.hidden,
             s.model.embed ? fmt::format("embedding {}", s.model.embed) : "one-hot input",
             parameters, s.dtype == f64 ? "double" : "float");
  fmt::print(stderr, "train  {} lr {:g}, {} sentences per update, {} epochs, seed {}\n",
             s.optimizer, s.lr, s.batch, s.epochs, s.seed);
  fmt::print(stderr, "run    {}\n", s.output);
}

template <class Cell>
class Trainer {
 public:
  Trainer(const TrainSettings& settings, const Data& data, const app::RunDirectory& directory)
      : s_(settings),
        data_(data),
        directory_(directory),
        model_(initial_model(settings)),
        optimizer_(model_, make_rule(settings)),
        updates_per_epoch_((data.train.sentences() + settings.batch - 1) / settings.batch),
        schedule_(make_schedule(settings, updates_per_epoch_)),
        dropout_(settings.seed, 1),
        metrics_(directory.path(), {"epoch", "step", "tokens", "seconds", "train_loss",
                                    "valid_loss", "lr", "grad_norm"}),
        progress_(static_cast<double>(data.train.tokens() * settings.epochs),
                  settings.common.progress_settings("tok")) {}

  int64_t parameters() const { return count(model_); }

  void run() {
    check_first_loss();
    for (epoch_ = 0; epoch_ < s_.epochs; ++epoch_) {
      train_epoch();
      finish_epoch();
    }
    progress_.finish(static_cast<double>(tokens_), status());
  }

  nlohmann::ordered_json results() const {
    const double seconds = progress_.seconds();
    return {{"train_seconds", seconds},
            {"tokens_per_second", static_cast<double>(tokens_) / seconds},
            {"epochs", s_.epochs},
            {"train_loss", epoch_loss()},
            {"valid_loss", valid_loss_ ? nlohmann::ordered_json(*valid_loss_) : nullptr},
            {"floor", nullptr},
            {"parameters", parameters()},
            {"run", s_.output}};
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
      epoch_tokens_ += batch.tokens(), row_tokens += batch.tokens(), tokens_ += batch.tokens();
      recent_loss_ = row_total / static_cast<double>(row_tokens);
      progress_.update(static_cast<double>(tokens_), [&] { return status(); });
      if (optimizer_.steps() % rows_every == 0 && first + count < order.size()) {
        metrics_row(row_total / static_cast<double>(row_tokens), {});
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
        throw UserError(ExitCode::diverged,
                        fmt::format("the loss of update {} is {}", optimizer_.steps() + 1, loss),
                        "lower --lr or set --clip-norm");
      tape.backward(objective);
    }
    if (s_.clip_norm > 0) grad_norm_ = optimizer_.clip_grad_norm(s_.clip_norm);
    optimizer_.step();
    return loss * static_cast<double>(batch.sentences());
  }

  void finish_epoch() {
    if (data_.valid.sentences() > 0) {
      const auto pause = progress_.pause();
      valid_loss_ = evaluate(model_, data_.valid).loss();
    }
    const double judged = valid_loss_.value_or(epoch_loss());
    const bool lowered = schedule_.observe(judged);
    metrics_row(epoch_loss(), valid_loss_);
    const std::string valid = valid_loss_ ? fmt::format("  valid loss {:.4f} ppl {:.1f}",
                                                        *valid_loss_, std::exp(*valid_loss_))
                                          : "";
    progress_.log(
        fmt::format("epoch {}/{}  loss {:.4f}  ppl {:.1f}{}{}", epoch_ + 1, s_.epochs, epoch_loss(),
                    std::exp(epoch_loss()), valid,
                    lowered ? fmt::format("  lr -> {:g}", schedule_.lr(optimizer_.steps())) : ""));
    save_checkpoint(judged);
  }

  void save_checkpoint(double judged) {
    NamedTensors state;
    to_tensors(model_, state, "model.");
    optimizer_.save(state);
    schedule_.save(state);
    state.put("dropout", dropout_);
    state.put("epoch", epoch_ + 1);
    state.put("tokens", tokens_);
    state.put("loss", judged);
    const std::string name = fmt::format("ckpt-{:06}.safetensors", optimizer_.steps());
    write_safetensors((directory_ / name).string(), state);
    link("last", name);
    if (judged < best_loss_) {
      best_loss_ = judged;
      link("best", name);
    }
    remove_unlinked();
  }

  /// Replaces a symbolic link in one step.
  void link(const std::string& name, const std::string& target) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path beside = directory_ / (name + ".new");
    fs::remove(beside, error);
    fs::create_symlink(target, beside, error);
    if (!error) fs::rename(beside, directory_ / name, error);
    if (error)
      throw UserError(ExitCode::cannot_create,
                      (directory_ / name).string() + ": " + error.message());
    (name == "last" ? last_ : best_) = target;
  }

  void remove_unlinked() {
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("ckpt-") && name != last_ && name != best_)
        std::filesystem::remove(entry.path());
    }
  }

  void metrics_row(double train_loss, std::optional<double> valid_loss) {
    const double epochs = static_cast<double>(tokens_) / static_cast<double>(data_.train.tokens());
    metrics_.row({epochs, static_cast<double>(optimizer_.steps()), static_cast<double>(tokens_),
                  progress_.seconds(), train_loss, valid_loss, optimizer_.lr(), grad_norm_});
  }

  app::Status status() const {
    app::Status out;
    const int64_t epoch = std::min(epoch_ + 1, s_.epochs);
    out.prefix = fmt::format("epoch {}/{}", epoch, s_.epochs);
    out.fraction = static_cast<double>(epoch_tokens_) / static_cast<double>(data_.train.tokens());
    out.position = fmt::format("step {}", optimizer_.steps());
    out.fields = {fmt::format("loss {:.3f}", recent_loss_),
                  fmt::format("ppl {:.1f}", std::exp(recent_loss_)),
                  fmt::format("lr {:g}", optimizer_.lr())};
    if (grad_norm_)
      out.fields.push_back(
          fmt::format("|g| {:.2f} (clip {:.0f}%)", *grad_norm_, 100 * optimizer_.clip_rate()));
    return out;
  }

  double epoch_loss() const { return epoch_total_ / static_cast<double>(epoch_tokens_); }

  const TrainSettings& s_;
  const Data& data_;
  const app::RunDirectory& directory_;
  LanguageModel<Cell> model_;
  Optimizer optimizer_;
  int64_t updates_per_epoch_;
  Schedule schedule_;
  Rng dropout_;
  app::MetricsWriter metrics_;
  app::Progress progress_;

  int64_t epoch_ = 0, tokens_ = 0, epoch_tokens_ = 0;
  double epoch_total_ = 0, recent_loss_ = 0;
  std::optional<double> grad_norm_, valid_loss_;
  double best_loss_ = std::numeric_limits<double>::infinity();
  std::string last_, best_;
};

}  // namespace

ExitCode train(TrainSettings s) {
  check(s);
  if (s.lr == 0) s.lr = s.optimizer == "sgd" ? 0.005 : 0.001;
  const Data data = read_data(s);
  s.model.vocabulary = data.vocabulary.size();
  if (s.output.empty()) s.output = app::create_default_run("lm", std::time(nullptr)).string();
  const app::RunDirectory directory(
      s.output, run_files(), s.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);
  app::write_atomically(directory / "config.json", config_text(s));
  data.vocabulary.save((directory / "vocab.txt").string());

  with_cell(s.model.cell, [&]<class Cell>() {
    Trainer<Cell> trainer(s, data, directory);
    if (!s.common.quiet) banner(s, data, trainer.parameters());
    trainer.run();
    const nlohmann::ordered_json results = trainer.results();
    if (s.json) {
      fmt::print("{}\n", results.dump(2));
    } else {
      fmt::print("train loss {:.4f}", results["train_loss"].get<double>());
      if (!results["valid_loss"].is_null()) {
        const double loss = results["valid_loss"].get<double>();
        fmt::print(", valid loss {:.4f}, perplexity {:.1f}", loss, std::exp(loss));
      }
      fmt::print(" after {} epochs, {:.0f} tokens/s\nrun {}\n", s.epochs,
                 results["tokens_per_second"].get<double>(), s.output);
    }
  });
  return ExitCode::ok;
}

}  // namespace tapestry::lm
