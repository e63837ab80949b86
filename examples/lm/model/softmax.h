#pragma once
// The output layer: hidden states in, the next token's probabilities out. What training minimises
// and what evaluation measures are two functions here, since an objective may be cheaper than the
// loss it stands for.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/random.h>

namespace tapestry::lm {

/// h (rows, hidden); weight (V, hidden), which is the embedding's table where weights are tied.
struct Softmax {
  Parameter weight, bias;  // (V, hidden), (V); each may be absent

  /// What training minimises: the losses of the targets i32 (rows), added and times `scale`. `rng`
  /// is for objectives that draw.
  Var loss(const Var& h, const Var& w, const Tensor& targets, double scale, Rng* rng) const;
  /// The exact loss of every target: (rows), nats.
  Var token_losses(const Var& h, const Var& w, const Tensor& targets) const;
  /// (rows, V)
  Var logits(const Var& h, const Var& w) const;

 private:
  Var bias_or_none() const { return bias.defined() ? Var(bias) : Var(); }
};

}  // namespace tapestry::lm
