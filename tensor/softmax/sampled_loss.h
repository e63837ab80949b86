#pragma once
// linear + softmax + cross-entropy over a few candidates instead of the vocabulary, with its
// gradients (sampled softmax; Bengio & Senecal, 2008, Jean et al., 2015; candidates.h).
//
// For rows h (N, H), weight (V, H), bias (V) or undefined:
//   loss[t] = ln sum_j exp(z[t, j]) - z[t, target[t]]      over the candidates j,   nats
//   z[t, j] = h[t] weight[j] + bias[j] + correction[j], without correction where j is the target
// It is what training may minimise in place of the exact loss, and is no estimate of that: no
// perplexity follows from it. Everything is of the size of the candidates, nothing of that of the
// vocabulary.

#include <tapestry/tensor/softmax/candidates.h>
#include <tapestry/tensor/softmax/softmax_loss.h>

namespace tapestry {

struct SampledLoss {
  Tensor loss;                // (N)
  Tensor dh, dweight, dbias;  // (N, H), (n, H), (n): as wanted, else undefined
};

/// The losses, and the gradients of `scale` times their sum; those of weight and bias in the rows
/// of the candidates. Guarded values are read in the rows of the candidates only, those of a block
/// of kSoftmaxBlock words at a time. Throws ShapeError, DTypeError, IndexError.
SampledLoss sampled_loss(const Tensor& h, const Guarded& weight, const Guarded& bias,
                         const Candidates& candidates, double scale, SoftmaxLossWanted wanted);

}  // namespace tapestry
