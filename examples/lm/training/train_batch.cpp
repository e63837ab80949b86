#include <tapestry/examples/lm/training/train_batch.h>

namespace tapestry::lm {

LanguageModel initial_model(const TrainSettings& s) {
  Rng rng(s.seed);
  LanguageModel model(s.model, rng, s.dtype);
  model.set_dropout(s.dropout);
  model.rnn.set_bptt(s.bptt);
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
