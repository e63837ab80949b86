#pragma once
// UpdateRule: how one tensor, or any part of it, moves given its gradient.
//
// A rule is a plain struct of hyperparameters (sgd.h, adam.h, rmsprop.h, adagrad.h) with
//   slots()                       how many numbers it keeps per weight, all zero in the beginning
//   check()                       throws ValueError when a hyperparameter is out of range
//   update(w, g, slots, step)     spans of equal length; step counts the updates from 1
// Every rule works element by element, so a tensor, a shard and a row are the same call.
//
// A row-sparse gradient moves only the rows it names. That is exact for Adagrad and for SGD without
// momentum and weight decay: other rows have gradient 0 and would not move. The other rules are
// *lazy*: momentum, means and decay of a row advance only in the updates that touch it, while
// `step` (Adam's bias correction) counts all updates of the parameter.

#include <array>
#include <variant>

#include <tapestry/optim/adagrad.h>
#include <tapestry/optim/adam.h>
#include <tapestry/optim/rmsprop.h>
#include <tapestry/optim/sgd.h>
#include <tapestry/tensor/rows.h>

namespace tapestry {

using UpdateRule = std::variant<SGD, Adam, AdamW, RMSProp, Adagrad>;
inline constexpr size_t kMaxSlots = 2;

inline int slots(const UpdateRule& rule) {
  return std::visit([](const auto& r) { return r.slots(); }, rule);
}
inline const char* name_of(const UpdateRule& rule) {
  return std::visit([](const auto& r) { return r.name; }, rule);
}
inline double learning_rate(const UpdateRule& rule) {
  return std::visit([](const auto& r) { return r.lr; }, rule);
}
inline void set_learning_rate(UpdateRule& rule, double lr) {
  std::visit([lr](auto& r) { r.lr = lr; }, rule);
}
/// Throws ValueError.
inline void check(const UpdateRule& rule) {
  std::visit([](const auto& r) { r.check(); }, rule);
}

/// Moves all of `w`. Value, gradient and slots have one shape and type and are contiguous.
/// Throws ShapeError, DTypeError.
void update(const UpdateRule& rule, Tensor& w, const Tensor& g, std::span<Tensor> slots,
            int64_t step);

/// Moves the rows that a coalesced gradient names. Throws also IndexError.
void update_rows(const UpdateRule& rule, Tensor& w, const Rows& g, std::span<Tensor> slots,
                 int64_t step);

}  // namespace tapestry
