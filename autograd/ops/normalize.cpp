#include <tapestry/autograd/ops/normalize.h>

#include <tapestry/autograd/ops/arithmetic.h>
#include <tapestry/autograd/record.h>

namespace tapestry {

Var softmax(const Var& a, int dim) {
  const Tensor y = softmax(a.value(), dim);
  return record("softmax", y, wrt(a, y, dim, [](const Tensor& dy, const Tensor& p, int d) {
                  return p * (dy - sum(dy * p, d, true));
                }));
}

Var log_softmax(const Var& a, int dim) {
  const Tensor y = log_softmax(a.value(), dim);
  return record("log_softmax", y, wrt(a, y, dim, [](const Tensor& dy, const Tensor& l, int d) {
                  return dy - exp(l) * sum(dy, d, true);
                }));
}

Var layer_norm(const Var& a, const Var& gain, const Var& bias, double eps) {
  const Normalized n = normalize(a.value(), eps);
  const Var x = record("layer_norm", n.x,
                       wrt(a, n.x, n.scale, [](const Tensor& dy, const Tensor& v, const Tensor& s) {
                         return normalize_backward(dy, v, s);
                       }));
  return x * gain + bias;
}

}  // namespace tapestry
