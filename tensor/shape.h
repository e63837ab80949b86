#pragma once
// Shape: up to six sizes, kept inline, and the pure rules about them. Unused sizes are 1, so
// numel() is always a product of six. Strides count elements.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>

#include <tapestry/tensor/error.h>

namespace tapestry {

inline constexpr int kMaxRank = 6;
using Strides = std::array<int64_t, kMaxRank>;

class Shape {
 public:
  Shape() = default;  // rank 0: a scalar
  Shape(std::initializer_list<int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  /// Throws ShapeError for more than six sizes, a negative one, or 2^60 elements and more.
  explicit Shape(std::span<const int64_t> sizes);

  int rank() const { return rank_; }
  /// The size of dim 0 ... rank-1; throws IndexError.
  int64_t operator[](int dim) const { return sizes_[index(dim)]; }
  int64_t& operator[](int dim) { return sizes_[index(dim)]; }
  int64_t numel() const {
    return (sizes_[0] * sizes_[1]) * (sizes_[2] * sizes_[3]) * (sizes_[4] * sizes_[5]);
  }
  const std::array<int64_t, kMaxRank>& sizes() const { return sizes_; }  // 1 beyond the rank
  bool operator==(const Shape& other) const {
    int64_t differ = rank_ - other.rank_;
    for (size_t i = 0; i < kMaxRank; ++i) differ |= sizes_[i] ^ other.sizes_[i];
    return differ == 0;
  }

  /// The same sizes without `dim`, or with `size` put before `dim`; throw IndexError, and
  /// ShapeError when there is no room.
  Shape without(int dim) const;
  Shape with(int dim, int64_t size) const;

 private:
  size_t index(int dim) const {
    if (dim < 0 || dim >= rank_) [[unlikely]]
      outside(dim);
    return static_cast<size_t>(dim);
  }
  [[noreturn]] void outside(int dim) const;

  std::array<int64_t, kMaxRank> sizes_{1, 1, 1, 1, 1, 1};
  int rank_ = 0;
};

/// "(20, 650)"
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// numel(), or ShapeError when there are 2^60 elements or more: a product that wrapped around would
/// make a small tensor of a large shape.
int64_t checked_numel(const Shape& shape);

/// Row-major strides.
Strides contiguous_strides(const Shape& shape);

/// The shape two operands broadcast to (sizes aligned at the last; 1 stretches); throws ShapeError.
Shape broadcast(const char* op, const Shape& a, const Shape& b);

/// Turns a dim that may count from the end (-1 is the last) into 0 ... rank-1; throws IndexError.
int normalize_dim(const char* op, const Shape& shape, int dim);

}  // namespace tapestry
