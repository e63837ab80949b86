#include <tapestry/autograd/ops/losses.h>
#include <tapestry/autograd/ops/matmul.h>
#include <tapestry/examples/lm/model/softmax.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace tapestry::lm {

namespace {

void set_logarithms(Parameter& bias, std::span<const double> chances) {
  Tensor logs = Tensor::empty({static_cast<int64_t>(chances.size())}, f64);
  for (size_t j = 0; j < chances.size(); ++j) logs.data<double>()[j] = std::log(chances[j]);
  bias.value().copy_(logs.cast(bias.value().dtype()));
}

}  // namespace

void Softmax::sample(std::span<const int64_t> counts, int64_t samples) {
  const auto words = static_cast<int64_t>(counts.size());
  require<ValueError>(samples >= 1 && samples <= words, "sampled softmax: ", samples,
                      " samples, expected 1 to ", words, ", the number of words");
  sampler_ = std::make_shared<CandidateSampler>(counts);
  samples_ = samples;
}

void Softmax::set_frequencies(std::span<const int64_t> counts) {
  std::vector<double> chances;
  for (const int64_t n : counts) chances.push_back(std::max(static_cast<double>(n), 0.5));
  const double total = std::accumulate(chances.begin(), chances.end(), 0.0);
  for (double& p : chances) p /= total;
  if (adaptive.defined())
    set_adaptive_frequencies(chances);
  else
    set_logarithms(bias, chances);
}

void Softmax::set_adaptive_frequencies(std::span<const double> chances) {
  const std::vector<int64_t>& begins = adaptive.begins();
  std::vector<double> of_head(chances.begin(), chances.begin() + begins[0]);
  for (size_t k = 0; k < adaptive.tails.size(); ++k) {
    std::vector<double> tail(chances.begin() + begins[k], chances.begin() + begins[k + 1]);
    of_head.push_back(std::accumulate(tail.begin(), tail.end(), 0.0));
    for (double& p : tail) p /= of_head.back();
    set_logarithms(adaptive.tails[k].bias, tail);
  }
  set_logarithms(adaptive.head_bias, of_head);
}

std::vector<const Parameter*> Softmax::rows() const {
  std::vector<const Parameter*> all{&weight, &bias, &adaptive.head, &adaptive.head_bias}, out;
  for (const AdaptiveSoftmax::Tail& tail : adaptive.tails)
    all.insert(all.end(), {&tail.weight, &tail.bias});
  std::copy_if(all.begin(), all.end(), std::back_inserter(out),
               [](const Parameter* p) { return p->defined(); });
  return out;
}

Var Softmax::loss(const Var& h, const Var& w, const Tensor& targets, double scale, Rng* rng) const {
  if (adaptive.defined()) return adaptive.loss_sum(h, targets, scale);
  if (!sampled() || !rng) return linear_cross_entropy_sum(h, w, bias_or_none(), targets, scale);
  return sampled_linear_cross_entropy_sum(h, w, bias_or_none(),
                                          sampler_->draw(targets, samples_, *rng), scale);
}

Var Softmax::token_losses(const Var& h, const Var& w, const Tensor& targets) const {
  if (adaptive.defined()) return adaptive.losses(h.value(), targets);
  return linear_cross_entropy(h, w, bias_or_none(), targets);
}

Var Softmax::logits(const Var& h, const Var& w) const {
  if (adaptive.defined()) return adaptive.log_probabilities(h.value());
  const Var columns = transpose(w);
  return bias.defined() ? affine(h, columns, bias) : matmul(h, columns);
}

}  // namespace tapestry::lm
