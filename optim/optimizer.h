#pragma once
// Optimizer: applies an update rule to the parameters of a model, using up their gradients.
//
//   Optimizer optimizer(model, Adam{.lr = 1e-3});
//   ... { Tape tape; tape.backward(model.loss(batch)); }
//   optimizer.clip_grad_norm(1.0);      // optional
//   optimizer.step();
//
// Groups of parameters may have rules of their own:
//
//   Optimizer optimizer(model, Adam{.lr = 3e-3},
//                       {{.parameters = {&model.embed.table}, .rule = Adagrad{.lr = 0.1}}});
//
// It marks its leaves as held until it ends, so that backward can tell when a model has a
// parameter that nobody would update. It keeps the leaves: the model may move, and copying to the
// model (`model = best`) leaves the optimizer valid, but a model moved into it would be another
// one: step() throws. Frozen parameters, and parameters without a gradient, do not change, nor do
// their slots and counts. Row-sparse gradients move only their rows; rule.h says for which rules
// that is exact. Once warm, a step allocates nothing outside the pool.

#include <tapestry/nn/checkpoint.h>
#include <tapestry/optim/parameter_state.h>

namespace tapestry {

/// Parameters that follow a rule of their own.
struct ParameterGroup {
  std::vector<const Parameter*> parameters;
  UpdateRule rule;
};

class Optimizer {
 public:
  using Groups = std::vector<ParameterGroup>;

  /// Throws ValueError for a hyperparameter out of range, or a group's parameter that is none of
  /// these or is in two groups; DTypeError or ShapeError for a parameter that cannot be trained;
  /// Error for one that another optimizer or server already updates.
  Optimizer(std::span<const NamedParameter> parameters, UpdateRule rule, const Groups& groups = {});
  template <Module Model>
  Optimizer(Model& model, UpdateRule rule, const Groups& groups = {})
      : Optimizer(parameters(model), std::move(rule), groups) {}
  Optimizer(Optimizer&&) = default;
  ~Optimizer();

  /// One update of every parameter that has a gradient; clears the gradients. Throws Error when
  /// none has, or when a parameter is no longer part of a model.
  void step();

  /// Scales all gradients so that their joint Euclidean norm is at most `max` (Pascanu, Mikolov &
  /// Bengio, 2013); returns the norm before. Infinity only measures. Throws ValueError unless
  /// max > 0, and NonFiniteError, which names the parameter, before anything is scaled.
  double clip_grad_norm(double max);
  /// The share of the clip_grad_norm calls that scaled, in [0, 1]; 0 before the first.
  double clip_rate() const;

  double lr() const { return lr_; }
  /// The rates of groups change by the same factor, relative to those they were given. Throws
  /// ValueError unless lr is finite and at least 0.
  void set_lr(double lr);
  /// The rule of all parameters without a group.
  UpdateRule rule() const { return rule_at(0, lr_); }
  UpdateRule rule_of(const ParameterState& state) const { return rule_at(state.group, lr_); }
  /// The rule of a group (0: none) while lr() is `lr`.
  UpdateRule rule_at(size_t group, double lr) const;
  /// How often step() was called.
  int64_t steps() const { return steps_; }

  /// Adds the slots, the counters and the learning rates.
  void save(NamedTensors& out, const std::string& prefix = "optimizer.") const;
  /// The same with the slots themselves, not clones: for what is written before they change.
  void share(NamedTensors& out, const std::string& prefix = "optimizer.") const;
  /// Throws FormatError, then unchanged, unless saved with the same kinds of rules, groups and
  /// parameters.
  void load(const NamedTensors& in, const std::string& prefix = "optimizer.");

  // For those who apply gradients themselves, as the server does.
  std::span<ParameterState> states() { return states_; }
  std::span<const ParameterState> states() const { return states_; }
  void count_steps(int64_t n = 1) { steps_ += n; }

 private:
  void add_group(const ParameterGroup& group);
  std::vector<NamedTensor> slot_tensors() const;

  std::vector<ParameterState> states_;
  GradientSet gradients_;
  std::vector<UpdateRule> rules_;  // at the rates that were given; the first without a group
  double lr_;
  int64_t steps_ = 0, clip_calls_ = 0, clipped_ = 0;
};

}  // namespace tapestry
