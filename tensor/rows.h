#pragma once
// Rows by index: what embeddings, masks of sequences and sparse updates need. A "row" of a tensor
// is everything behind its first dim. Indices are i32 tensors of any shape.

#include <tapestry/tensor/row_guard.h>
#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// Throws DTypeError or IndexError ("op: ids[7] = 10000 is outside a table of 10000 rows").
void require_rows(const char* op, const Tensor& ids, int64_t rows);

/// ids (..) and table (V, ...) -> (.., ...): row ids[i] for each i.
/// A guarded table is read a row at a time.
Tensor take_rows(const char* op, const Guarded& table, const Tensor& ids);

/// table[ids[i]] += scale * rows[i], in order; table must be contiguous.
void add_rows_(Tensor& table, const Tensor& ids, const Tensor& rows, double scale = 1);

/// Rows of a sparse gradient: ids sorted, each once, with the sum of their rows.
struct Rows {
  Tensor ids, values;  // (n), (n, ...)
};
Rows coalesce(const Tensor& ids, const Tensor& rows);

}  // namespace tapestry
