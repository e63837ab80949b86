#pragma once
// Joining tensors.

#include <initializer_list>
#include <span>

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/arith.h>

namespace tapestry {

namespace detail {
/// `whole`, which is the parts joined, as their concat.
Var joined(Tensor whole, std::span<const Var> parts, int dim);
}  // namespace detail

/// Joins along an existing dim.
Var concat(std::span<const Var> parts, int dim = 0);
Var concat(std::initializer_list<Var> parts, int dim = 0);

/// Joins equal shapes along a new dim put before `dim` (0 ... rank).
Var stack(std::span<const Var> parts, int dim = 0);
Var stack(std::initializer_list<Var> parts, int dim = 0);

}  // namespace tapestry
