#pragma once
// What normalises along a dim.

#include <tapestry/autograd/ops/arithmetic.h>
#include <tapestry/tensor/normalize.h>
#include <tapestry/tensor/reduce.h>

namespace tapestry {

inline Var softmax(const Var& a, int dim = -1) {
  const Tensor y = softmax(a.value(), dim);
  return record("softmax", y, wrt(a, y, dim, [](const Tensor& dy, const Tensor& p, int d) {
                  return p * (dy - sum(dy * p, d, true));
                }));
}

inline Var log_softmax(const Var& a, int dim = -1) {
  const Tensor y = log_softmax(a.value(), dim);
  return record("log_softmax", y, wrt(a, y, dim, [](const Tensor& dy, const Tensor& l, int d) {
                  return dy - exp(l) * sum(dy, d, true);
                }));
}

/// Normalises the last dim (Ba, Kiros & Hinton, 2016): gain (x - mean) / sqrt(variance + eps) +
/// bias.
inline Var layer_norm(const Var& a, const Var& gain, const Var& bias, double eps = 1e-5) {
  const Normalized n = normalize(a.value(), eps);
  const Var x = record("layer_norm", n.x,
                       wrt(a, n.x, n.scale, [](const Tensor& dy, const Tensor& v, const Tensor& s) {
                         return normalize_backward(dy, v, s);
                       }));
  return x * gain + bias;
}

}  // namespace tapestry
