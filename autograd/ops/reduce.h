#pragma once
// Reductions over one dim or all elements, and running sums.

#include <tapestry/autograd/ops/shape.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/gather.h>
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

namespace detail {
/// An extreme along a dim, whose gradient goes to where it was found.
inline Var extreme(const char* name, const Var& a, const Extreme& m, int dim) {
  return record(
      name, m.values,
      wrt(a, m.indices, a.shape(), dim, [](const Tensor& dy, const Tensor& at, Shape s, int d) {
        return scatter_add(dy, d, at, s);
      }));
}
}  // namespace detail

/// Largest and smallest along a dim; the gradient goes to the first of equals.
inline Var max(const Var& a, int dim, bool keepdim = false) {
  return detail::extreme("max", a, max(a.value(), dim, keepdim), dim);
}
inline Var min(const Var& a, int dim, bool keepdim = false) {
  return detail::extreme("min", a, min(a.value(), dim, keepdim), dim);
}
inline Var max(const Var& a) { return max(reshape(a, {-1}), 0); }
inline Var min(const Var& a) { return min(reshape(a, {-1}), 0); }

/// Running sums along a dim.
inline Var cumsum(const Var& a, int dim) {
  return record("cumsum", cumsum(a.value(), dim),
                wrt(a, dim, [](const Tensor& dy, int d) { return cumsum_reversed(dy, d); }));
}

}  // namespace tapestry
