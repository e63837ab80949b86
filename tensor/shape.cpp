#include <tapestry/tensor/shape.h>

#include <algorithm>
#include <ostream>

namespace tapestry {

Shape::Shape(std::span<const int64_t> sizes) {
  require<ShapeError>(sizes.size() <= kMaxRank, "shape: rank ", sizes.size(), " is more than ",
                      kMaxRank, " (merge dims with reshape)");
  for (const int64_t size : sizes) sizes_[static_cast<size_t>(rank_++)] = size;
  checked_numel(*this);
}

int64_t checked_numel(const Shape& shape) {
  uint64_t bits = 0;
  for (const int64_t size : shape.sizes()) bits |= static_cast<uint64_t>(size);
  if (bits >> 10 == 0) return shape.numel();  // the usual case: six factors below 2^10

  int64_t product = 1;  // sizes of 0 are left out, so that strides do not wrap around either
  for (int i = 0; i < shape.rank(); ++i) {
    const int64_t size = shape[i];
    require<ShapeError>(size >= 0, "shape: size ", size, " is negative");
    require<ShapeError>(!__builtin_mul_overflow(product, std::max<int64_t>(size, 1), &product) &&
                            product < int64_t{1} << 60,
                        "shape: ", shape, " has too many elements");
  }
  return shape.numel();
}

void Shape::outside(int dim) const {
  fail<IndexError>("shape: dim ", dim, " is outside ", *this, ", which has rank ", rank_);
}

Shape Shape::without(int dim) const {
  Shape out = *this;
  for (size_t i = index(dim); i + 1 < kMaxRank; ++i) out.sizes_[i] = out.sizes_[i + 1];
  out.sizes_[kMaxRank - 1] = 1;
  --out.rank_;
  return out;
}

Shape Shape::with(int dim, int64_t size) const {
  require<ShapeError>(rank_ < kMaxRank, "shape: ", *this, " already has rank ", kMaxRank);
  Shape out = *this;
  ++out.rank_;
  const auto at = out.sizes_.begin() + static_cast<std::ptrdiff_t>(out.index(dim));
  std::copy_backward(at, out.sizes_.end() - 1, out.sizes_.end());
  *at = size;
  return out;
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '(';
  for (int i = 0; i < shape.rank(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ')';
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides{};
  int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[static_cast<size_t>(i)] = step;
    step *= shape[i];
  }
  return strides;
}

Shape broadcast(const char* op, const Shape& a, const Shape& b) {
  Shape out = a.rank() >= b.rank() ? a : b;
  for (int i = 0; i < out.rank(); ++i) {
    const int in_a = i - out.rank() + a.rank(), in_b = i - out.rank() + b.rank();
    const int64_t x = in_a < 0 ? 1 : a[in_a], y = in_b < 0 ? 1 : b[in_b];
    require<ShapeError>(x == y || x == 1 || y == 1, op, ": ", a, " and ", b,
                        " do not broadcast: dim ", i, " is ", x, " and ", y);
    out[i] = x == 1 ? y : x;
  }
  return out;
}

int normalize_dim(const char* op, const Shape& shape, int dim) {
  const int d = dim < 0 ? dim + shape.rank() : dim;
  require<IndexError>(d >= 0 && d < shape.rank(), op, ": dim ", dim, " is outside ", shape,
                      ", which has rank ", shape.rank());
  return d;
}

}  // namespace tapestry
