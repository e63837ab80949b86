#pragma once
// What lm train and the experiments share: the model they begin with, the options of the server,
// and what a worker does with one batch.

#include <functional>

#include <tapestry/examples/lm/model/language_model.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/training/cluster.h>
#include <tapestry/optim/server/options.h>
#include <tapestry/optim/server/worker.h>

namespace tapestry::lm {

/// Of the given shape, with dropout and truncation set.
LanguageModel initial_model(const TrainSettings& settings);
/// The same with what follows from the counts of the words: biases, and what is sampled. Throws
/// UserError (usage) where there are none, or fewer words than samples.
LanguageModel initial_model(const TrainSettings& settings, const Vocabulary& vocabulary);

ServerOptions server_options(const TrainSettings& settings, const LanguageModel& model);
/// For items of so many tokens on average.
RankOptions rank_options(const TrainSettings& settings, const Cluster& cluster, double tokens);

/// Time steps of a batch that is trained as a whole: longer sentences are cut into pieces.
inline constexpr int64_t kLongestSentence = 1000;

/// The most tokens of a piece of such a batch, as --max-item-tokens or the length of its sentences
/// asks for; 0: it is not cut.
int64_t piece_tokens(const ParallelSettings& settings, const Packing& packing);

/// Where a batch that is trained in pieces stands: what its next piece begins with.
struct Carried {
  int64_t piece = 0;
  State state = {};
  Rng rng{0};  // of dropout
};

/// Told the loss in nats of the tokens of an update, and whether it was the last of the batch;
/// false: stop here.
using AfterUpdate = std::function<bool(double nats, int64_t tokens, bool last)>;

/// One update by a window of a stream, which begins and ends in `at.state`. An update that is given
/// up (stop_inside.h) leaves `at` as it was, here and below.
void train_window(const LanguageModel& model, Worker& worker, const Batch& batch, Carried& at,
                  const AfterUpdate& after);

/// One update by the whole batch or, where `most` > 0, one for each piece of at most so many
/// tokens, with the state carried on, from the piece where `at` stands. Throws NonFiniteError.
void train_batch(const LanguageModel& model, Worker& worker, const Batch& batch, int64_t most,
                 Carried& at, const AfterUpdate& after);

}  // namespace tapestry::lm
