#pragma once
// Matrix products. A rule that takes Grad& accumulates into the gradient without a temporary.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/matmul.h>

namespace tapestry {

/// (.., m, k) x (.., k, n) -> (.., m, n); leading dims broadcast.
Var matmul(const Var& a, const Var& b);

/// x (.., k) w (k, n) + bias -> (.., n); for a matrix x the bias may be anything that broadcasts to
/// the result, such as the input part of a recurrent step.
Var affine(const Var& x, const Var& w, const Var& bias);

}  // namespace tapestry
