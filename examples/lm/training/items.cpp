#include <tapestry/examples/lm/training/items.h>
#include <tapestry/examples/lm/training/train_batch.h>

#include <algorithm>

namespace tapestry::lm {

Items::Items(const TrainSettings& s, const EncodedCorpus& corpus, int ranks)
    : s_(s),
      corpus_(corpus),
      stream_(s.stream ? std::optional<Stream>(std::in_place, corpus, s.batch, s.bptt.steps)
                       : std::nullopt),
      size_(stream_ ? stream_->items() : (corpus.sentences() + s.batch - 1) / s.batch),
      round_(in_rounds(s.parallel)
                 ? s.parallel.workers * (s.parallel.between == Between::sync ? ranks : 1)
                 : 1) {}

int64_t Items::updates() const {
  const bool cut = s_.parallel.max_item_tokens > 0 || corpus_.longest > kLongestSentence;
  if (stream_ || round_ > 1 || !cut) return (size_ + round_ - 1) / round_;
  const auto order = order_of(0);
  int64_t updates = 0;
  for (int64_t item = 0; item < size_; ++item) {
    std::vector<int64_t> lengths;
    for (const int64_t i : sentences(order, item))
      lengths.push_back(static_cast<int64_t>(corpus_.inputs(i).size()));
    const Packing packing(lengths);
    const int64_t most = piece_tokens(s_.parallel, packing);
    updates += most > 0 ? count_pieces(packing, most) : 1;
  }
  return updates;
}

double Items::total_tokens() const {
  const auto tokens = static_cast<double>(corpus_.tokens());
  double total = tokens * static_cast<double>(s_.epochs);
  if (s_.max_tokens > 0) total = std::min(total, static_cast<double>(s_.max_tokens));
  if (s_.max_steps > 0)
    total = std::min(total,
                     tokens / static_cast<double>(updates()) * static_cast<double>(s_.max_steps));
  return total;
}

void Items::begin(int64_t epoch) {
  if (epoch == epoch_) return;
  epoch_ = epoch;
  if (!stream_) order_ = order_of(epoch);
}

std::vector<int64_t> Items::order_of(int64_t epoch) const {
  auto order = epoch_order(corpus_.sentences(), s_.shuffle, s_.seed, epoch, s_.input.stream);
  constexpr uint64_t kGroupStream = uint64_t{1} << 33;
  if (s_.group_lengths > 0)
    group_lengths(corpus_, s_.batch, s_.group_lengths,
                  Rng(s_.seed, kGroupStream + static_cast<uint64_t>(epoch)), order);
  return order;
}

std::span<const int64_t> Items::sentences(const std::vector<int64_t>& order, int64_t item) const {
  const auto first = static_cast<size_t>(item * s_.batch);
  return std::span(order).subspan(first,
                                  std::min(static_cast<size_t>(s_.batch), order.size() - first));
}

Batch Items::batch(int64_t item) const {
  return stream_ ? stream_->batch(item) : make_batch(corpus_, sentences(order_, item));
}

Rng Items::rng(int64_t item) const {
  return Rng(s_.seed, (uint64_t{1} << 40) + static_cast<uint64_t>(epoch_ * size_ + item));
}

}  // namespace tapestry::lm
