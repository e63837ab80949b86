#pragma once
// Optimizer: applies an update rule to the parameters of a model, using up their gradients.
//
//   Optimizer optimizer(model, Adam{.lr = 1e-3});
//   ... { Tape tape; tape.backward(model.loss(batch)); }
//   optimizer.clip_grad_norm(1.0);      // optional
//   optimizer.step();
//
// It marks its leaves as tracked until it ends, so that backward can tell when a model has a
// parameter that nobody would update. It keeps the leaves: the model may move, and assigning to the
// model (`model = best`) leaves the optimizer valid. Frozen parameters, and parameters without a
// gradient, do not change, nor do their slots and counts. Row-sparse gradients move only their
// rows; rule.h says for which rules that is exact. Once warm, a step allocates nothing outside the
// pool.

#include <concepts>

#include <tapestry/nn/checkpoint.h>
#include <tapestry/optim/rule.h>

namespace tapestry {

class Optimizer {
 public:
  /// Throws ValueError for a hyperparameter out of range, DTypeError or ShapeError for a parameter
  /// that cannot be trained, Error for one that another optimizer or server already updates.
  Optimizer(std::span<const NamedParameter> parameters, UpdateRule rule);
  template <HasFields Model>
  Optimizer(Model& model, UpdateRule rule) : Optimizer(parameters(model), std::move(rule)) {}
  Optimizer(Optimizer&&) = default;
  ~Optimizer();

  /// One update of every parameter that has a gradient; clears the gradients.
  void step();

  /// Scales all gradients so that their joint Euclidean norm is at most `max` (Pascanu, Mikolov &
  /// Bengio, 2013); returns the norm before. Infinity only measures. Throws ValueError unless
  /// max > 0, and NonFiniteError, which names the parameter, before anything is scaled.
  double clip_grad_norm(double max);
  /// The share of the clip_grad_norm calls that scaled, in [0, 1]; 0 before the first.
  double clip_rate() const;

  double lr() const { return learning_rate(rule_); }
  /// Throws ValueError unless lr is finite and at least 0.
  void set_lr(double lr);
  const UpdateRule& rule() const { return rule_; }
  /// How often step() was called.
  int64_t steps() const { return steps_; }

  /// Adds the slots, the counters and the learning rate.
  void save(NamedTensors& out, const std::string& prefix = "optimizer.") const;
  /// Throws FormatError, then unchanged, unless saved with the same kind of rule and parameters.
  void load(const NamedTensors& in, const std::string& prefix = "optimizer.");

 private:
  friend class ServerCore;  // applies the same updates from several threads, a shard at a time
  struct Entry {
    std::string name;
    LeafRef leaf;
    std::vector<Tensor> slots;
    int64_t updates = 0;
  };
  void update(Entry& entry);
  std::vector<NamedTensor> slot_tensors() const;

  std::vector<Entry> entries_;
  UpdateRule rule_;
  int64_t steps_ = 0, clip_calls_ = 0, clipped_ = 0;
};

}  // namespace tapestry
