#pragma once
// Views: none of them copies, except reshape where strides do not allow it.

#include <initializer_list>

#include <tapestry/autograd/var.h>

namespace tapestry {

Var reshape(const Var& a, const Shape& shape);
/// One size may be -1 and is inferred.
Var reshape(const Var& a, std::initializer_list<int64_t> sizes);

Var transpose(const Var& a, int dim0 = -2, int dim1 = -1);

/// Drops `dim`, keeping what is at `index`.
Var select(const Var& a, int dim, int64_t index);

Var narrow(const Var& a, int dim, int64_t start, int64_t count);

/// Elements start, start + step, ... below stop along a dim (see Tensor::slice).
Var slice(const Var& a, int dim, int64_t start, int64_t stop, int64_t step = 1);

/// Repeats sizes of 1 and missing leading dims.
Var expand(const Var& a, const Shape& shape);

/// Dim i of the result is dim dims[i] of a.
Var permute(const Var& a, std::initializer_list<int> dims);

/// A dim of size 1 before `dim` (-1: behind the last), and without it.
Var unsqueeze(const Var& a, int dim);
Var squeeze(const Var& a, int dim);

}  // namespace tapestry
