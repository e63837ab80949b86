#pragma once
// Views, joins and rows.

#include <tapestry/autograd/record.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/rows.h>

namespace tapestry {

inline Var reshape(const Var& a, const Shape& shape) {
  return record("reshape", a.value().reshape(shape),
                wrt(a, a.shape(), [](const Tensor& dy, Shape s) { return dy.reshape(s); }));
}
/// One size may be -1 and is inferred.
inline Var reshape(const Var& a, std::initializer_list<int64_t> sizes) {
  const Tensor y = a.value().reshape(sizes);
  return record("reshape", y,
                wrt(a, a.shape(), [](const Tensor& dy, Shape s) { return dy.reshape(s); }));
}

inline Var transpose(const Var& a, int dim0 = -2, int dim1 = -1) {
  return record(
      "transpose", a.value().transpose(dim0, dim1),
      wrt(a, dim0, dim1, [](const Tensor& dy, int i, int j) { return dy.transpose(i, j); }));
}

/// Drops `dim`, keeping what is at `index`.
inline Var select(const Var& a, int dim, int64_t index) {
  return record("select", a.value().select(dim, index),
                wrt(a, dim, index, [](Grad& da, const Tensor& dy, int d, int64_t i) {
                  da.dense().select(d, i).add_(dy);
                }));
}

inline Var narrow(const Var& a, int dim, int64_t start, int64_t count) {
  return record(
      "narrow", a.value().narrow(dim, start, count),
      wrt(a, dim, start, count, [](Grad& da, const Tensor& dy, int d, int64_t i, int64_t n) {
        da.dense().narrow(d, i, n).add_(dy);
      }));
}

namespace detail {
struct Piece {  // of a joined tensor
  int dim;
  int64_t start, count;
};
}  // namespace detail

/// Joins along an existing dim.
inline Var concat(std::span<const Var> parts, int dim = 0) {
  PoolVector<Tensor> values;
  PoolVector<detail::Piece> pieces;
  int64_t start = 0;
  for (const Var& part : parts) {
    require_defined("concat", part.value());
    const int64_t count = part.shape()[normalize_dim("concat", part.shape(), dim)];
    values.push_back(part.value());
    pieces.push_back({dim, start, count});
    start += count;
  }
  return record("concat", concat(values, dim),
                wrt_each(parts, std::span<const detail::Piece>(pieces),
                         [](const Tensor& dy, const detail::Piece& p) {
                           return dy.narrow(p.dim, p.start, p.count);
                         }));
}
inline Var concat(std::initializer_list<Var> parts, int dim = 0) {
  return concat(std::span(parts.begin(), parts.size()), dim);
}

/// Joins equal shapes along a new dim put before `dim` (0 ... rank).
inline Var stack(std::span<const Var> parts, int dim = 0) {
  require<ShapeError>(!parts.empty(), "stack: no tensors given");
  const int rank = parts[0].value().rank();
  require<IndexError>(dim >= 0 && dim <= rank, "stack: dim ", dim, " is outside 0 ... ", rank);
  PoolVector<Tensor> values;
  PoolVector<detail::Piece> pieces;
  for (const Var& part : parts) {
    require<ShapeError>(part.shape() == parts[0].shape(), "stack: ", parts[0].shape(), " and ",
                        part.shape(), " differ");
    values.push_back(part.value().reshape(part.shape().with(dim, 1)));
    pieces.push_back({dim, static_cast<int64_t>(pieces.size()), 1});
  }
  return record(
      "stack", concat(values, dim),
      wrt_each(parts, std::span<const detail::Piece>(pieces),
               [](const Tensor& dy, const detail::Piece& p) { return dy.select(p.dim, p.start); }));
}
inline Var stack(std::initializer_list<Var> parts, int dim = 0) {
  return stack(std::span(parts.begin(), parts.size()), dim);
}

/// table (V, ...), ids i32 (..) -> (.., ...): gathers rows. A parameter gets a row-sparse gradient.
inline Var embedding(const Var& table, const Tensor& ids) {
  return record(
      "embedding", take_rows("embedding", table.guarded(), ids),
      wrt(table, ids, [](Grad& d, const Tensor& dy, const Tensor& i) { d.add_rows(i, dy); }));
}

}  // namespace tapestry
