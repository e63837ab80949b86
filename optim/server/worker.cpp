#include <tapestry/optim/server/worker.h>

#include <cmath>

#include <tapestry/autograd/check_finite.h>
#include <tapestry/optim/server/policy.h>
#include <tapestry/tensor/interruption.h>

namespace tapestry {
namespace {

/// Evaluates the loss once more, to name the op; throws NonFiniteError.
[[noreturn]] void explain(const std::function<Var()>& loss, double value) {
  double again = 0;
  {
    const CheckFinite check;
    Tape tape;
    again = loss().value().item();
  }
  fail<NonFiniteError>("the loss is ", value, ", and evaluated once more to find the op it was ",
                       again, " (a loss must give the same value each time)");
}

}  // namespace

double Worker::run(const LossFunction& loss, double tokens, double weight) {
  require<ValueError>(weight > 0 && std::isfinite(weight), "update: weight is ", weight,
                      ", expected a positive number");
  Replica& w = replica_;
  const double began = seconds_now();
  policy_.pull(w);
  const double pulled = seconds_now();
  double value = 0, evaluated = 0;
  try {
    Tape tape;
    const Var objective = loss();
    value = objective.value().item();
    evaluated = seconds_now();
    if (std::isfinite(value)) tape.backward(objective);
  } catch (const Interrupted&) {
    w.gradients.clear();
    policy_.give_up();
    throw;
  }
  if (!std::isfinite(value)) {
    policy_.fail();  // no recorded order has the second evaluation's locks
    explain(loss, value);
  }
  require(!w.gradients.empty(),
          "update: the loss depends on no parameter of the worker's model (compute it with the "
          "model that the body is given)");
  const double reversed = seconds_now();
  w.tokens = tokens;
  w.weight = weight;
  policy_.push(w);
  w.stats.pull_seconds += pulled - began;
  w.stats.forward_seconds += evaluated - pulled;
  w.stats.backward_seconds += reversed - evaluated;
  ++w.stats.updates;
  w.stats.tokens += static_cast<int64_t>(tokens);
  w.stats.service.add(tokens, seconds_now() - began);
  return value;
}

}  // namespace tapestry
