#include <tapestry/examples/lm/text/stream.h>

#include <algorithm>

namespace tapestry::lm {

Stream::Stream(const EncodedCorpus& corpus, int64_t columns, int64_t steps)
    : columns_(std::clamp<int64_t>(corpus.tokens(), 1, columns)), steps_(steps) {
  for (int64_t s = 0; s < corpus.sentences(); ++s) {
    const auto in = corpus.inputs(s), out = corpus.targets(s);
    inputs_.insert(inputs_.end(), in.begin(), in.end());
    targets_.insert(targets_.end(), out.begin(), out.end());
  }
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
  for (size_t c = 0; c < lengths.size(); ++c)
    for (int64_t t = 0; t < lengths[c]; ++t) {
      const int64_t row = p.offsets[static_cast<size_t>(t)] + static_cast<int64_t>(c);
      const auto at = static_cast<size_t>(begin(static_cast<int64_t>(c)) + item * steps_ + t);
      batch.inputs.data<int32_t>()[row] = inputs_[at];
      batch.targets.data<int32_t>()[row] = targets_[at];
    }
  return batch;
}

}  // namespace tapestry::lm
