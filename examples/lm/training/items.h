#pragma once
// What an epoch consists of: its batches in their order, of whole sentences or of a stream.

#include <algorithm>
#include <optional>

#include <tapestry/examples/lm/model/batch.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/text/stream.h>

namespace tapestry::lm {

class Items {
 public:
  /// Keeps references to both.
  /// Items that share one update are those of all ranks where these are synchronous.
  Items(const TrainSettings& settings, const EncodedCorpus& corpus, int ranks = 1);

  int64_t size() const { return size_; }  // of an epoch
  /// Of an item, on average.
  double tokens() const {
    return static_cast<double>(corpus_.tokens()) / static_cast<double>(std::max<int64_t>(1, size_));
  }
  /// Items that share one update.
  int64_t round() const { return round_; }
  /// Updates of an epoch; where batches are cut into pieces, of the first one.
  int64_t updates() const;
  /// That all epochs read, or the limits allow; roughly.
  double total_tokens() const;
  bool streamed() const { return stream_.has_value(); }
  /// Of a stream, which are read side by side.
  int64_t columns() const { return stream_->columns(); }

  /// Chooses the order of the sentences in this epoch.
  void begin(int64_t epoch);
  Batch batch(int64_t item) const;
  /// What is drawn for a batch depends on its place in the training, not on who trains it.
  Rng rng(int64_t item) const;

 private:
  std::vector<int64_t> order_of(int64_t epoch) const;
  /// The sentences of a batch.
  std::span<const int64_t> sentences(const std::vector<int64_t>& order, int64_t item) const;

  const TrainSettings& s_;
  const EncodedCorpus& corpus_;
  std::optional<Stream> stream_;
  int64_t size_, round_, epoch_ = -1;
  std::vector<int64_t> order_;
};

}  // namespace tapestry::lm
