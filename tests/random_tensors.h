#pragma once
// Random tensors in every layout (permuted, narrowed, stepped, expanded) and element access by
// index, for tests that compare kernels with hand-made loops.

#include <array>
#include <cmath>
#include <numeric>

#include <tapestry/tensor/random.h>
#include <tapestry/tensor/tensor.h>

namespace tapestry::test {

using Index = std::array<int64_t, kMaxRank>;

/// Calls f(index) for every index of `shape` in row-major order.
template <class F>
void for_each_index(const Shape& shape, F f) {
  Index at{};
  for (int64_t n = 0; n < shape.numel(); ++n) {
    f(at);
    for (int d = shape.rank() - 1; d >= 0; --d) {
      auto& i = at[static_cast<size_t>(d)];
      if (++i < shape[d]) break;
      i = 0;
    }
  }
}

inline double element(const Tensor& t, const Index& i) {
  switch (t.rank()) {
    case 0:
      return t.at({});
    case 1:
      return t.at({i[0]});
    case 2:
      return t.at({i[0], i[1]});
    case 3:
      return t.at({i[0], i[1], i[2]});
    case 4:
      return t.at({i[0], i[1], i[2], i[3]});
    case 5:
      return t.at({i[0], i[1], i[2], i[3], i[4]});
    default:
      return t.at({i[0], i[1], i[2], i[3], i[4], i[5]});
  }
}

/// What `t` holds at `index` of a shape of `rank` dims that it broadcasts to.
inline double broadcast_element(const Tensor& t, const Index& index, int rank) {
  Index own{};
  for (int d = 0; d < t.rank(); ++d)
    if (t.shape()[d] != 1)
      own[static_cast<size_t>(d)] = index[static_cast<size_t>(d + rank - t.rank())];
  return element(t, own);
}

inline int64_t below(Rng& rng, int64_t n) {
  return static_cast<int64_t>(rng.below(static_cast<uint64_t>(n)));
}

/// Sizes 1 ... most, now and then 0 when `zeros`.
inline Shape random_shape(Rng& rng, int rank, int64_t most = 5, bool zeros = false) {
  std::array<int64_t, kMaxRank> sizes{};
  for (int d = 0; d < rank; ++d)
    sizes[static_cast<size_t>(d)] = zeros && rng.below(12) == 0 ? 0 : 1 + below(rng, most);
  return Shape(std::span<const int64_t>(sizes.data(), static_cast<size_t>(rank)));
}

/// Small whole numbers (exact in sums and products) in a random layout.
inline Tensor random_tensor(Rng& rng, const Shape& shape, DType dtype = f64, bool expand = true) {
  const int rank = shape.rank();
  std::array<int, kMaxRank> place{};  // dim d of the result is dim place[d] of the storage
  std::iota(place.begin(), place.end(), 0);
  if (rng.below(2)) rng.shuffle(std::span(place.data(), static_cast<size_t>(rank)));
  Shape base = shape;
  std::array<int64_t, kMaxRank> start{};
  for (int d = 0; d < rank; ++d) {
    const int in = place[static_cast<size_t>(d)];
    base[in] = expand && shape[d] > 1 && rng.below(8) == 0 ? 1 : shape[d];
    if (rng.below(4) == 0) start[static_cast<size_t>(in)] = 1, base[in] += 2;
  }
  const bool stepped = rank > 0 && rank < kMaxRank && rng.below(4) == 0;
  Tensor t = Tensor::empty(stepped ? base.with(rank, 2) : base, dtype);
  dispatch_any(dtype, [&](auto zero) {
    for (auto& x : t.write<decltype(zero)>()) x = static_cast<decltype(zero)>(below(rng, 17) - 8);
  });
  if (stepped) t = t.select(-1, 1);
  for (int d = 0; d < rank; ++d)
    if (start[static_cast<size_t>(d)]) t = t.narrow(d, 1, t.shape()[d] - 2);
  for (int d = 0; d < rank; ++d) {  // bring dim place[d] to d
    if (place[static_cast<size_t>(d)] == d) continue;
    const int from = place[static_cast<size_t>(d)];
    t = t.transpose(d, from);
    for (int k = d + 1; k < rank; ++k)
      if (place[static_cast<size_t>(k)] == d) place[static_cast<size_t>(k)] = from;
  }
  return t.shape() == shape ? t : t.expand(shape);
}

/// A shape that broadcasts to `shape`: some sizes 1, some leading dims missing.
inline Shape random_broadcast_of(Rng& rng, const Shape& shape) {
  Shape out = shape;
  for (int d = 0; d < out.rank(); ++d)
    if (rng.below(4) == 0) out[d] = 1;
  while (out.rank() > 0 && rng.below(5) == 0) out = out.without(0);
  return out;
}

}  // namespace tapestry::test
