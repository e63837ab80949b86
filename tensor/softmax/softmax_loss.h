#pragma once
// linear + softmax + cross-entropy in one pass over the vocabulary, with its gradients.
//
// For rows h (N, H), weight (V, H), bias (V) or undefined, targets i32 (N):
//   loss[t] = ln sum_w exp(z[t, w]) - z[t, target[t]],   z = h weight^T + bias      (nats)
// and, where wanted, the gradients of sum_t scale[t] loss[t]. Logits are computed in blocks of
// words and tokens and turned into gradients while they are in cache; nothing of size N x V reaches
// memory beyond a chunk of tokens. Tokens lie in vector lanes, so maxima and sums need no shuffles
// and the weight is read where it lies, unpacked. With more than one thread (threads.h) each takes
// a fixed range of the vocabulary: the result depends on the number of threads, but not on their
// timing.

#include <tapestry/tensor/row_guard.h>
#include <tapestry/tensor/tensor.h>

namespace tapestry {

struct SoftmaxLoss {
  Tensor loss;                // (N)
  Tensor dh, dweight, dbias;  // as wanted, else undefined
};
/// Words that are computed, and locked, at a time: their weights stay in the second-level cache.
inline constexpr int64_t kSoftmaxBlock = 96;

struct SoftmaxLossWanted {
  bool h = false, weight = false, bias = false;
};

/// `scale` is (N), or a scalar for all rows. Rows whose target is `ignored` have loss 0 and no
/// gradient. Guarded weights and biases are read a block at a time, from the guard's first row on;
/// what other threads change in between is seen by later blocks. Throws ShapeError, DTypeError,
/// IndexError.
SoftmaxLoss softmax_loss(const Tensor& h, const Guarded& weight, const Guarded& bias,
                         const Tensor& targets, int32_t ignored, const Tensor& scale,
                         SoftmaxLossWanted wanted);

}  // namespace tapestry
