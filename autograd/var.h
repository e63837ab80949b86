#pragma once
// Var: a Tensor and where it came from: nowhere (a constant), a Parameter, or an op on a Tape.

#include <tapestry/autograd/parameter.h>

namespace tapestry {

class Tape;

class Var {
 public:
  Var() = default;
  Var(Tensor value) : value_(std::move(value)) {}                          // NOLINT: a constant
  Var(const Parameter& p) : value_(p.guarded().tensor), leaf_(p.ref()) {}  // NOLINT: a leaf

  /// Throws TapeError for a value that other threads update.
  const Tensor& value() const {
    if (leaf_ && leaf_->guard) [[unlikely]]
      leaf_->refuse();
    return value_;
  }
  /// The value together with what guards it where other threads update it: for ops that read by
  /// rows.
  Guarded guarded() const { return {value_, leaf_ ? leaf_->guard : nullptr}; }
  const Shape& shape() const { return value_.shape(); }
  int64_t size(int dim) const { return value_.size(dim); }
  DType dtype() const { return value_.dtype(); }
  bool defined() const { return value_.defined(); }

  /// The same value as a constant: nothing flows back through it. Shares the elements.
  Var detach() const { return Var(value()); }

 private:
  friend class Tape;
  Tensor value_;
  LeafRef leaf_;
  uint64_t serial_ = 0;  // of the Tape that recorded it; 0: none
  uint32_t node_ = 0;
};

}  // namespace tapestry
