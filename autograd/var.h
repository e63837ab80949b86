#pragma once
// Var: a Tensor and where it came from: nowhere (a constant), a Parameter, or an op on a Tape.

#include <tapestry/autograd/parameter.h>

namespace tapestry {

/// What a Var stands for: a leaf, a node of a Graph (see graph.h), or, with neither, a constant.
struct Origin {
  LeafRef leaf;
  uint64_t serial = 0;  // of the node; 0: none
  uint32_t node = 0;
};

class Var {
 public:
  Var() = default;
  Var(Tensor value) : value_(std::move(value)) {}                            // NOLINT: a constant
  Var(const Parameter& p) : value_(p.guarded().tensor), origin_{p.ref()} {}  // NOLINT: a leaf
  /// Throws TapeError for a value that other threads update.
  const Tensor& value() const {
    if (origin_.leaf && origin_.leaf->guard) [[unlikely]]
      origin_.leaf->refuse();
    return value_;
  }
  /// The value together with what guards it where other threads update it: for ops that read by
  /// rows.
  Guarded guarded() const { return {value_, origin_.leaf ? origin_.leaf->guard : nullptr}; }
  const Shape& shape() const { return value_.shape(); }
  int64_t size(int dim) const { return value_.size(dim); }
  DType dtype() const { return value_.dtype(); }
  bool defined() const { return value_.defined(); }
  const Origin& origin() const { return origin_; }
  /// Makes it, a constant, the value of a node.
  void stand_for(uint64_t serial, uint32_t node) {
    origin_.serial = serial;
    origin_.node = node;
  }

  /// The same value as a constant: nothing flows back through it. Shares the elements.
  Var detach() const { return Var(value()); }

 private:
  Tensor value_;
  Origin origin_;
};

}  // namespace tapestry
