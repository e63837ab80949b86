#pragma once
// Reductions over one dim or all elements, and what normalises along a dim.

#include <tapestry/autograd/ops/elementwise.h>
#include <tapestry/autograd/ops/shape.h>
#include <tapestry/tensor/normalize.h>
#include <tapestry/tensor/reduce.h>

namespace tapestry {
namespace detail {
/// The shape of a reduction with its dim kept as 1.
inline Shape kept(const Shape& shape, const char* op, int dim) {
  Shape out = shape;
  out[normalize_dim(op, shape, dim)] = 1;
  return out;
}
}  // namespace detail

inline Var sum(const Var& a) {
  return record("sum", sum(a.value()),
                wrt(a, a.shape(), [](const Tensor& dy, Shape s) { return dy.expand(s); }));
}
inline Var sum(const Var& a, int dim, bool keepdim = false) {
  return record("sum", sum(a.value(), dim, keepdim),
                wrt(a, detail::kept(a.shape(), "sum", dim), a.shape(),
                    [](const Tensor& dy, Shape k, Shape s) { return dy.reshape(k).expand(s); }));
}

inline Var mean(const Var& a) {
  return record("mean", mean(a.value()), wrt(a, a.shape(), [](const Tensor& dy, Shape s) {
                  return (dy / static_cast<double>(s.numel())).expand(s);
                }));
}
inline Var mean(const Var& a, int dim, bool keepdim = false) {
  return record("mean", mean(a.value(), dim, keepdim),
                wrt(a, detail::kept(a.shape(), "mean", dim), a.shape(),
                    [](const Tensor& dy, Shape k, Shape s) {
                      const double n =
                          static_cast<double>(s.numel()) / static_cast<double>(k.numel());
                      return (dy / n).reshape(k).expand(s);
                    }));
}

/// Largest along a dim; the gradient goes to the first of equals.
inline Var max(const Var& a, int dim, bool keepdim = false) {
  const MaxResult m = max(a.value(), dim, keepdim);
  return record(
      "max", m.values,
      wrt(a, m.indices, a.shape(), dim,
          [](const Tensor& dy, const Tensor& at, Shape s, int d) { return place(dy, at, s, d); }));
}
inline Var max(const Var& a) { return max(reshape(a, {-1}), 0); }

inline Var softmax(const Var& a, int dim = -1) {
  const Tensor y = softmax(a.value(), dim);
  return record("softmax", y, wrt(a, y, dim, [](const Tensor& dy, const Tensor& p, int d) {
                  return p * (dy - sum(dy * p, d, true));
                }));
}

inline Var log_softmax(const Var& a, int dim = -1) {
  const Tensor y = log_softmax(a.value(), dim);
  return record("log_softmax", y, wrt(a, y, dim, [](const Tensor& dy, const Tensor& l, int d) {
                  return dy - exp(l) * sum(dy, d, true);
                }));
}

/// Normalises the last dim (Ba, Kiros & Hinton, 2016): gain (x - mean) / sqrt(variance + eps) +
/// bias.
inline Var layer_norm(const Var& a, const Var& gain, const Var& bias, double eps = 1e-5) {
  const Normalized n = normalize(a.value(), eps);
  const Var x = record("layer_norm", n.x,
                       wrt(a, n.x, n.scale, [](const Tensor& dy, const Tensor& v, const Tensor& s) {
                         return normalize_backward(dy, v, s);
                       }));
  return x * gain + bias;
}

}  // namespace tapestry
