#pragma once
// Arithmetic on whole tensors: operators with broadcasting, elementwise functions, and joining.
// Every result is a new contiguous tensor. Operands must share one element type (f32 or f64).

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
Tensor log(const Tensor& a);
Tensor sqrt(const Tensor& a);
Tensor square(const Tensor& a);
Tensor abs(const Tensor& a);
Tensor clamp(const Tensor& a, double low, double high);
Tensor tanh(const Tensor& a);
Tensor sigmoid(const Tensor& a);
Tensor relu(const Tensor& a);
/// ln(1 + e^x), without overflow.
Tensor softplus(const Tensor& a);

/// mask[i] != 0 ? a[i] : b[i]; the mask is i32; all three broadcast.
Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b);

/// Joins along an existing dim; every other size must agree.
Tensor concat(std::span<const Tensor> parts, int dim = 0);

}  // namespace tapestry
