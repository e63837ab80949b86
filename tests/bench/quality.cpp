// Seconds of training to an exact held-out loss, objective by objective, on one core:
//   quality TRAIN_TEXT HELD_OUT_TEXT [SECONDS]
// Trains on the first 5,000 sentences of one text and is judged by every fourth of another.
// Evaluation, a tenth of an epoch apart, is left out of the time. A row ends when all losses are
// reached and an epoch is over, or after SECONDS (20) of training.

#include <numeric>
#include <optional>

#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/text/records.h>
#include <tapestry/examples/lm/training/rule.h>
#include <tapestry/examples/lm/training/train_batch.h>

#include "bench.h"
#include "steps.h"

using namespace tapestry;
using namespace bench;

namespace {

constexpr double kMilestones[] = {5.30, 5.20, 5.10, 5.02, 4.93};

struct Texts {
  lm::Vocabulary vocabulary;
  lm::EncodedCorpus train, held_out;
};

Texts read(const std::string& train, const std::string& held_out) {
  const lm::Corpus corpus =
      lm::read_sentences({train}, {.split_sentences = true, .max_sentences = 5000});
  Texts out{lm::Vocabulary::build(corpus), {}, {}};
  out.train = out.vocabulary.encode(corpus);
  const lm::EncodedCorpus all =
      out.vocabulary.encode(lm::read_sentences({held_out}, {.split_sentences = true}));
  for (int64_t i = 0; i < all.sentences(); i += 4) {
    const auto sentence = all.sentence(i);
    out.held_out.ids.insert(out.held_out.ids.end(), sentence.begin(), sentence.end());
    out.held_out.offsets.push_back(static_cast<int64_t>(out.held_out.ids.size()));
  }
  return out;
}

/// As `lm train` trains, without a run directory.
struct Training {
  lm::TrainSettings settings;
  lm::LanguageModel model;
  Optimizer optimizer;
  int64_t updates = 0, tokens = 0;
  double seconds = 0;

  Training(const lm::TrainSettings& s, const Texts& texts)
      : settings(s),
        model(lm::initial_model(s, texts.vocabulary)),
        optimizer(model, lm::make_rule(s), lm::make_groups(s, model)) {}

  void update(const lm::EncodedCorpus& text, std::span<const int64_t> sentences) {
    const double start = now();
    const lm::Batch batch = lm::make_batch(text, sentences);
    Rng rng(settings.seed, static_cast<uint64_t>(updates++));
    bench::update(optimizer, [&] { return model.loss(batch, &rng); });
    tokens += batch.tokens();
    seconds += now() - start;
  }
};

struct Result {
  std::array<std::optional<double>, std::size(kMilestones)> at;
  double best = 1e9, best_at = 0, first_epoch = 0, speed = 0;
};

Result train(const lm::TrainSettings& s, const Texts& texts, double most) {
  Training t(s, texts);
  Result out;
  const auto batch = static_cast<size_t>(s.batch);
  const auto ended = [&](int64_t epoch) {
    return t.seconds >= most || (epoch > 0 && out.at.back().has_value());
  };
  for (int64_t epoch = 0; !ended(epoch); ++epoch) {
    const auto order = lm::epoch_order(texts.train.sentences(), true, s.seed, epoch);
    const size_t updates = order.size() / batch;
    for (size_t i = 0; i < updates && !ended(epoch); ++i) {
      t.update(texts.train, std::span(order).subspan(i * batch, batch));
      const bool whole = i + 1 == updates;
      if (!whole && (i + 1) % (updates / 10) != 0) continue;
      const double loss = lm::evaluate(t.model, texts.held_out, 32).loss();
      for (size_t k = 0; k < out.at.size(); ++k)
        if (!out.at[k] && loss <= kMilestones[k]) out.at[k] = t.seconds;
      if (loss < out.best) out.best = loss, out.best_at = t.seconds;
      if (whole && epoch == 0) out.first_epoch = loss;
    }
  }
  out.speed = static_cast<double>(t.tokens) / t.seconds;
  return out;
}

void row(const std::string& name, const Result& r) {
  fmt::print("{:<34} {:>8.0f} {:>7.3f} {:>7.3f} {:>6.1f} ", name, r.speed, r.first_epoch, r.best,
             r.best_at);
  for (const auto& at : r.at) fmt::print(" {:>6}", at ? fmt::format("{:.2f}", *at) : "-");
  fmt::print("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  restart_with_better_blas(argv);
  if (argc < 3) {
    fmt::print(stderr, "usage: quality TRAIN_TEXT HELD_OUT_TEXT [SECONDS]\n");
    return 2;
  }
  const double most = argc > 3 ? std::stod(argv[3]) : 20;
  const Texts texts = read(argv[1], argv[2]);
  fmt::print("{}\n{} training tokens, {} words, {} held-out tokens\n\n", machine(),
             texts.train.tokens(), texts.vocabulary.size(), texts.held_out.tokens());
  fmt::print("{:<34} {:>8} {:>7} {:>7} {:>6} ", "", "tokens/s", "epoch 1", "best", "at s");
  for (const double loss : kMilestones) fmt::print(" {:>6.2f}", loss);
  fmt::print("\n");

  lm::TrainSettings exact;
  exact.model = {.cell = "gru", .vocabulary = texts.vocabulary.size(), .hidden = 100, .embed = 100};
  exact.bptt.mode = BpttMode::full;
  exact.batch = 8;
  exact.optimizer = "adagrad";
  exact.lr = 0.1;
  row("GRU, exact, Adagrad", train(exact, texts, most));
  lm::TrainSettings rules = exact;
  rules.optimizer = "adam";
  rules.lr = 0.003;
  rules.row_optimizer = "adagrad";
  rules.row_lr = 0.1;
  rules.unigram_bias = true;
  row("GRU, exact, two rules, bias", train(rules, texts, most));
  const std::pair<const char*, int64_t> cheap[] = {
      {"rnn", 128}, {"gru", 128}, {"gru", 256}, {"lstm", 128}};
  for (const auto& [cell, samples] : cheap) {
    lm::TrainSettings s = rules;
    s.model.cell = cell;
    s.softmax = "sampled";
    s.samples = samples;
    row(fmt::format("{}, sampled {}, two rules, bias", cell, samples), train(s, texts, most));
  }
  return 0;
}
