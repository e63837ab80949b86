#include <tapestry/autograd/ops/losses.h>
#include <tapestry/autograd/ops/matmul.h>
#include <tapestry/examples/lm/model/softmax.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tapestry::lm {

void Softmax::sample(std::span<const int64_t> counts, int64_t samples) {
  const auto words = static_cast<int64_t>(counts.size());
  require<ValueError>(samples >= 1 && samples <= words, "sampled softmax: ", samples,
                      " samples, expected 1 to ", words, ", the number of words");
  sampler_ = std::make_shared<CandidateSampler>(counts);
  samples_ = samples;
}

void Softmax::set_frequencies(std::span<const int64_t> counts) {
  const auto of = [](int64_t n) { return std::max(static_cast<double>(n), 0.5); };
  double total = 0;
  for (const int64_t n : counts) total += of(n);
  Tensor logs = Tensor::empty({static_cast<int64_t>(counts.size())}, f64);
  for (size_t j = 0; j < counts.size(); ++j)
    logs.data<double>()[j] = std::log(of(counts[j]) / total);
  bias.value().copy_(logs.cast(bias.value().dtype()));
}

Var Softmax::loss(const Var& h, const Var& w, const Tensor& targets, double scale, Rng* rng) const {
  if (!sampled() || !rng) return linear_cross_entropy_sum(h, w, bias_or_none(), targets, scale);
  return sampled_linear_cross_entropy_sum(h, w, bias_or_none(),
                                          sampler_->draw(targets, samples_, *rng), scale);
}

Var Softmax::token_losses(const Var& h, const Var& w, const Tensor& targets) const {
  return linear_cross_entropy(h, w, bias_or_none(), targets);
}

Var Softmax::logits(const Var& h, const Var& w) const {
  const Var columns = transpose(w);
  return bias.defined() ? affine(h, columns, bias) : matmul(h, columns);
}

}  // namespace tapestry::lm
