#pragma once
// Functions of each element on its own.

#include <cmath>

#include <tapestry/autograd/ops/arithmetic.h>
#include <tapestry/tensor/random.h>

namespace tapestry {

inline Var exp(const Var& a) {
  const Tensor y = exp(a.value());
  return record("exp", y, from_output(a, y, [](auto dy, auto e) { return dy * e; }));
}

/// Natural logarithm.
inline Var log(const Var& a) {
  return record("log", log(a.value()), from_input(a, [](auto dy, auto x) { return dy / x; }));
}

inline Var sqrt(const Var& a) {
  const Tensor y = sqrt(a.value());
  return record("sqrt", y, from_output(a, y, [](auto dy, auto r) { return dy / (2 * r); }));
}

inline Var square(const Var& a) {
  return record("square", square(a.value()),
                from_input(a, [](auto dy, auto x) { return 2 * dy * x; }));
}

/// The gradient at 0 is 0.
inline Var abs(const Var& a) {
  return record("abs", abs(a.value()), from_input(a, [](auto dy, auto x) {
                  return x > 0 ? dy : x < 0 ? -dy : 0;
                }));
}

/// low <= y <= high; no gradient where it cuts.
inline Var clamp(const Var& a, double low, double high) {
  return record("clamp", clamp(a.value(), low, high),
                from_input(a, low, high, [](auto dy, auto x, auto lo, auto hi) {
                  return x < lo || x > hi ? 0 : dy;
                }));
}

inline Var tanh(const Var& a) {
  const Tensor y = tanh(a.value());
  return record("tanh", y, from_output(a, y, [](auto dy, auto t) { return dy * (1 - t * t); }));
}

/// 1 / (1 + e^-x)
inline Var sigmoid(const Var& a) {
  const Tensor y = sigmoid(a.value());
  return record("sigmoid", y, from_output(a, y, [](auto dy, auto s) { return dy * s * (1 - s); }));
}

/// max(x, 0); the gradient at 0 is 0.
inline Var relu(const Var& a) {
  const Tensor y = relu(a.value());
  return record("relu", y, from_output(a, y, [](auto dy, auto r) { return r > 0 ? dy : 0; }));
}

/// ln(1 + e^x)
inline Var softplus(const Var& a) {
  return record(
      "softplus", softplus(a.value()),
      wrt(a, a.value(), [](const Tensor& dy, const Tensor& x) { return dy * sigmoid(x); }));
}

/// mask != 0 ? a : b, elementwise with broadcasting; the mask is an i32 tensor.
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
