#pragma once
// Choosing by masks (i32 tensors) and dropping at random.

#include <tapestry/autograd/ops/arithmetic.h>
#include <tapestry/tensor/random.h>

namespace tapestry {

/// mask != 0 ? a : b, elementwise with broadcasting.
inline Var where(const Tensor& mask, const Var& a, const Var& b) {
  return record("where", where(mask, a.value(), b.value()),
                wrt(a, mask,
                    [](const Tensor& dy, const Tensor& m) {
                      return where(m, dy, Tensor::scalar(0, dy.dtype()));
                    }),
                wrt(b, mask, [](const Tensor& dy, const Tensor& m) {
                  return where(m, Tensor::scalar(0, dy.dtype()), dy);
                }));
}

/// `value` where mask != 0.
inline Var masked_fill(const Var& a, const Tensor& mask, double value) {
  return where(mask, Tensor::scalar(value, a.dtype()), a);
}

/// The larger and the smaller of two elements, with broadcasting; the gradient of equals goes to a.
inline Var maximum(const Var& a, const Var& b) {
  return where(greater(b.value(), a.value()), b, a);
}
inline Var minimum(const Var& a, const Var& b) {
  return where(greater(a.value(), b.value()), b, a);
}

/// Zeroes each element with probability p and scales the rest by 1/(1-p) (Srivastava et al., 2014).
/// Without a generator, or with p = 0, it is the identity: that is how a model evaluates.
inline Var dropout(const Var& a, double p, Rng* rng) {
  require<ValueError>(p >= 0 && p < 1, "dropout: p is ", p, ", expected 0 <= p < 1");
  if (!rng || p == 0) return a;
  Tensor mask = Tensor::empty(a.shape(), a.dtype());
  dispatch("dropout", a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (T& m : mask.write<T>()) m = rng->uniform() < p ? T{0} : static_cast<T>(1 / (1 - p));
  });
  return record("dropout", a.value() * mask,
                wrt(a, mask, [](const Tensor& dy, const Tensor& m) { return dy * m; }));
}

}  // namespace tapestry
