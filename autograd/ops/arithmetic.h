#pragma once
// + - * / with broadcasting, and with plain numbers.

#include <tapestry/autograd/tape.h>
#include <tapestry/tensor/arith.h>

namespace tapestry {

inline Var operator+(const Var& a, const Var& b) {
  return record("add", a.value() + b.value(),  //
                wrt(a, [](const Tensor& dy) { return dy; }),
                wrt(b, [](const Tensor& dy) { return dy; }));
}

inline Var operator-(const Var& a, const Var& b) {
  return record("sub", a.value() - b.value(),  //
                wrt(a, [](const Tensor& dy) { return dy; }),
                wrt(b, [](const Tensor& dy) { return -dy; }));
}

inline Var operator*(const Var& a, const Var& b) {
  return record("mul", a.value() * b.value(),
                wrt(
                    a, [](const Tensor& dy, const Tensor& y) { return dy * y; }, b.value()),
                wrt(
                    b, [](const Tensor& dy, const Tensor& x) { return dy * x; }, a.value()));
}

inline Var operator/(const Var& a, const Var& b) {
  const Tensor y = a.value() / b.value();
  return record(
      "div", y,
      wrt(
          a, [](const Tensor& dy, const Tensor& d) { return dy / d; }, b.value()),
      wrt(
          b, [](const Tensor& dy, const Tensor& q, const Tensor& d) { return -(dy * q / d); }, y,
          b.value()));
}

inline Var operator-(const Var& a) {
  return record("neg", -a.value(), wrt(a, [](const Tensor& dy) { return -dy; }));
}

inline Var operator+(const Var& a, double s) {
  return record("add_scalar", a.value() + s, wrt(a, [](const Tensor& dy) { return dy; }));
}
inline Var operator+(double s, const Var& a) { return a + s; }
inline Var operator-(const Var& a, double s) { return a + -s; }

inline Var operator-(double s, const Var& a) {
  return record("scalar_sub", -a.value() + s, wrt(a, [](const Tensor& dy) { return -dy; }));
}

inline Var operator*(const Var& a, double s) {
  return record("scale", a.value() * s,
                wrt(
                    a, [](const Tensor& dy, double k) { return dy * k; }, s));
}
inline Var operator*(double s, const Var& a) { return a * s; }
inline Var operator/(const Var& a, double s) {
  return record("div_scalar", a.value() / s,
                wrt(
                    a, [](const Tensor& dy, double d) { return dy / d; }, s));
}

inline Var operator/(double s, const Var& a) {
  const Tensor y = divide(s, a.value());
  return record(
      "scalar_div", y,
      wrt(
          a, [](const Tensor& dy, const Tensor& q, const Tensor& d) { return -(dy * q / d); }, y,
          a.value()));
}

}  // namespace tapestry
