#pragma once
// Convolution over time.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/conv1d.h>

namespace tapestry {

enum class Padding { none, causal, same };

/// x (T, B, C), weight (W, C, D) -> (T', B, D): y[t] = sum over w of x[t + w dilation] weight[w].
/// Without padding T' = T - (W - 1) dilation. With zeros T' = T: before the start (causal: y[t]
/// sees x[0 ... t]) or on both sides (same; the larger half before). Throws what tensor/conv1d.h
/// says.
Var conv1d(const Var& x, const Var& weight, Padding padding = Padding::none, int64_t dilation = 1);

}  // namespace tapestry
