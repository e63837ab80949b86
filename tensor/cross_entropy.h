#pragma once
// Cross-entropy of given logits, with its gradient. See softmax/ for logits that never reach
// memory.

#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// -ln softmax(logits)[target] for each row of logits (N, V), targets (N) i32; rows whose target is
/// `ignored` get 0. Throws IndexError for a target outside 0 ... V-1.
struct CrossEntropy {
  Tensor loss;           // (N), nats
  Tensor probabilities;  // (N, V)
};
CrossEntropy cross_entropy(const Tensor& logits, const Tensor& targets, int32_t ignored);
/// dloss (N) -> dlogits (N, V)
Tensor cross_entropy_backward(const Tensor& dloss, const Tensor& probabilities,
                              const Tensor& targets, int32_t ignored);

}  // namespace tapestry
