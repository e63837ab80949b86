#pragma once
// What the tests of models share: differences between tensors, gradients of a model as values, and
// random f64 inputs.

#include <cmath>
#include <limits>
#include <map>
#include <string>

#include <tapestry/nn/gradcheck.h>
#include <tapestry/nn/init.h>
#include <tapestry/tensor/arith.h>

namespace tapestry::testing {

/// The largest |a - b| / (1 + |b|); infinite when shapes differ or something is NaN.
inline double difference(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  const auto x = a.cast(f64).to_vector<double>(), y = b.cast(f64).to_vector<double>();
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double d = std::abs(x[i] - y[i]) / (1 + std::abs(y[i]));
    if (!(d <= worst)) worst = std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
  }
  return worst;
}
inline double difference(const Var& a, const Var& b) { return difference(a.value(), b.value()); }

template <class State>
double state_difference(const State& a, const State& b) {
  const auto x = vars(a), y = vars(b);
  if (x.size() != y.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, difference(x[i], y[i]));
  return worst;
}

using Gradients = std::map<std::string, Tensor>;

/// Copies the gradients of a model and clears them.
template <class Model>
Gradients take_gradients(Model& model) {
  Gradients out;
  for (const auto& [name, p] : parameters(model)) {
    out[name] = p->grad().empty() ? Tensor::zeros(p->shape(), p->value().dtype())
                                  : p->grad().dense().clone();
    p->grad().clear();
  }
  return out;
}

/// The largest difference over all parameters.
inline double difference(const Gradients& a, const Gradients& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (const auto& [name, gradient] : a) {
    const auto other = b.find(name);
    if (other == b.end()) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, difference(gradient, other->second));
  }
  return worst;
}

/// The sum of |elements| over all parameters: a comparison of zeros proves nothing.
inline double magnitude(const Gradients& gradients) {
  double total = 0;
  for (const auto& [name, gradient] : gradients)
    for (const double g : gradient.cast(f64).to_vector<double>()) total += std::abs(g);
  return total;
}

/// U(-1, 1), f64.
inline Tensor random(const Shape& shape, Rng& rng) { return uniform(shape, 1, rng, f64); }

}  // namespace tapestry::testing
