#pragma once
// gradcheck of a model: its gradients against finite differences. For tests: no other header
// includes it.

#include <tapestry/autograd/gradcheck.h>
#include <tapestry/nn/module.h>

namespace tapestry {

/// Checks the gradients of loss(model) (f64) at random elements of each parameter; see gradcheck.h.
/// `surrogate` is what the differences are taken of when the gradient is a truncated one.
template <Module Model, class Loss, class Surrogate>
GradReport gradcheck(Model& model, Loss&& loss, Surrogate&& surrogate, int64_t elements = 20,
                     double tolerance = 1e-6,
                     uint64_t seed = 1) requires std::is_invocable_v<Surrogate&, Model&> {
  zero_grad(model);
  {
    Tape tape;
    tape.backward(loss(model));
  }
  GradReport report = gradcheck_parameters(
      parameters(model), [&] { return surrogate(model).value().item(); }, elements, tolerance,
      seed);
  zero_grad(model);
  return report;
}
template <Module Model, class Loss>
GradReport gradcheck(
    Model& model, Loss&& loss, int64_t elements = 20, double tolerance = 1e-6,
    uint64_t seed = 1) requires(!std::is_invocable_v<Model, std::span<const Var>>) {
  return gradcheck(model, loss, loss, elements, tolerance, seed);
}

}  // namespace tapestry
