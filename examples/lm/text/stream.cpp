#include <tapestry/examples/lm/text/stream.h>

#include <algorithm>

namespace tapestry::lm {

Stream::Stream(const EncodedCorpus& corpus, int64_t columns, int64_t steps)
    : corpus_(corpus), columns_(std::clamp<int64_t>(corpus.tokens(), 1, columns)), steps_(steps) {}

int64_t Stream::sentence_at(int64_t at) const {
  // Sentence s predicts the tokens from offsets[s] - s on: each sentence has one id more.
  int64_t low = 0, high = corpus_.sentences();
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (corpus_.offsets[static_cast<size_t>(middle)] - middle <= at ? low : high) = middle;
  }
  return low;
}

Batch Stream::batch(int64_t item) const {
  std::vector<int64_t> lengths;
  for (int64_t c = 0; c < columns_; ++c) {
    const int64_t left = length(c) - item * steps_;
    if (left > 0) lengths.push_back(std::min(left, steps_));
  }
  Batch batch{Packing(lengths), {}, {}};
  const Packing& p = batch.packing;
  batch.inputs = Tensor::empty({p.rows()}, i32);
  batch.targets = Tensor::empty({p.rows()}, i32);
  for (size_t c = 0; c < lengths.size(); ++c) {
    const int64_t first = begin(static_cast<int64_t>(c)) + item * steps_;
    int64_t sentence = sentence_at(first);
    for (int64_t t = 0; t < lengths[c]; ++t) {
      const auto next = corpus_.offsets[static_cast<size_t>(sentence) + 1];
      if (first + t + sentence + 1 == next) ++sentence;
      const auto at = static_cast<size_t>(first + t + sentence);
      const int64_t row = p.offsets[static_cast<size_t>(t)] + static_cast<int64_t>(c);
      batch.inputs.data<int32_t>()[row] = corpus_.ids[at];
      batch.targets.data<int32_t>()[row] = corpus_.ids[at + 1];
    }
  }
  return batch;
}

}  // namespace tapestry::lm
