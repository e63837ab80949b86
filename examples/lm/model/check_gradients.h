#pragma once
// Gradients of a language model against finite differences, parameter by parameter. A truncated
// gradient is compared with differences of the function whose gradient it is: the loss in which the
// states that truncation cuts off are frozen (nn/unroll.h).

#include <tapestry/examples/lm/model/model.h>
#include <tapestry/nn/gradcheck.h>

#include <functional>
#include <string>
#include <vector>

namespace tapestry::lm {

struct CheckedParameter {
  std::string name;
  Shape shape;
  int64_t elements = 0;  // compared
  GradReport report;
};

/// Compares up to `elements` random elements of each parameter (f64) with differences of
/// `surrogate`; the gradients come from `loss`.
std::vector<CheckedParameter> check_gradients(std::span<const NamedParameter> parameters,
                                              const std::function<Var()>& loss,
                                              const std::function<Var()>& surrogate,
                                              int64_t elements, double tolerance, uint64_t seed);

/// The same for the model's own loss of a batch under its own truncation.
template <class Cell>
std::vector<CheckedParameter> check_gradients(LanguageModel<Cell>& model, const Batch& batch,
                                              int64_t elements, double tolerance, uint64_t seed) {
  FrozenStates frozen;
  const auto surrogate = [&] {
    frozen.rewind();
    model.rnn.bptt.frozen = &frozen;
    const Var loss = model.loss(batch);
    model.rnn.bptt.frozen = nullptr;
    return loss;
  };
  return check_gradients(
      parameters(model), [&] { return model.loss(batch); }, surrogate, elements, tolerance, seed);
}

}  // namespace tapestry::lm
