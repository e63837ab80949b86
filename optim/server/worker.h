#pragma once
// Worker: what the body of a run sees of its worker, and the one path of an update: pull, evaluate,
// reverse, push. Replica: the worker's side of a run, which policies work on.

#include <functional>
#include <vector>

#include <tapestry/autograd/tape.h>
#include <tapestry/optim/parameter_state.h>
#include <tapestry/optim/server/shards.h>
#include <tapestry/optim/server/stats.h>

namespace tapestry {

class Policy;

struct alignas(128) Replica {
  int index = 0;
  GradientSet gradients;          // of its own leaves, in the order of the master's parameters
  std::vector<RowAccess> access;  // to the rows of each
  std::vector<int64_t> steps;     // the number of each parameter's update in this push
  LockContext locks;              // what it takes to them
  WorkerStats stats;
  std::vector<int64_t> staleness;  // see ServerStats
  int64_t item = 0, version = 0;   // at work on; of the master when it pulled
  double tokens = 0, weight = 1;   // of the item
  double norm = 0;                 // of the last pushed gradient
  int64_t clipped = 0;
};

class Worker {
 public:
  Worker(Policy& policy, Replica& replica) : policy_(policy), replica_(replica) {}
  int index() const { return replica_.index; }
  /// The norm of the last pushed gradient before clipping; 0 where nothing clips.
  double gradient_norm() const { return replica_.norm; }

  /// Pulls, evaluates `loss` on a Tape, reverses it, pushes. Returns the value of the loss.
  /// `tokens` is the size of the item: it is counted, and is the item's duration when simulated.
  /// `weight` is the item's share in a synchronous mean (its number of sentences, say).
  /// A loss that is not finite is evaluated once more to find the op, so it must be repeatable:
  /// generators and states that it advances have to be its own. Throws NonFiniteError then, Error
  /// when the loss depends on no parameter of the model that the body was given, ValueError unless
  /// weight > 0. Interrupted (tensor/interruption.h), thrown by the loss, passes through, for the
  /// body to catch: the update is not made. In a synchronous round (of one rank) none is then, all
  /// its workers' updates throw it, and there are no further rounds.
  template <class Loss>
  double update(Loss&& loss, double tokens = 0, double weight = 1) {
    return run(std::ref(loss), tokens, weight);
  }

 private:
  using LossFunction = std::function<Var()>;
  double run(const LossFunction& loss, double tokens, double weight);

  Policy& policy_;
  Replica& replica_;
};

}  // namespace tapestry
