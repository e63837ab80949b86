#include <tapestry/autograd/ops/join.h>

#include <tapestry/autograd/record.h>

namespace tapestry {
namespace {

struct Piece {  // of a joined tensor
  int dim;
  int64_t start, count;
};

}  // namespace

Var detail::joined(Tensor whole, std::span<const Var> parts, int dim) {
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

Var concat(std::span<const Var> parts, int dim) {
  PoolVector<Tensor> values;
  for (const Var& part : parts) values.push_back(part.value());
  return detail::joined(concat(values, dim), parts, dim);
}
Var concat(std::initializer_list<Var> parts, int dim) {
  return concat(std::span(parts.begin(), parts.size()), dim);
}

Var stack(std::span<const Var> parts, int dim) {
  require<ShapeError>(!parts.empty(), "stack: no tensors given");
  const int rank = parts[0].value().rank();
  require<IndexError>(dim >= 0 && dim <= rank, "stack: dim ", dim, " is outside 0 ... ", rank);
  PoolVector<Tensor> values;
  PoolVector<Piece> pieces;
  for (const Var& part : parts) {
    require<ShapeError>(part.shape() == parts[0].shape(), "stack: ", parts[0].shape(), " and ",
                        part.shape(), " differ");
    values.push_back(part.value().reshape(part.shape().with(dim, 1)));
    pieces.push_back({dim, static_cast<int64_t>(pieces.size()), 1});
  }
  return record(
      "stack", concat(values, dim),
      wrt_each(parts, std::span<const Piece>(pieces),
               [](const Tensor& dy, const Piece& p) { return dy.select(p.dim, p.start); }));
}
Var stack(std::initializer_list<Var> parts, int dim) {
  return stack(std::span(parts.begin(), parts.size()), dim);
}

}  // namespace tapestry
