#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/training/train_batch.h>

#include <algorithm>

namespace tapestry::lm {

LanguageModel initial_model(const TrainSettings& s) {
  Rng rng(s.seed);
  LanguageModel model(s.model, rng, s.dtype);
  model.set_dropout(s.dropout);
  model.rnn.set_bptt(s.bptt);
  return model;
}

LanguageModel initial_model(const TrainSettings& s, const Vocabulary& vocabulary) {
  LanguageModel model = initial_model(s);
  if (!s.sampled() && !s.unigram_bias) return model;
  std::vector<int64_t> counts;
  for (int32_t id = 0; id < vocabulary.size(); ++id) counts.push_back(vocabulary.count(id));
  counts[Vocabulary::begin] = 0;  // no target is one
  const auto refuse = [](const std::string& what, const std::string& hint) {
    throw app::UserError(app::ExitCode::usage, what, hint);
  };
  if (std::all_of(counts.begin(), counts.end(), [](int64_t n) { return n == 0; }))
    refuse(s.sampled()
               ? "--softmax sampled draws words by their counts, which this vocabulary lacks"
               : "--unigram-bias needs the words' counts, which this vocabulary lacks",
           "use the vocabulary of a text (lm vocab), or leave the option out");
  if (s.sampled() && s.samples > vocabulary.size())
    refuse(fmt::format("--samples {} is more than the {} words of the vocabulary", s.samples,
                       vocabulary.size()),
           "give fewer, or --softmax full");
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

int64_t piece_tokens(const ParallelSettings& p, const Packing& packing) {
  constexpr int64_t kTokens = 4000;
  if (p.max_item_tokens > 0) return packing.rows() > p.max_item_tokens ? p.max_item_tokens : 0;
  return packing.steps() > kLongestSentence && !in_rounds(p) ? kTokens : 0;
}

void train_batch(const LanguageModel& m, Worker& w, const Batch& batch, int64_t most, Carried& at,
                 const AfterUpdate& after) {
  const int64_t sentences = batch.sentences();
  const auto weight = static_cast<double>(sentences);
  const auto update = [&](const Batch& b, State* state, bool last) {
    const auto loss = [&] { return m.loss(b, sentences, state, &at.rng); };
    const double nats = weight * w.update(loss, static_cast<double>(b.tokens()), weight);
    return after(nats, b.tokens(), last);
  };
  if (most == 0) {
    update(batch, nullptr, true);
    return;
  }
  const std::vector<Batch> all = pieces(batch, most);
  const auto count = static_cast<int64_t>(all.size());
  if (at.piece >= count) at.piece = 0;  // it was cut otherwise
  if (at.piece == 0) at.state = m.rnn.zero(sentences);
  while (at.piece < count) {
    const Batch& piece = all[static_cast<size_t>(at.piece++)];
    if (!update(piece, &at.state, at.piece == count)) return;
  }
}

}  // namespace tapestry::lm
