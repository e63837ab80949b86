#include <tapestry/autograd/ops/arithmetic.h>

#include <tapestry/autograd/record.h>

namespace tapestry {

Var operator+(const Var& a, const Var& b) {
  return record("add", a.value() + b.value(),  //
                wrt(a, [](const Tensor& dy) { return dy; }),
                wrt(b, [](const Tensor& dy) { return dy; }));
}

Var operator-(const Var& a, const Var& b) {
  return record("sub", a.value() - b.value(),  //
                wrt(a, [](const Tensor& dy) { return dy; }),
                wrt(b, [](const Tensor& dy) { return -dy; }));
}

Var operator*(const Var& a, const Var& b) {
  return record("mul", a.value() * b.value(),
                wrt(a, b.value(), [](const Tensor& dy, const Tensor& y) { return dy * y; }),
                wrt(b, a.value(), [](const Tensor& dy, const Tensor& x) { return dy * x; }));
}

Var operator/(const Var& a, const Var& b) {
  const Tensor y = a.value() / b.value(), &d = b.value();
  return record("div", y,  //
                wrt(a, d, [](const Tensor& dy, const Tensor& v) { return dy / v; }),
                wrt(b, y, d, [](const Tensor& dy, const Tensor& q, const Tensor& v) {
                  return -(dy * q / v);
                }));
}

Var operator-(const Var& a) {
  return record("neg", -a.value(), wrt(a, [](const Tensor& dy) { return -dy; }));
}

Var operator+(const Var& a, double s) {
  return record("add_scalar", a.value() + s, wrt(a, [](const Tensor& dy) { return dy; }));
}
Var operator+(double s, const Var& a) { return a + s; }
Var operator-(const Var& a, double s) { return a + -s; }

Var operator-(double s, const Var& a) {
  return record("scalar_sub", -a.value() + s, wrt(a, [](const Tensor& dy) { return -dy; }));
}

Var operator*(const Var& a, double s) {
  return record("scale", a.value() * s,
                wrt(a, s, [](const Tensor& dy, double k) { return dy * k; }));
}
Var operator*(double s, const Var& a) { return a * s; }

Var operator/(const Var& a, double s) {
  return record("div_scalar", a.value() / s,
                wrt(a, s, [](const Tensor& dy, double d) { return dy / d; }));
}

Var operator/(double s, const Var& a) {
  const Tensor y = divide(s, a.value());
  return record("scalar_div", y,
                wrt(a, y, a.value(), [](const Tensor& dy, const Tensor& q, const Tensor& d) {
                  return -(dy * q / d);
                }));
}

}  // namespace tapestry
