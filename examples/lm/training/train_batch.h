#pragma once
// What lm train and the experiments share: the model they begin with, the options of the server,
// and what a worker does with one batch.

#include <tapestry/examples/lm/model/batch.h>
#include <tapestry/examples/lm/model/model.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/optim/server/parameter_server.h>

namespace tapestry::lm {

template <class Cell>
LanguageModel<Cell> initial_model(const TrainSettings& s) {
  Rng rng(s.seed);
  LanguageModel<Cell> model(s.model, rng, s.dtype);
  model.dropout = model.rnn.dropout = s.dropout;
  model.rnn.bptt = s.bptt;
  return model;
}

template <class Cell>
ServerOptions server_options(const TrainSettings& s, const LanguageModel<Cell>& model) {
  const ParallelSettings& p = s.parallel;
  ServerOptions out;
  out.workers = static_cast<int>(p.simulate ? p.simulate : p.workers);
  out.update = p.update;
  out.shards = p.shards;
  out.staleness = p.staleness;
  out.clip_norm = s.clip_norm;
  out.damp_stale = p.damp_stale;
  out.shared = {&model.input.table, &model.weight};  // all but a few kilobytes of the model
  return out;
}

struct BatchLoss {
  double total = 0;     // nats, summed over the tokens
  int64_t updates = 0;  // that were made of the batch
};

/// An update, or where the batch has more than `most` tokens (0: never) one for each piece, with
/// the state carried on. Throws NonFiniteError.
template <class Cell>
BatchLoss train_batch(const LanguageModel<Cell>& m, Worker& w, const Batch& batch, int64_t most,
                      Rng* dropout = nullptr) {
  const int64_t sentences = batch.sentences();
  const auto weight = static_cast<double>(sentences);
  const auto update = [&](const Batch& b, auto loss) {
    return weight * w.update(loss, static_cast<double>(b.tokens()), weight);
  };
  if (most == 0 || batch.tokens() <= most)
    return {update(batch, [&] { return m.loss(batch, dropout); }), 1};
  BatchLoss out;
  auto state = m.rnn.zero(sentences);
  for (const Batch& piece : pieces(batch, most)) {
    out.total += update(piece, [&] { return m.loss(piece, sentences, &state, dropout); });
    ++out.updates;
  }
  return out;
}

}  // namespace tapestry::lm
