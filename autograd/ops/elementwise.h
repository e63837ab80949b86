#pragma once
// Functions of each element on its own.

#include <cmath>

#include <tapestry/autograd/ops/arithmetic.h>
#include <tapestry/tensor/loops.h>
#include <tapestry/tensor/random.h>

namespace tapestry {

inline Var exp(const Var& a) {
  const Tensor y = exp(a.value());
  return record("exp", y,
                wrt(
                    a, [](const Tensor& dy, const Tensor& e) { return dy * e; }, y));
}

/// Natural logarithm.
inline Var log(const Var& a) {
  return record("log", log(a.value()),
                wrt(
                    a, [](const Tensor& dy, const Tensor& x) { return dy / x; }, a.value()));
}

inline Var sqrt(const Var& a) {
  const Tensor y = sqrt(a.value());
  return record("sqrt", y,
                wrt(
                    a,
                    [](const Tensor& dy, const Tensor& r) {
                      return zip("sqrt", dy, r, [](auto d, auto s) { return d / (2 * s); });
                    },
                    y));
}

inline Var square(const Var& a) {
  return record("square", square(a.value()),
                wrt(
                    a,
                    [](const Tensor& dy, const Tensor& x) {
                      return zip("square", dy, x, [](auto d, auto v) { return 2 * d * v; });
                    },
                    a.value()));
}

/// The gradient at 0 is 0.
inline Var abs(const Var& a) {
  return record("abs", abs(a.value()),
                wrt(
                    a,
                    [](const Tensor& dy, const Tensor& x) {
                      return zip("abs", dy, x, [](auto d, auto v) {
                        return v > 0 ? d : v < 0 ? -d : decltype(d){0};
                      });
                    },
                    a.value()));
}

/// low <= y <= high; no gradient where it cuts.
inline Var clamp(const Var& a, double low, double high) {
  return record("clamp", clamp(a.value(), low, high),
                wrt(
                    a,
                    [](const Tensor& dy, const Tensor& x, double lo, double hi) {
                      return zip("clamp", dy, x, [=](auto d, auto v) {
                        return v < static_cast<decltype(v)>(lo) || v > static_cast<decltype(v)>(hi)
                                   ? decltype(d){0}
                                   : d;
                      });
                    },
                    a.value(), low, high));
}

inline Var tanh(const Var& a) {
  const Tensor y = tanh(a.value());
  return record("tanh", y,
                wrt(
                    a,
                    [](const Tensor& dy, const Tensor& t) {
                      return zip("tanh", dy, t, [](auto d, auto v) { return d * (1 - v * v); });
                    },
                    y));
}

/// 1 / (1 + e^-x)
inline Var sigmoid(const Var& a) {
  const Tensor y = sigmoid(a.value());
  return record("sigmoid", y,
                wrt(
                    a,
                    [](const Tensor& dy, const Tensor& s) {
                      return zip("sigmoid", dy, s, [](auto d, auto v) { return d * v * (1 - v); });
                    },
                    y));
}

/// max(x, 0); the gradient at 0 is 0.
inline Var relu(const Var& a) {
  const Tensor y = relu(a.value());
  return record("relu", y,
                wrt(
                    a,
                    [](const Tensor& dy, const Tensor& r) {
                      return zip("relu", dy, r,
                                 [](auto d, auto v) { return v > 0 ? d : decltype(d){0}; });
                    },
                    y));
}

/// ln(1 + e^x)
inline Var softplus(const Var& a) {
  return record(
      "softplus", softplus(a.value()),
      wrt(
          a, [](const Tensor& dy, const Tensor& x) { return dy * sigmoid(x); }, a.value()));
}

/// mask != 0 ? a : b, elementwise with broadcasting; the mask is an i32 tensor.
inline Var where(const Tensor& mask, const Var& a, const Var& b) {
  return record("where", where(mask, a.value(), b.value()),
                wrt(
                    a,
                    [](const Tensor& dy, const Tensor& m) {
                      return where(m, dy, Tensor::scalar(0, dy.dtype()));
                    },
                    mask),
                wrt(
                    b,
                    [](const Tensor& dy, const Tensor& m) {
                      return where(m, Tensor::scalar(0, dy.dtype()), dy);
                    },
                    mask));
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
                wrt(
                    a, [](const Tensor& dy, const Tensor& m) { return dy * m; }, mask));
}

}  // namespace tapestry
