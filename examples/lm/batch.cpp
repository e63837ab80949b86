#include <tapestry/examples/lm/batch.h>

#include <numeric>

namespace tapestry::lm {

Batch make_batch(const EncodedCorpus& corpus, std::span<const int64_t> sentences) {
  std::vector<int64_t> lengths;
  for (const int64_t s : sentences)
    lengths.push_back(static_cast<int64_t>(corpus.inputs(s).size()));
  Batch batch{Packing(lengths), {}, {}};
  const Packing& p = batch.packing;
  batch.inputs = Tensor::empty({p.rows()}, i32);
  batch.targets = Tensor::empty({p.rows()}, i32);
  for (int64_t slot = 0; slot < p.batch(); ++slot) {
    const int64_t s = sentences[static_cast<size_t>(p.order[static_cast<size_t>(slot)])];
    const auto in = corpus.inputs(s), out = corpus.targets(s);
    for (size_t t = 0; t < in.size(); ++t) {
      batch.inputs.data<int32_t>()[p.offsets[t] + slot] = in[t];
      batch.targets.data<int32_t>()[p.offsets[t] + slot] = out[t];
    }
  }
  return batch;
}

std::vector<int64_t> epoch_order(int64_t sentences, bool shuffle, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(sentences));
  std::iota(order.begin(), order.end(), 0);
  if (shuffle) {
    constexpr uint64_t kShuffleStream = uint64_t{1} << 32;
    Rng(seed, kShuffleStream + static_cast<uint64_t>(epoch)).shuffle(std::span(order));
  }
  return order;
}

}  // namespace tapestry::lm
