#pragma once
// Convolution over time: one matrix product for each tap of the window, of rows where they lie.
// Nothing is unfolded and nothing padded: what lies outside adds nothing.

#include <tapestry/tensor/tensor.h>

namespace tapestry {

struct Conv1dOptions {
  int64_t dilation = 1;                   // time steps from one tap to the next
  int64_t pad_before = 0, pad_after = 0;  // zeros around the sequence, in time steps
};

/// x (T, B, C), weight (W, C, D) -> (T', B, D), T' = T + pad_before + pad_after - (W - 1) dilation:
/// y[t] = sum over w of x[t + w dilation - pad_before] weight[w]. With (W - 1) dilation zeros
/// before it is causal. Throws ShapeError, DTypeError, ValueError (dilation < 1, a negative pad).
Tensor conv1d(const Tensor& x, const Tensor& weight, const Conv1dOptions& options = {});

/// dx += what dy (T', B, D) means for x, and dweight += for the weight; both contiguous.
void conv1d_add_dx(Tensor& dx, const Tensor& dy, const Tensor& weight,
                   const Conv1dOptions& options);
void conv1d_add_dweight(Tensor& dweight, const Tensor& dy, const Tensor& x,
                        const Conv1dOptions& options);

}  // namespace tapestry
