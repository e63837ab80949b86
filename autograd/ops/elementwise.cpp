#include <tapestry/autograd/ops/elementwise.h>

#include <cmath>

#include <tapestry/autograd/record.h>

namespace tapestry {

Var exp(const Var& a) {
  const Tensor y = exp(a.value());
  return record("exp", y, from_output(a, y, [](auto dy, auto e) { return dy * e; }));
}

Var expm1(const Var& a) {
  const Tensor y = expm1(a.value());
  return record("expm1", y, from_output(a, y, [](auto dy, auto e) { return dy * (e + 1); }));
}

Var log(const Var& a) {
  return record("log", log(a.value()), from_input(a, [](auto dy, auto x) { return dy / x; }));
}

Var log1p(const Var& a) {
  return record("log1p", log1p(a.value()),
                from_input(a, [](auto dy, auto x) { return dy / (1 + x); }));
}

Var sqrt(const Var& a) {
  const Tensor y = sqrt(a.value());
  return record("sqrt", y, from_output(a, y, [](auto dy, auto r) { return dy / (2 * r); }));
}

Var square(const Var& a) {
  return record("square", square(a.value()),
                from_input(a, [](auto dy, auto x) { return 2 * dy * x; }));
}

Var pow(const Var& a, double exponent) {
  return record("pow", pow(a.value(), exponent),
                from_input(a, exponent, [](auto dy, auto x, auto e) {
                  return e == 0 ? 0 : dy * e * std::pow(x, e - 1);
                }));
}

Var sin(const Var& a) {
  return record("sin", sin(a.value()),
                wrt(a, a.value(), [](const Tensor& dy, const Tensor& x) { return dy * cos(x); }));
}
Var cos(const Var& a) {
  return record("cos", cos(a.value()),
                wrt(a, a.value(), [](const Tensor& dy, const Tensor& x) { return dy * -sin(x); }));
}

Var abs(const Var& a) {
  return record("abs", abs(a.value()), from_input(a, [](auto dy, auto x) {
                  return x > 0 ? dy : x < 0 ? -dy : 0;
                }));
}

Var clamp(const Var& a, double low, double high) {
  return record("clamp", clamp(a.value(), low, high),
                from_input(a, low, high, [](auto dy, auto x, auto lo, auto hi) {
                  return x < lo || x > hi ? 0 : dy;
                }));
}

}  // namespace tapestry
