#pragma once
// Losses. Reduction::none keeps one value per row; mean divides by the rows that count.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/reduce.h>
#include <tapestry/tensor/softmax/candidates.h>

namespace tapestry {

enum class Reduction { none, mean, sum };

inline constexpr int32_t kIgnored = -100;  // a target that does not count

/// -ln softmax(logits)[target], nats. logits (N, V), targets i32 (N) in 0 ... V-1 or `ignored`.
Var cross_entropy(const Var& logits, const Tensor& targets, Reduction reduction = Reduction::mean,
                  int32_t ignored = kIgnored);

/// -log_probabilities[target], nats: of log_softmax it is cross_entropy. Shapes as there.
Var nll(const Var& log_probabilities, const Tensor& targets, Reduction reduction = Reduction::mean,
        int32_t ignored = kIgnored);

/// -t ln p - (1 - t) ln(1 - p) of p = sigmoid(logit), nats, without overflow; targets t in [0, 1]
/// in the shape of the logits. The mean is that of all elements.
Var bce_with_logits(const Var& logits, const Tensor& targets,
                    Reduction reduction = Reduction::mean);

/// The loss of each row of softmax(h weight^T + bias): cross_entropy of a linear layer without
/// its logits ever reaching memory. h (N, H), weight (V, H), bias (V) or an undefined Var -> (N),
/// nats. Weight and bias may be guarded where no Tape records; throws TapeError where one does.
Var linear_cross_entropy(const Var& h, const Var& weight, const Var& bias, const Tensor& targets,
                         int32_t ignored = kIgnored);

/// scale times the sum of those losses. One pass computes value and gradients together, so this
/// is the one to train with: put what would divide the loss into `scale`.
Var linear_cross_entropy_sum(const Var& h, const Var& weight, const Var& bias,
                             const Tensor& targets, double scale = 1, int32_t ignored = kIgnored);

/// scale times the sum of the losses over candidates only (tensor/softmax/sampled_loss.h): a cheap
/// objective for large vocabularies, not to be reported as a loss or perplexity. h (N, H), weight
/// (V, H), bias (V) or an undefined Var; candidates from CandidateSampler::draw(targets, ...).
/// Parameters get row-sparse gradients.
Var sampled_linear_cross_entropy_sum(const Var& h, const Var& weight, const Var& bias,
                                     const Candidates& candidates, double scale = 1);

/// Mean of the squared differences.
Var mse(const Var& a, const Var& b);

/// Mean of d^2 / 2 for |d| <= delta and delta (|d| - delta / 2) beyond (Huber, 1964), d = a - b.
Var huber(const Var& a, const Var& b, double delta = 1);

}  // namespace tapestry
