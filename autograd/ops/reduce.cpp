#include <tapestry/autograd/ops/reduce.h>

#include <tapestry/autograd/ops/shape.h>
#include <tapestry/autograd/record.h>

namespace tapestry {
namespace {

/// The shape of a reduction with its dim kept as 1.
Shape kept(const Shape& shape, const char* op, int dim) {
  Shape out = shape;
  out[normalize_dim(op, shape, dim)] = 1;
  return out;
}

}  // namespace

Var sum(const Var& a) {
  return record("sum", sum(a.value()),
                wrt(a, a.shape(), [](const Tensor& dy, Shape s) { return dy.expand(s); }));
}
Var sum(const Var& a, int dim, bool keepdim) {
  return record("sum", sum(a.value(), dim, keepdim),
                wrt(a, kept(a.shape(), "sum", dim), a.shape(),
                    [](const Tensor& dy, Shape k, Shape s) { return dy.reshape(k).expand(s); }));
}

Var mean(const Var& a) {
  return record("mean", mean(a.value()), wrt(a, a.shape(), [](const Tensor& dy, Shape s) {
                  return (dy / static_cast<double>(s.numel())).expand(s);
                }));
}
Var mean(const Var& a, int dim, bool keepdim) {
  return record(
      "mean", mean(a.value(), dim, keepdim),
      wrt(a, kept(a.shape(), "mean", dim), a.shape(), [](const Tensor& dy, Shape k, Shape s) {
        const double n = static_cast<double>(s.numel()) / static_cast<double>(k.numel());
        return (dy / n).reshape(k).expand(s);
      }));
}

namespace {

/// An extreme along a dim, whose gradient goes to where it was found.
Var extreme(const char* name, const Var& a, const Extreme& m, int dim) {
  return record(
      name, m.values,
      wrt(a, m.indices, a.shape(), dim, [](const Tensor& dy, const Tensor& at, Shape s, int d) {
        return scatter_add(dy, d, at, s);
      }));
}

}  // namespace

Var max(const Var& a, int dim, bool keepdim) {
  return extreme("max", a, max(a.value(), dim, keepdim), dim);
}
Var min(const Var& a, int dim, bool keepdim) {
  return extreme("min", a, min(a.value(), dim, keepdim), dim);
}
Var max(const Var& a) { return max(reshape(a, {-1}), 0); }
Var min(const Var& a) { return min(reshape(a, {-1}), 0); }

Var cumsum(const Var& a, int dim) {
  return record("cumsum", cumsum(a.value(), dim),
                wrt(a, dim, [](const Tensor& dy, int d) { return cumsum_reversed(dy, d); }));
}

}  // namespace tapestry
