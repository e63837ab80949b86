#pragma once
// Elements by their position along a dim: gather, its transpose scatter_add, and flip. An index
// (i32) has the shape of a tensor except along that dim, where it may have any size, or no dim at
// all: one position each. A wrong shape throws ShapeError, a position out of range IndexError.

#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// out[.., i, ..] = a[.., index[.., i, ..], ..], in the shape of the index; a of any type.
Tensor gather(const Tensor& a, int dim, const Tensor& index);

/// A zero tensor of `shape` with values[.., i, ..] added at [.., index[.., i, ..], ..], in order.
Tensor scatter_add(const Tensor& values, int dim, const Tensor& index, const Shape& shape);

/// A copy with the order along a dim reversed; a of any type.
Tensor flip(const Tensor& a, int dim);

}  // namespace tapestry
