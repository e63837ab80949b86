#pragma once
// Matrix products through OpenBLAS on strided operands: a transposed view is passed as a flag and
// never copied. One BLAS thread.

#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// (.., m, k) x (.., k, n) -> (.., m, n). Leading dims broadcast. Throws ShapeError, DTypeError.
Tensor matmul(const Tensor& a, const Tensor& b);

/// c = a b + beta c for matrices (m, k), (k, n), (m, n); the rows of c must be contiguous.
/// Bumps c's version. With beta 0 the old contents of c are never read.
void matmul_into(Tensor& c, const Tensor& a, const Tensor& b, double beta);

}  // namespace tapestry
