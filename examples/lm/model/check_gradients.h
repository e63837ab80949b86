#pragma once
// Gradients of a language model against finite differences, parameter by parameter. A truncated
// gradient is compared with differences of the function whose gradient it is: the loss in which the
// states that truncation cuts off are frozen (nn/unroll.h).

#include <tapestry/autograd/gradcheck.h>
#include <tapestry/examples/lm/model/language_model.h>

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

/// The same for the model's own loss of a batch under its own truncation, for one draw of the
/// candidates where it has some.
std::vector<CheckedParameter> check_gradients(LanguageModel& model, const Batch& batch,
                                              int64_t elements, double tolerance, uint64_t seed);

}  // namespace tapestry::lm
