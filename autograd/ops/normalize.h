#pragma once
// What normalises along a dim.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/normalize.h>
#include <tapestry/tensor/reduce.h>

namespace tapestry {

Var softmax(const Var& a, int dim = -1);

Var log_softmax(const Var& a, int dim = -1);

/// Normalises the last dim (Ba, Kiros & Hinton, 2016): gain (x - mean) / sqrt(variance + eps) +
/// bias.
Var layer_norm(const Var& a, const Var& gain, const Var& bias, double eps = 1e-5);

}  // namespace tapestry
