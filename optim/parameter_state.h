#pragma once
// ParameterState: a parameter in training, with what its rule remembers of it. GradientSet: the
// gradients of several parameters, as one vector. They are the only places in which a gradient is
// applied, measured, clipped and checked; the Optimizer and every policy of the server use them.

#include <string>
#include <vector>

#include <tapestry/autograd/parameter.h>
#include <tapestry/optim/rule.h>

namespace tapestry {

struct ParameterState {
  std::string name;
  LeafRef leaf;
  size_t group = 0;           // whose rule it has
  std::vector<Tensor> slots;  // of the value's shape
  int64_t updates = 0;

  /// Shape (rows, width) of the value; a scalar is one row.
  int64_t rows() const { return leaf->value.rank() ? leaf->value.shape()[0] : 1; }

  // Each moves the value by the rule, as its update number `step`, and leaves `updates` as it is.
  // They throw ShapeError, DTypeError or IndexError for a gradient that does not fit.

  /// The whole value.
  void apply(const UpdateRule& rule, const Tensor& gradient, int64_t step);
  /// The rows that a coalesced gradient names.
  void apply(const UpdateRule& rule, const Rows& gradient, int64_t step);
  /// Rows [first, first + count) by their gradient, (count, width).
  void apply(const UpdateRule& rule, const Tensor& gradient, int64_t first, int64_t count,
             int64_t step);
};

/// A tensor as (rows, width); a scalar is one row.
Tensor as_rows(const Tensor& t);

/// The gradients of parameters that outlive it.
class GradientSet {
 public:
  void add(const std::string& name, Leaf& leaf) { entries_.push_back({&name, &leaf}); }
  size_t size() const { return entries_.size(); }
  const std::string& name(size_t i) const { return *entries_[i].name; }
  Leaf& leaf(size_t i) const { return *entries_[i].leaf; }
  Grad grad(size_t i) const { return entries_[i].leaf->grad(); }
  bool empty(size_t i) const { return grad(i).empty(); }
  bool empty() const;  // no parameter has a gradient
  bool sparse(size_t i) const { return grad(i).sparse(); }
  /// A contiguous gradient, read in place where it is one. Unless empty or sparse.
  Tensor dense(size_t i) const;
  /// The rows of a sparse gradient, each once; they are kept so.
  const Rows& coalesce(size_t i) const;

  // Those of frozen parameters count nowhere. `op` begins the message of a NonFiniteError, which
  // names the parameter.

  /// Of gradient i. Rows are coalesced for it, and kept so.
  double squared_norm(size_t i, const char* op = "") const;
  /// The Euclidean norm of all.
  double norm(const char* op = "") const;
  /// Scales all so that their norm is at most `max`; returns the norm before.
  double clip(double max, const char* op = "") const;
  /// Throws NonFiniteError unless `part` of gradient i is finite.
  void require_finite(size_t i, const Tensor& part) const;
  void clear() const;

 private:
  struct Entry {
    const std::string* name;
    Leaf* leaf;
  };
  std::vector<Entry> entries_;
};

}  // namespace tapestry
