#pragma once
// Var: a Tensor and where it came from: nowhere (a constant), a Parameter, or an op on a Tape.

#include <tapestry/autograd/parameter.h>

namespace tapestry {

class Tape;

class Var {
 public:
  Var() = default;
  Var(Tensor value) : value_(std::move(value)) {}                 // NOLINT: a constant
  Var(const Parameter& p) : value_(p.value()), leaf_(p.ref()) {}  // NOLINT: a leaf

  const Tensor& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  int64_t size(int dim) const { return value_.size(dim); }
  DType dtype() const { return value_.dtype(); }
  bool defined() const { return value_.defined(); }

  /// How to read a value that threads share; null for all others. See Leaf::access.
  const RowAccess* access() const { return leaf_ ? leaf_->access : nullptr; }

  /// The same value as a constant: nothing flows back through it. Shares the elements.
  Var detach() const { return Var(value_); }

 private:
  friend class Tape;
  Tensor value_;
  LeafRef leaf_;
  uint64_t serial_ = 0;  // of the Tape that recorded it; 0: none
  uint32_t node_ = 0;
};

}  // namespace tapestry
