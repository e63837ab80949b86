#pragma once
// Elements and rows by their index.

#include <tapestry/autograd/var.h>
#include <tapestry/tensor/gather.h>
#include <tapestry/tensor/rows.h>

namespace tapestry {

/// table (V, ...), ids i32 (..) -> (.., ...): gathers rows. A parameter gets a row-sparse gradient.
Var embedding(const Var& table, const Tensor& ids);

/// y[.., i, ..] = a[.., index[.., i, ..], ..]: along a dim (see tensor/gather.h).
Var gather(const Var& a, int dim, const Tensor& index);

/// The order along a dim reversed.
Var flip(const Var& a, int dim);

}  // namespace tapestry
