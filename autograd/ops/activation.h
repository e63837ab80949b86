#pragma once
// Activations.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/arith.h>

namespace tapestry {

Var tanh(const Var& a);

/// 1 / (1 + e^-x)
Var sigmoid(const Var& a);

/// max(x, 0); the gradient at 0 is 0.
Var relu(const Var& a);

/// ln(1 + e^x)
Var softplus(const Var& a);

/// x sigmoid(x) (Ramachandran, Zoph & Le, 2017)
Var silu(const Var& a);

/// x times the normal distribution's probability of less than x (Hendrycks & Gimpel, 2016), exact.
Var gelu(const Var& a);

}  // namespace tapestry
