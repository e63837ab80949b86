#pragma once
// Batches of whole sentences, packed: no padding, and no loss depends on what shares the batch.

#include <vector>

#include <tapestry/examples/lm/text/vocabulary.h>
#include <tapestry/nn/packing.h>
#include <tapestry/tensor/random.h>

namespace tapestry::lm {

struct Batch {
  Packing packing;
  Tensor inputs, targets;  // i32 (rows): begin w1 ... wn and w1 ... wn end, in packed order
  int64_t sentences() const { return packing.batch(); }
  int64_t tokens() const { return packing.rows(); }
};

/// The given sentences of the corpus as one batch.
Batch make_batch(const EncodedCorpus& corpus, std::span<const int64_t> sentences);

/// The batch in pieces of consecutive time steps with at most `max_tokens` tokens each (but at
/// least one step). Slots keep their order; a later piece has the slots that are still alive.
std::vector<Batch> pieces(const Batch& batch, int64_t max_tokens);
int64_t count_pieces(const Packing& packing, int64_t max_tokens);

/// The order in which an epoch visits the sentences: as they are, or shuffled by (seed, epoch).
/// With a `block`, the blocks of so many sentences are shuffled, and each in itself: then only a
/// block at a time needs to be in memory.
std::vector<int64_t> epoch_order(int64_t sentences, bool shuffle, uint64_t seed, int64_t epoch,
                                 int64_t block = 0);

/// Sorts `order` by the length of the sentences, in blocks of so many batches, and then shuffles
/// the whole batches of each block: batches are as random as before, but the sentences of one end
/// at about the same time step, so that late steps do not have few rows.
void group_lengths(const EncodedCorpus& corpus, int64_t batch, int64_t batches, Rng rng,
                   std::vector<int64_t>& order);

}  // namespace tapestry::lm
