#pragma once
// Arithmetic on whole tensors: operators with broadcasting, elementwise functions, and joining.
// Every result is a new contiguous tensor. Operands must share one element type (f32 or f64), else
// DTypeError; sizes that do not broadcast throw ShapeError.

#include <span>

#include <tapestry/tensor/tensor.h>

namespace tapestry {

Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator+(const Tensor& a, double s);
Tensor operator*(const Tensor& a, double s);
inline Tensor operator-(const Tensor& a, double s) { return a + -s; }
Tensor operator/(const Tensor& a, double s);
inline Tensor operator-(const Tensor& a) { return a * -1.0; }
Tensor divide(double s, const Tensor& a);  // s / a

Tensor exp(const Tensor& a);
Tensor expm1(const Tensor& a);  // e^x - 1
Tensor log(const Tensor& a);
Tensor log1p(const Tensor& a);  // ln(1 + x)
Tensor pow(const Tensor& a, double exponent);
Tensor sin(const Tensor& a);
Tensor cos(const Tensor& a);
Tensor sqrt(const Tensor& a);
Tensor square(const Tensor& a);
Tensor abs(const Tensor& a);
Tensor clamp(const Tensor& a, double low, double high);
Tensor tanh(const Tensor& a);
Tensor sigmoid(const Tensor& a);
Tensor relu(const Tensor& a);
/// ln(1 + e^x), without overflow.
Tensor softplus(const Tensor& a);

/// The larger and the smaller of two elements; NaN where one is NaN.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);

/// i32 masks of a > b and a == b: 1 or 0. Operands of any type.
Tensor greater(const Tensor& a, const Tensor& b);
Tensor equal(const Tensor& a, const Tensor& b);

/// mask[i] != 0 ? a[i] : b[i]; the mask is i32; all three broadcast.
Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b);

/// Joins along an existing dim; every other size must agree.
Tensor concat(std::span<const Tensor> parts, int dim = 0);

}  // namespace tapestry
