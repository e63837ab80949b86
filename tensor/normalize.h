#pragma once
// Layer normalisation without gain and bias.

#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// Normalises the last dim to mean 0 and variance 1 + eps (Ba, Kiros & Hinton, 2016).
struct Normalized {
  Tensor x;      // same shape as the input
  Tensor scale;  // (rows): 1 / sqrt(variance + eps)
};
Normalized normalize(const Tensor& x, double eps);
Tensor normalize_backward(const Tensor& dy, const Tensor& normalized, const Tensor& scale);

}  // namespace tapestry
