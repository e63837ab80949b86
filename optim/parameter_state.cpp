#include <tapestry/optim/parameter_state.h>

#include <algorithm>
#include <cmath>

#include <tapestry/tensor/reduce.h>

namespace tapestry {

Tensor as_rows(const Tensor& t) { return t.reshape({t.rank() ? t.shape()[0] : 1, -1}); }

void ParameterState::apply(const UpdateRule& rule, const Tensor& gradient, int64_t step) {
  update(rule, leaf->value, gradient, slots, step);
}

void ParameterState::apply(const UpdateRule& rule, const Rows& gradient, int64_t step) {
  update_rows(rule, leaf->value, gradient, slots, step);
}

void ParameterState::apply(const UpdateRule& rule, const Tensor& gradient, int64_t first,
                           int64_t count, int64_t step) {
  Tensor value = as_rows(leaf->value).narrow(0, first, count);
  std::array<Tensor, kMaxSlots> parts;
  for (size_t k = 0; k < slots.size(); ++k) parts[k] = as_rows(slots[k]).narrow(0, first, count);
  update(rule, value, gradient, std::span(parts.data(), slots.size()), step);
}

bool GradientSet::empty() const {
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const Entry& e) { return e.leaf->grad().empty(); });
}

Tensor GradientSet::dense(size_t i) const {
  const Leaf& leaf = *entries_[i].leaf;
  // Grad::dense() would copy a gradient that is shared with another parameter.
  return leaf.rows.empty() ? leaf.dense.to_contiguous() : grad(i).dense();
}

const Rows& GradientSet::coalesce(size_t i) const {
  RowList& list = entries_[i].leaf->rows;
  Rows rows = grad(i).rows();
  list.clear();
  list.push_back(std::move(rows));
  return list[0];
}

double GradientSet::squared_norm(size_t i, const char* op) const {
  Leaf& leaf = *entries_[i].leaf;
  Grad grad = leaf.grad();
  if (grad.empty() || leaf.frozen) return 0;
  if (!grad.sparse() && !leaf.rows.empty()) grad.dense();
  // Contributions to one row add up before they are squared.
  const double squares = tapestry::squared_norm(grad.sparse() ? coalesce(i).values : leaf.dense);
  require<NonFiniteError>(std::isfinite(squares), op, "the gradient of ", name(i),
                          " is not finite");
  return squares;
}

double GradientSet::norm(const char* op) const {
  double squares = 0;
  for (size_t i = 0; i < size(); ++i) squares += squared_norm(i, op);
  require<NonFiniteError>(std::isfinite(squares), op, "the norm of the gradients is not finite");
  return std::sqrt(squares);
}

double GradientSet::clip(double max, const char* op) const {
  const double before = norm(op);
  if (before > max)
    for (size_t i = 0; i < size(); ++i)
      if (Grad g = grad(i); !g.empty()) g.scale(max / before);
  return before;
}

void GradientSet::require_finite(size_t i, const Tensor& part) const {
  require<NonFiniteError>(all_finite(part), "the gradient of ", name(i), " is not finite");
}

void GradientSet::clear() const {
  for (const Entry& entry : entries_) entry.leaf->grad().clear();
}

}  // namespace tapestry
