#pragma once
// Dropout and LayerNorm.

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/module.h>

namespace tapestry {

/// Dropout with probability p where a generator is given (training), the identity elsewhere.
struct Dropout {
  double p = 0.5;
  Var operator()(const Var& x, Rng* rng) const { return dropout(x, p, rng); }
};

/// Normalises the last dim, then scales and shifts it.
struct LayerNorm {
  Parameter gain, bias;  // (width) each
  FIELDS(gain, bias)

  explicit LayerNorm(int64_t width, DType dtype = f32)
      : gain(Tensor::full({width}, 1, dtype)), bias(Tensor::zeros({width}, dtype)) {}

  Var operator()(const Var& x) const { return layer_norm(x, gain, bias); }
};

}  // namespace tapestry
