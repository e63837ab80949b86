#pragma once
// gradcheck: compares gradients with central differences in f64 (Richardson-extrapolated; a second
// time with a smaller step where they disagree). For your own ops and for whole models, truncated
// back-propagation included.

#include <functional>
#include <string>

#include <tapestry/autograd/tape.h>
#include <tapestry/tensor/random.h>

namespace tapestry {

struct GradReport {
  bool ok = true;
  double worst = 0;              // largest |analytic - numeric| / (1 + |numeric|)
  std::string message;           // what failed, or where the worst element is
  std::vector<std::string> ops;  // recorded while checking
};

using OpFunction = std::function<Var(std::span<const Var>)>;

/// Checks f at the given f64 inputs, element by element, with a random cotangent, and that
///   - strided and broadcast (stride 0) inputs give the same value and gradients,
///   - gradients add to what is there, and inputs that want none stay untouched,
///   - inputs are not modified, and the value is the same without a tape,
///   - no storage outlives the check.
/// f must be deterministic. Throws DTypeError for inputs that are not f64.
GradReport gradcheck(const OpFunction& f, std::vector<Tensor> inputs, double tolerance = 1e-7,
                     uint64_t seed = 1);

/// Checks a scalar loss against differences of `surrogate` (the function whose gradient is meant;
/// often the loss itself) at up to `elements` random elements of each parameter, all f64.
/// The gradients must already lie in the parameters; they are left as they are.
GradReport gradcheck_parameters(std::span<const NamedParameter> parameters,
                                const std::function<double()>& surrogate, int64_t elements = 20,
                                double tolerance = 1e-6, uint64_t seed = 1);

}  // namespace tapestry
