#pragma once
// Reductions: sums and means over one dim or over everything; maxima, minima, running sums and
// softmax along a dim. A dim out of range throws IndexError, i32 DTypeError.
// f32 sums run in short blocks whose totals are added in f64, so their error does not grow with n.

#include <tapestry/tensor/tensor.h>

namespace tapestry {

Tensor sum(const Tensor& a);
Tensor sum(const Tensor& a, int dim, bool keepdim = false);
/// Means of nothing throw ShapeError.
Tensor mean(const Tensor& a);
Tensor mean(const Tensor& a, int dim, bool keepdim = false);

/// Sums `a` down to `shape`, undoing a broadcast.
Tensor sum_to(const Tensor& a, const Shape& shape);

/// The largest or smallest along a dim and where they are (i32): the first of equals; NaN, where
/// there is one. Throws ShapeError when the dim has no elements.
struct Extreme {
  Tensor values, indices;
};
Extreme max(const Tensor& a, int dim, bool keepdim = false);
Extreme min(const Tensor& a, int dim, bool keepdim = false);

/// Running sums along a dim: y[i] = a[0] + ... + a[i], and y[i] = a[i] + ... + a[n-1].
Tensor cumsum(const Tensor& a, int dim);
Tensor cumsum_reversed(const Tensor& a, int dim);

Tensor softmax(const Tensor& a, int dim = -1);
Tensor log_softmax(const Tensor& a, int dim = -1);

/// The sum of squares of every element; f32 squares that overflow or vanish are added in f64.
double squared_norm(const Tensor& a);
/// True when no element is NaN or infinite.
bool all_finite(const Tensor& a);

}  // namespace tapestry
