#pragma once
// Reductions over one dim or all elements, and running sums.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/gather.h>
#include <tapestry/tensor/reduce.h>

namespace tapestry {

Var sum(const Var& a);
Var sum(const Var& a, int dim, bool keepdim = false);

Var mean(const Var& a);
Var mean(const Var& a, int dim, bool keepdim = false);

/// Largest and smallest along a dim; the gradient goes to the first of equals.
Var max(const Var& a, int dim, bool keepdim = false);
Var min(const Var& a, int dim, bool keepdim = false);
Var max(const Var& a);
Var min(const Var& a);

/// Running sums along a dim.
Var cumsum(const Var& a, int dim);

}  // namespace tapestry
