#pragma once
// Functions of each element on its own.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/arith.h>

namespace tapestry {

Var exp(const Var& a);

/// e^x - 1, exact near 0.
Var expm1(const Var& a);

/// Natural logarithm.
Var log(const Var& a);

/// ln(1 + x), exact near 0.
Var log1p(const Var& a);

Var sqrt(const Var& a);

Var square(const Var& a);

Var pow(const Var& a, double exponent);

/// Radians.
Var sin(const Var& a);
Var cos(const Var& a);

/// The gradient at 0 is 0.
Var abs(const Var& a);

/// low <= y <= high; no gradient where it cuts.
Var clamp(const Var& a, double low, double high);

}  // namespace tapestry
