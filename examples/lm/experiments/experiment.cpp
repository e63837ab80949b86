#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/experiments/experiment.h>
#include <tapestry/examples/lm/presets.h>
#include <tapestry/examples/lm/train_options.h>

namespace tapestry::lm {

TrainSettings experiment_settings() {
  TrainSettings s;
  s.preset = "reference";
  s = defaults_of(s);
  s.input.size = 5000;
  s.lr = 0.005;
  s.parallel.exchange_every = 2000;  // of nodes: so that short trainings have some exchanges
  return s;
}

void add_experiment_options(app::Command& command, TrainSettings& s) {
  using app::number, app::whole_number;
  command.add_option("FILE", s.input.files, "text to train on (default: the built-in zipf)");
  command.add_option("--size", s.input.size, "training sentences of the built-in corpus")
      ->check(whole_number(1, 100'000'000))
      ->group("Input");
  add_text_options(command, s.input.text);
  command.add_option("--vocab-size", s.input.vocab_size, "most frequent tokens kept")
      ->check(whole_number(4, 10'000'000))
      ->group("Tokens");
  add_model_options(command, s.model, s.bptt);
  app::add_choice<DType>(command, "--dtype", s.dtype, {{"float", f32}, {"double", f64}},
                         "element type")
      ->group("Model");
  command.add_option("--lr", s.lr, "learning rate of sgd")->check(number(0))->group("Training");
  command.add_option("--clip-norm", s.clip_norm, "largest gradient norm (0: off)")
      ->check(number(0))
      ->group("Training");
  command.add_option("--seed", s.seed, "of initialisation and order")
      ->check(whole_number(0))
      ->group("Training");
  command
      .add_option("--max-item-tokens", s.parallel.max_item_tokens,
                  "update after this many tokens, carrying the state on (0: after a batch)")
      ->check(whole_number(0))
      ->group("Parallel");
  command
      .add_flag("--damp-stale", s.parallel.damp_stale, "divide the learning rate by 1 + staleness")
      ->group("Parallel");
  command.add_option("-o,--output", s.output, "directory of table and picture (default: in runs/)")
      ->group("Output");
  command.add_flag("--overwrite", s.overwrite, "replace what is in the output directory")
      ->group("Output");
  app::add_common_options(command, s.common);
}

Data read_experiment_data(TrainSettings& s) {
  if (s.input.files.empty()) s.input.corpus = "zipf";
  check_model(s.model, s.bptt);
  Data data = read_data(s.input);
  s.model.vocabulary = data.vocabulary.size();
  if (!s.common.quiet)
    app::note("data   {} sentences, {} tokens\nmodel  {}, sgd lr {:g}, {}, seed {}\n",
              data.train.sentences(), data.train.tokens(), describe_model(s), s.lr,
              describe_bptt(s.bptt), s.seed);
  return data;
}

EncodedCorpus first_of(const EncodedCorpus& corpus, int64_t n) {
  EncodedCorpus out;
  n = std::min(n, corpus.sentences());
  out.offsets.assign(corpus.offsets.begin(), corpus.offsets.begin() + n + 1);
  out.ids.assign(corpus.ids.begin(), corpus.ids.begin() + out.offsets.back());
  return out;
}

Experiment::Experiment(const TrainSettings& s, const EncodedCorpus& corpus)
    : model(initial_model(s)), s_(s), corpus_(corpus), server_(model, SGD{.lr = s.lr}, options()) {}

ServerOptions Experiment::options() const {
  ServerOptions out = server_options(s_, model);
  out.stop = &app::interrupted();
  return out;
}

Batches Experiment::next(int64_t sentences) {
  const int64_t n = corpus_.sentences();
  Batches batches;
  for (int64_t left = sentences; left > 0;) {
    if (next_ % n == 0) order_ = epoch_order(n, true, s_.seed, next_ / n);
    const int64_t at = next_ % n, take = std::min({s_.batch, left, n - at});
    batches.emplace_back(order_.begin() + at, order_.begin() + at + take);
    next_ += take, left -= take;
  }
  return batches;
}

ServerStats Experiment::train(std::span<const std::vector<int64_t>> batches, const DelayLaw* law) {
  total_ = 0, tokens_ = 0;
  const auto body = [&](LanguageModel& m, Worker& w, int64_t item) {
    const Batch batch = make_batch(corpus_, batches[static_cast<size_t>(item)]);
    Carried at;
    const int64_t most = piece_tokens(s_.parallel, batch.packing);
    train_batch(m, w, batch, most, at, [&](double nats, int64_t tokens, bool) {
      total_.fetch_add(nats, std::memory_order_relaxed);
      tokens_.fetch_add(tokens, std::memory_order_relaxed);
      return !app::interrupted();
    });
  };
  const auto items = static_cast<int64_t>(batches.size());
  const ServerStats stats = law ? server_.simulate(items, body, *law) : server_.run(items, body);
  stop_if_interrupted();
  return stats;
}

void stop_if_interrupted() {
  if (const int signal = app::interrupted())
    throw app::UserError(app::exit_code_of(signal), "stopped by " + app::signal_name(signal));
}

}  // namespace tapestry::lm
