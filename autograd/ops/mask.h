#pragma once
// Choosing by masks (i32 tensors) and dropping at random.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/random.h>

namespace tapestry {

/// mask != 0 ? a : b, elementwise with broadcasting.
Var where(const Tensor& mask, const Var& a, const Var& b);

/// `value` where mask != 0.
Var masked_fill(const Var& a, const Tensor& mask, double value);

/// The larger and the smaller of two elements, with broadcasting; the gradient of equals goes to a.
Var maximum(const Var& a, const Var& b);
Var minimum(const Var& a, const Var& b);

/// Zeroes each element with probability p and scales the rest by 1/(1-p) (Srivastava et al., 2014).
/// Without a generator, or with p = 0, it is the identity: that is how a model evaluates.
Var dropout(const Var& a, double p, Rng* rng);

}  // namespace tapestry
