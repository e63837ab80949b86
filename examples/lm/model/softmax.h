#pragma once
// The output layer: hidden states in, the next token's probabilities out. What training minimises
// and what evaluation measures are two functions here, since an objective may be cheaper than the
// loss it stands for.

#include <memory>
#include <span>

#include <tapestry/nn/adaptive_softmax.h>
#include <tapestry/tensor/random.h>
#include <tapestry/tensor/softmax/candidates.h>

namespace tapestry::lm {

/// h (rows, hidden); weight (V, hidden), which is the embedding's table where weights are tied. Or
/// neither weight nor bias, but an adaptive softmax.
struct Softmax {
  Parameter weight, bias;  // (V, hidden), (V); each may be absent
  AdaptiveSoftmax adaptive;

  /// From now on training minimises the loss over `samples` words drawn by their counts and the
  /// targets (tensor/softmax/sampled_loss.h). Throws ValueError unless samples are 1 to V.
  void sample(std::span<const int64_t> counts, int64_t samples);
  bool sampled() const { return samples_ > 0; }
  /// The parameters with a row for each word or group of words.
  std::vector<const Parameter*> rows() const;
  /// The biases become the logarithms of the words' frequencies: what a model that sees nothing of
  /// the sentence should know.
  void set_frequencies(std::span<const int64_t> counts);

  /// What training minimises: the losses of the targets i32 (rows), added and times `scale`. `rng`
  /// is for objectives that draw; null: the exact losses.
  Var loss(const Var& h, const Var& w, const Tensor& targets, double scale, Rng* rng) const;
  /// The exact loss of every target: (rows), nats.
  Var token_losses(const Var& h, const Var& w, const Tensor& targets) const;
  /// (rows, V), up to a constant in each row.
  Var logits(const Var& h, const Var& w) const;

 private:
  void set_adaptive_frequencies(std::span<const double> chances);
  Var bias_or_none() const { return bias.defined() ? Var(bias) : Var(); }

  std::shared_ptr<const CandidateSampler> sampler_;
  int64_t samples_ = 0;
};

}  // namespace tapestry::lm
