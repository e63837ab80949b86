#include <tapestry/nn/adaptive_softmax.h>

#include <algorithm>

namespace tapestry {
namespace {

constexpr const char* kOp = "AdaptiveSoftmax";

Parameter zeros(int64_t n, const AdaptiveSoftmaxOptions& o) {
  return o.bias ? Parameter(Tensor::zeros({n}, o.dtype)) : Parameter();
}
Var or_none(const Parameter& bias) { return bias.defined() ? Var(bias) : Var(); }

Tensor logits(const Tensor& h, const Parameter& weight, const Parameter& bias) {
  const Tensor z = matmul(h, weight.value().transpose());
  return bias.defined() ? z + bias.value() : z;
}

Tensor indices(const PoolVector<int32_t>& ids) {
  Tensor out = Tensor::empty({static_cast<int64_t>(ids.size())}, i32);
  std::copy(ids.begin(), ids.end(), out.data<int32_t>());
  return out;
}

/// The rows whose target is in [begin, end), and which of these words it is.
std::pair<Tensor, Tensor> rows_within(const Tensor& targets, int64_t begin, int64_t end) {
  PoolVector<int32_t> rows, words;
  const int32_t* target = targets.data<int32_t>();
  for (int64_t t = 0; t < targets.numel(); ++t)
    if (target[t] >= begin && target[t] < end) {
      rows.push_back(static_cast<int32_t>(t));
      words.push_back(static_cast<int32_t>(target[t] - begin));
    }
  return {indices(rows), indices(words)};
}

/// Of a word of a tail: that tail, as a word of the head.
Tensor head_targets(const Tensor& targets, std::span<const int64_t> begins) {
  Tensor out = targets.clone();
  for (int32_t& target : out.write<int32_t>()) {
    const auto tail = std::upper_bound(begins.begin(), begins.end(), target) - begins.begin();
    if (tail > 0) target = static_cast<int32_t>(begins[0] + tail - 1);
  }
  return out;
}

}  // namespace

AdaptiveSoftmax::AdaptiveSoftmax(int64_t hidden, int64_t words, Rng& rng,
                                 AdaptiveSoftmaxOptions options)
    : words_(words), begins_(options.cutoffs) {
  require<ValueError>(options.shrink >= 1, kOp, ": shrink is ", options.shrink,
                      ", expected at least 1");
  begins_.push_back(words);
  int64_t before = 0;
  for (const int64_t begin : begins_) {
    require<ValueError>(begin > before, kOp, ": a cutoff of ", begin == words ? before : begin,
                        " is out of order (cutoffs rise from 1 to words - 1, here ", words - 1,
                        ")");
    before = begin;
  }
  const auto n = static_cast<int64_t>(options.cutoffs.size());
  head = Parameter(uniform_fan_in({begins_[0] + n, hidden}, hidden, rng, options.dtype));
  head_bias = zeros(begins_[0] + n, options);
  int64_t width = hidden;
  for (size_t k = 0; k + 1 < begins_.size(); ++k) {
    width = std::max<int64_t>(1, width / options.shrink);
    const int64_t size = begins_[k + 1] - begins_[k];
    tails.push_back({Parameter(uniform_fan_in({hidden, width}, hidden, rng, options.dtype)),
                     Parameter(uniform_fan_in({size, width}, width, rng, options.dtype)),
                     zeros(size, options)});
  }
}

Var AdaptiveSoftmax::loss_sum(const Var& h, const Tensor& targets, double scale) const {
  require_rows(kOp, targets, words_);
  const Tensor ts = targets.to_contiguous();
  Var loss =
      linear_cross_entropy_sum(h, head, or_none(head_bias), head_targets(ts, begins_), scale);
  for (size_t k = 0; k < tails.size(); ++k) {
    const auto [rows, words] = rows_within(ts, begins_[k], begins_[k + 1]);
    if (rows.numel() == 0) continue;
    const Var seen = matmul(embedding(h, rows), tails[k].projection);
    loss = loss +
           linear_cross_entropy_sum(seen, tails[k].weight, or_none(tails[k].bias), words, scale);
  }
  return loss;
}

Tensor AdaptiveSoftmax::losses(const Tensor& h, const Tensor& targets) const {
  require_rows(kOp, targets, words_);
  const Tensor ts = targets.to_contiguous();
  Tensor out = linear_cross_entropy(h, head, or_none(head_bias), head_targets(ts, begins_)).value();
  for (size_t k = 0; k < tails.size(); ++k) {
    const auto [rows, words] = rows_within(ts, begins_[k], begins_[k + 1]);
    if (rows.numel() == 0) continue;
    const Tensor seen = matmul(take_rows(kOp, h, rows), tails[k].projection.value());
    add_rows_(out, rows,
              linear_cross_entropy(seen, tails[k].weight, or_none(tails[k].bias), words).value());
  }
  return out;
}

Tensor AdaptiveSoftmax::log_probabilities(const Tensor& h) const {
  const Tensor first = log_softmax(logits(h, head, head_bias));
  PoolVector<Tensor> parts{first.narrow(1, 0, begins_[0])};
  for (size_t k = 0; k < tails.size(); ++k) {
    const Tensor seen = matmul(h, tails[k].projection.value());
    parts.push_back(log_softmax(logits(seen, tails[k].weight, tails[k].bias)) +
                    first.narrow(1, begins_[0] + static_cast<int64_t>(k), 1));
  }
  return concat(parts, 1);
}

}  // namespace tapestry
