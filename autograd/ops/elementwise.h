#pragma once
// Functions of each element on its own.

#include <cmath>

#include <tapestry/autograd/ops/arithmetic.h>

namespace tapestry {

inline Var exp(const Var& a) {
  const Tensor y = exp(a.value());
  return record("exp", y, from_output(a, y, [](auto dy, auto e) { return dy * e; }));
}

/// e^x - 1, exact near 0.
inline Var expm1(const Var& a) {
  const Tensor y = expm1(a.value());
  return record("expm1", y, from_output(a, y, [](auto dy, auto e) { return dy * (e + 1); }));
}

/// Natural logarithm.
inline Var log(const Var& a) {
  return record("log", log(a.value()), from_input(a, [](auto dy, auto x) { return dy / x; }));
}

/// ln(1 + x), exact near 0.
inline Var log1p(const Var& a) {
  return record("log1p", log1p(a.value()),
                from_input(a, [](auto dy, auto x) { return dy / (1 + x); }));
}

inline Var sqrt(const Var& a) {
  const Tensor y = sqrt(a.value());
  return record("sqrt", y, from_output(a, y, [](auto dy, auto r) { return dy / (2 * r); }));
}

inline Var square(const Var& a) {
  return record("square", square(a.value()),
                from_input(a, [](auto dy, auto x) { return 2 * dy * x; }));
}

inline Var pow(const Var& a, double exponent) {
  return record("pow", pow(a.value(), exponent),
                from_input(a, exponent, [](auto dy, auto x, auto e) {
                  return e == 0 ? 0 : dy * e * std::pow(x, e - 1);
                }));
}

/// Radians.
inline Var sin(const Var& a) {
  return record("sin", sin(a.value()),
                wrt(a, a.value(), [](const Tensor& dy, const Tensor& x) { return dy * cos(x); }));
}
inline Var cos(const Var& a) {
  return record("cos", cos(a.value()),
                wrt(a, a.value(), [](const Tensor& dy, const Tensor& x) { return dy * -sin(x); }));
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

}  // namespace tapestry
