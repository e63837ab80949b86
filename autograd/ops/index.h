#pragma once
// Elements and rows by their index.

#include <tapestry/autograd/record.h>
#include <tapestry/tensor/gather.h>
#include <tapestry/tensor/rows.h>

namespace tapestry {

/// table (V, ...), ids i32 (..) -> (.., ...): gathers rows. A parameter gets a row-sparse gradient.
inline Var embedding(const Var& table, const Tensor& ids) {
  return record(
      "embedding", take_rows("embedding", table.guarded(), ids),
      wrt(table, ids, [](Grad& d, const Tensor& dy, const Tensor& i) { d.add_rows(i, dy); }));
}

/// y[.., i, ..] = a[.., index[.., i, ..], ..]: along a dim (see tensor/gather.h).
inline Var gather(const Var& a, int dim, const Tensor& index) {
  return record(
      "gather", gather(a.value(), dim, index),
      wrt(a, index, a.shape(), dim, [](const Tensor& dy, const Tensor& at, Shape s, int d) {
        return scatter_add(dy, d, at, s);
      }));
}

/// The order along a dim reversed.
inline Var flip(const Var& a, int dim) {
  return record("flip", flip(a.value(), dim),
                wrt(a, dim, [](const Tensor& dy, int d) { return flip(dy, d); }));
}

}  // namespace tapestry
