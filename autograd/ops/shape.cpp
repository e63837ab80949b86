#include <tapestry/autograd/ops/shape.h>

#include <tapestry/autograd/record.h>

namespace tapestry {

Var reshape(const Var& a, const Shape& shape) {
  return record("reshape", a.value().reshape(shape),
                wrt(a, a.shape(), [](const Tensor& dy, Shape s) { return dy.reshape(s); }));
}
Var reshape(const Var& a, std::initializer_list<int64_t> sizes) {
  const Tensor y = a.value().reshape(sizes);
  return record("reshape", y,
                wrt(a, a.shape(), [](const Tensor& dy, Shape s) { return dy.reshape(s); }));
}

Var transpose(const Var& a, int dim0, int dim1) {
  return record(
      "transpose", a.value().transpose(dim0, dim1),
      wrt(a, dim0, dim1, [](const Tensor& dy, int i, int j) { return dy.transpose(i, j); }));
}

Var select(const Var& a, int dim, int64_t index) {
  return record("select", a.value().select(dim, index),
                wrt(a, dim, index, [](Grad& da, const Tensor& dy, int d, int64_t i) {
                  da.dense().select(d, i).add_(dy);
                }));
}

Var narrow(const Var& a, int dim, int64_t start, int64_t count) {
  return record(
      "narrow", a.value().narrow(dim, start, count),
      wrt(a, dim, start, count, [](Grad& da, const Tensor& dy, int d, int64_t i, int64_t n) {
        da.dense().narrow(d, i, n).add_(dy);
      }));
}

Var slice(const Var& a, int dim, int64_t start, int64_t stop, int64_t step) {
  return record("slice", a.value().slice(dim, start, stop, step),
                wrt(a, dim, start, stop, step,
                    [](Grad& da, const Tensor& dy, int d, int64_t i, int64_t j, int64_t k) {
                      da.dense().slice(d, i, j, k).add_(dy);
                    }));
}

Var expand(const Var& a, const Shape& shape) {
  return record("expand", a.value().expand(shape), wrt(a, [](const Tensor& dy) { return dy; }));
}

Var permute(const Var& a, std::initializer_list<int> dims) {
  std::array<int, kMaxRank> back{};
  const Tensor y = a.value().permute(dims);
  for (int i = 0; i < y.rank(); ++i)
    back[static_cast<size_t>(normalize_dim("permute", y.shape(), dims.begin()[i]))] = i;
  return record("permute", y,
                wrt(a, back, [](const Tensor& dy, const std::array<int, kMaxRank>& d) {
                  return dy.permute(std::span(d).first(static_cast<size_t>(dy.rank())));
                }));
}

Var unsqueeze(const Var& a, int dim) { return reshape(a, a.value().unsqueeze(dim).shape()); }
Var squeeze(const Var& a, int dim) { return reshape(a, a.value().squeeze(dim).shape()); }

}  // namespace tapestry
