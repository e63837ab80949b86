#include <tapestry/autograd/ops/activation.h>

#include <numbers>

#include <tapestry/autograd/record.h>

namespace tapestry {

Var tanh(const Var& a) {
  const Tensor y = tanh(a.value());
  return record("tanh", y, from_output(a, y, [](auto dy, auto t) { return dy * (1 - t * t); }));
}

Var sigmoid(const Var& a) {
  const Tensor y = sigmoid(a.value());
  return record("sigmoid", y, from_output(a, y, [](auto dy, auto s) { return dy * s * (1 - s); }));
}

Var relu(const Var& a) {
  const Tensor y = relu(a.value());
  return record("relu", y, from_output(a, y, [](auto dy, auto r) { return r > 0 ? dy : 0; }));
}

Var softplus(const Var& a) {
  return record(
      "softplus", softplus(a.value()),
      wrt(a, a.value(), [](const Tensor& dy, const Tensor& x) { return dy * sigmoid(x); }));
}

Var silu(const Var& a) {
  const Tensor s = sigmoid(a.value());
  return record("silu", a.value() * s,
                wrt(a, a.value(), s, [](const Tensor& dy, const Tensor& x, const Tensor& g) {
                  return dy * g * (x * (-g + 1) + 1);
                }));
}

Var gelu(const Var& a) {
  constexpr double r = 0.5 * std::numbers::sqrt2;
  const Tensor y = map("gelu", a.value(), [](auto x) {
    return x * (1 + std::erf(x * static_cast<decltype(x)>(r))) / 2;
  });
  return record(
      "gelu", y,
      from_input(a, r, r * std::numbers::inv_sqrtpi, [](auto dy, auto x, auto k, auto density) {
        return dy * ((1 + std::erf(x * k)) / 2 + x * density * std::exp(-x * x / 2));
      }));
}

}  // namespace tapestry
