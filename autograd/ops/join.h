#pragma once
// Joining tensors.

#include <tapestry/autograd/record.h>
#include <tapestry/tensor/arith.h>

namespace tapestry {

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

}  // namespace tapestry
