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

/// `whole`, which is the parts joined, as their concat.
inline Var joined(Tensor whole, std::span<const Var> parts, int dim) {
  PoolVector<Piece> pieces;
  int64_t start = 0;
  for (const Var& part : parts) {
    pieces.push_back({dim, start, part.size(dim)});
    start += pieces.back().count;
  }
  return record(
      "concat", std::move(whole),
      wrt_each(parts, std::span<const Piece>(pieces), [](const Tensor& dy, const Piece& p) {
        return dy.narrow(p.dim, p.start, p.count);
      }));
}
}  // namespace detail

/// Joins along an existing dim.
inline Var concat(std::span<const Var> parts, int dim = 0) {
  PoolVector<Tensor> values;
  for (const Var& part : parts) values.push_back(part.value());
  return detail::joined(concat(values, dim), parts, dim);
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
