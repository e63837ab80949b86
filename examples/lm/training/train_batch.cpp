#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/training/stop_inside.h>
#include <tapestry/examples/lm/training/train_batch.h>

#include <algorithm>
#include <cmath>

namespace tapestry::lm {

LanguageModel initial_model(const TrainSettings& s) {
  Rng rng(s.seed);
  LanguageModel model(s.model, rng, s.dtype);
  model.set_dropout({.units = s.dropout,
                     .weights = s.weight_drop,
                     .steps = s.zoneout,
                     .locked = s.locked_dropout});
  model.rnn.set_bptt(s.bptt);
  return model;
}

LanguageModel initial_model(const TrainSettings& s, const Vocabulary& vocabulary) {
  LanguageModel model = initial_model(s);
  if (!s.sampled() && !s.adaptive() && !s.unigram_bias) return model;
  std::vector<int64_t> counts;
  for (int32_t id = 0; id < vocabulary.size(); ++id) counts.push_back(vocabulary.count(id));
  counts[Vocabulary::begin] = 0;  // no target is one
  const auto refuse = [](const std::string& what, const std::string& hint) {
    throw app::UserError(app::ExitCode::usage, what, hint);
  };
  if (std::all_of(counts.begin(), counts.end(), [](int64_t n) { return n == 0; }))
    refuse((s.sampled()    ? "--softmax sampled draws words by their counts"
            : s.adaptive() ? "--softmax adaptive sorts words by their counts"
                           : "--unigram-bias needs the words' counts") +
               std::string(", which this vocabulary lacks"),
           "use the vocabulary of a text (lm vocab), or leave the option out");
  if (s.sampled() && s.samples > vocabulary.size())
    refuse(fmt::format("--samples {} is more than the {} words of the vocabulary", s.samples,
                       vocabulary.size()),
           "give fewer, or --softmax full");
  for (int32_t id = Vocabulary::end + 2; s.adaptive() && id < vocabulary.size(); ++id)
    if (vocabulary.count(id) > vocabulary.count(id - 1))
      refuse(fmt::format("--softmax adaptive needs words by falling count: '{}' comes before '{}', "
                         "which is more frequent",
                         vocabulary.token(id - 1), vocabulary.token(id)),
             "use the vocabulary of a text (lm vocab), or --softmax full");
  if (s.unigram_bias) model.softmax.set_frequencies(counts);
  if (s.sampled()) model.softmax.sample(counts, s.samples);
  return model;
}

ServerOptions server_options(const TrainSettings& s, const LanguageModel& model) {
  const ParallelSettings& p = s.parallel;
  ServerOptions out;
  out.workers = static_cast<int>(p.simulate ? p.simulate : p.workers);
  out.update = p.update;
  out.shards = p.shards;
  out.staleness = p.staleness;
  out.clip_norm = s.clip_norm;
  out.damp_stale = p.damp_stale;
  out.shared = model.shared();
  return out;
}

RankOptions rank_options(const TrainSettings& s, const Cluster& cluster, double tokens) {
  const ParallelSettings& p = s.parallel;
  RankOptions out;
  out.communicator = cluster.communicator();
  out.between = p.between;
  out.every = std::max<int64_t>(
      1, std::llround(static_cast<double>(p.exchange_every) / std::max(1.0, tokens)));
  out.by_items = p.exchange_by_items;
  out.outer = p.outer;
  out.rate = p.outer_rate, out.momentum = p.outer_momentum;
  return out;
}

int64_t piece_tokens(const ParallelSettings& p, const Packing& packing) {
  constexpr int64_t kTokens = 4000;
  if (p.max_item_tokens > 0) return packing.rows() > p.max_item_tokens ? p.max_item_tokens : 0;
  return packing.steps() > kLongestSentence && !in_rounds(p) ? kTokens : 0;
}

namespace {

bool update(const LanguageModel& m, Worker& w, const Batch& batch, int64_t sentences, State* state,
            Carried& at, bool last, const AfterUpdate& after) {
  const auto weight = static_cast<double>(sentences);
  const auto loss = [&] { return m.loss(batch, sentences, state, &at.rng); };
  const Carried before = at;
  double nats = 0;
  try {
    nats = weight * w.update(loss, static_cast<double>(batch.tokens()), weight);
  } catch (const Interrupted&) {
    at = before;
    return false;
  }
  ++at.piece;
  return after(nats, batch.tokens(), last);
}

}  // namespace

void train_window(const LanguageModel& m, Worker& w, const Batch& batch, Carried& at,
                  const AfterUpdate& after) {
  update(m, w, batch, batch.sentences(), &at.state, at, true, after);
}

void train_batch(const LanguageModel& m, Worker& w, const Batch& batch, int64_t most, Carried& at,
                 const AfterUpdate& after) {
  const int64_t sentences = batch.sentences();
  if (most == 0) {
    update(m, w, batch, sentences, nullptr, at, true, after);
    return;
  }
  const std::vector<Batch> all = pieces(batch, most);
  const auto count = static_cast<int64_t>(all.size());
  if (at.piece >= count) at.piece = 0;  // it was cut otherwise
  if (at.piece == 0) at.state = m.rnn.zero(sentences);
  while (at.piece < count) {
    const Batch& piece = all[static_cast<size_t>(at.piece)];
    if (!update(m, w, piece, sentences, &at.state, at, at.piece + 1 == count, after)) return;
  }
}

}  // namespace tapestry::lm
