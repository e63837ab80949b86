#pragma once
// UpdateRule: how one tensor, or any part of it, moves given its gradient.
//
// A rule is a plain struct of hyperparameters. Those here are in sgd.h, adam.h, rmsprop.h and
// adagrad.h; a user's own is one, too, when it has
//
//   static constexpr const char* name    checkpoints are checked for it
//   double lr                            or a member `rule` that has one (average.h)
//   int slots() const                    numbers kept per weight, all zero in the beginning
//   void check() const                   throws ValueError when a hyperparameter is out of range
//   void update(std::span<T> w, std::span<const T> g, std::span<T* const> slots, int64_t step)
//   const
//
// update() is called for T float and double, for parts of equal length; step counts the updates
// from 1. A rule works element by element, so a tensor, a shard and a row are the same call.
//
// A row-sparse gradient moves only the rows it names. That is exact for Adagrad and for SGD without
// momentum and weight decay: other rows have gradient 0 and would not move. The other rules are
// *lazy*: momentum, means and decay of a row advance only in the updates that touch it, while
// `step` (Adam's bias correction) counts all updates of the parameter.

#include <array>
#include <concepts>
#include <new>
#include <type_traits>

#include <tapestry/optim/adagrad.h>
#include <tapestry/optim/adam.h>
#include <tapestry/optim/rmsprop.h>
#include <tapestry/optim/sgd.h>
#include <tapestry/tensor/rows.h>

namespace tapestry {

inline constexpr int kMaxSlots = 4;
inline constexpr size_t kMaxRuleBytes = 96;

namespace detail {

/// The learning rate of a rule, or of the one it wraps.
template <class R>
double& rate_of(R& rule) {
  if constexpr (requires { rule.lr; })
    return rule.lr;
  else
    return rate_of(rule.rule);
}

template <class R>
concept HasRate =
    std::same_as<decltype(R::lr), double> || std::same_as<decltype(R::rule.lr), double>;

template <class R, class T>
concept Updates = requires(const R& rule, std::span<T> w, std::span<const T> g,
                           std::span<T* const> slots) {
  rule.update(w, g, slots, int64_t{1});
};

}  // namespace detail

template <class R>
concept Rule = std::is_trivially_copyable_v<R> &&
               sizeof(R) <= kMaxRuleBytes&& detail::HasRate<R>&& detail::Updates<
                                R, float>&& detail::Updates<R, double>&& requires(const R& rule) {
  { R::name } -> std::convertible_to<const char*>;
  { rule.slots() } -> std::convertible_to<int>;
  rule.check();
};

namespace detail {

/// What is called for a rule whose type is forgotten.
struct RuleFunctions {
  const char* name;
  double& (*lr)(void*);
  int (*slots)(const void*);
  int (*average)(const void*);
  void (*check)(const void*);
  void (*update32)(const void*, std::span<float>, std::span<const float>, std::span<float* const>,
                   int64_t);
  void (*update64)(const void*, std::span<double>, std::span<const double>,
                   std::span<double* const>, int64_t);
};

template <class R>
const RuleFunctions& rule_functions() {
  static constexpr auto of = [](const void* rule) -> const R& {
    return *static_cast<const R*>(rule);
  };
  static constexpr auto update = [](const void* rule, auto w, auto g, auto slots, int64_t step) {
    of(rule).update(w, g, slots, step);
  };
  static constexpr RuleFunctions functions = {
      R::name,
      [](void* rule) -> double& { return rate_of(*static_cast<R*>(rule)); },
      [](const void* rule) -> int { return of(rule).slots(); },
      [](const void* rule) -> int {
        if constexpr (requires { of(rule).average(); }) return of(rule).average();
        return -1;
      },
      [](const void* rule) { of(rule).check(); },
      update,
      update};
  return functions;
}
// Compiled once, with the library's options.
extern template const RuleFunctions& rule_functions<SGD>();
extern template const RuleFunctions& rule_functions<Adam>();
extern template const RuleFunctions& rule_functions<AdamW>();
extern template const RuleFunctions& rule_functions<RMSProp>();
extern template const RuleFunctions& rule_functions<Adagrad>();

}  // namespace detail

/// Any rule, as a value: copies are bytes and allocate nothing.
class UpdateRule {
 public:
  template <class R>
  requires(std::is_class_v<R> && !std::is_same_v<R, UpdateRule>) UpdateRule(const R& rule) {
    static_assert(Rule<R>,
                  "an update rule is a trivially copyable struct with name, lr, slots(), check() "
                  "and update(w, g, slots, step) for float and double (see optim/rule.h)");
    if constexpr (Rule<R>) {
      functions_ = &detail::rule_functions<R>();
      new (bytes_) R(rule);
    }
  }

  const char* name() const { return functions_->name; }
  double lr() const { return functions_->lr(const_cast<std::byte*>(bytes_)); }
  void set_lr(double lr) { functions_->lr(bytes_) = lr; }
  /// How many numbers it keeps per weight.
  int slots() const { return functions_->slots(bytes_); }
  /// The slot that holds averages of the weights, the next one counts what is in them; -1: none.
  int average() const { return functions_->average(bytes_); }
  /// Throws ValueError for a hyperparameter out of range or more than kMaxSlots slots.
  void check() const;

  // Elements of equal number; nothing is checked.
  void update(std::span<float> w, std::span<const float> g, std::span<float* const> slots,
              int64_t step) const {
    functions_->update32(bytes_, w, g, slots, step);
  }
  void update(std::span<double> w, std::span<const double> g, std::span<double* const> slots,
              int64_t step) const {
    functions_->update64(bytes_, w, g, slots, step);
  }

 private:
  const detail::RuleFunctions* functions_ = nullptr;
  alignas(std::max_align_t) std::byte bytes_[kMaxRuleBytes]{};
};

/// Moves all of `w`. Value, gradient and slots have one shape and type and are contiguous.
/// Throws ShapeError, DTypeError.
void update(const UpdateRule& rule, Tensor& w, const Tensor& g, std::span<Tensor> slots,
            int64_t step);

/// Moves the rows that a coalesced gradient names. Throws also IndexError.
void update_rows(const UpdateRule& rule, Tensor& w, const Rows& g, std::span<Tensor> slots,
                 int64_t step);

}  // namespace tapestry
