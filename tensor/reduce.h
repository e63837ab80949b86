#pragma once
// Reductions: sums, means and maxima over one dim or over everything, and softmax along a dim.
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

/// The maxima along a dim and where they are (i32; the first of equals; NaN counts as largest).
struct MaxResult {
  Tensor values, indices;
};
MaxResult max(const Tensor& a, int dim, bool keepdim = false);

/// A zero tensor of `shape` with values[..] added at indices[..] along `dim`: the transpose of max.
Tensor place(const Tensor& values, const Tensor& indices, const Shape& shape, int dim);

Tensor softmax(const Tensor& a, int dim = -1);
Tensor log_softmax(const Tensor& a, int dim = -1);

/// The sum of squares of every element, accumulated in f64.
double squared_norm(const Tensor& a);
/// True when no element is NaN or infinite.
bool all_finite(const Tensor& a);

}  // namespace tapestry
