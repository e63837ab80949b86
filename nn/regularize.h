#pragma once
// Dropout, locked dropout and LayerNorm.

#include <tapestry/autograd/ops/mask.h>
#include <tapestry/autograd/ops/normalize.h>
#include <tapestry/nn/module.h>
#include <tapestry/nn/packing.h>

namespace tapestry {

/// Dropout with probability p where a generator is given (training), the identity elsewhere.
struct Dropout {
  double p = 0.5;
  Var operator()(const Var& x, Rng* rng) const { return dropout(x, p, rng); }
};

/// Dropout with one mask for all steps of a sequence (Gal & Ghahramani, 2016), of packed rows
/// (rows, width): what is dropped at one step is dropped at all. The identity without a generator.
/// Throws ShapeError unless there is a row for each of p's, ValueError unless 0 <= probability < 1.
Var locked_dropout(const Var& x, const Packing& p, double probability, Rng* rng);
/// The same of x (time, batch, width).
Var locked_dropout(const Var& x, double probability, Rng* rng);

/// Normalises the last dim, then scales and shifts it.
struct LayerNorm {
  Parameter gain, bias;  // (width) each
  FIELDS(gain, bias)

  explicit LayerNorm(int64_t width, DType dtype = f32)
      : gain(Tensor::full({width}, 1, dtype)), bias(Tensor::zeros({width}, dtype)) {}

  Var operator()(const Var& x) const { return layer_norm(x, gain, bias); }
};

}  // namespace tapestry
