#pragma once
// Views: none of them copies, except reshape where strides do not allow it.

#include <tapestry/autograd/record.h>

namespace tapestry {

inline Var reshape(const Var& a, const Shape& shape) {
  return record("reshape", a.value().reshape(shape),
                wrt(a, a.shape(), [](const Tensor& dy, Shape s) { return dy.reshape(s); }));
}
/// One size may be -1 and is inferred.
inline Var reshape(const Var& a, std::initializer_list<int64_t> sizes) {
  const Tensor y = a.value().reshape(sizes);
  return record("reshape", y,
                wrt(a, a.shape(), [](const Tensor& dy, Shape s) { return dy.reshape(s); }));
}

inline Var transpose(const Var& a, int dim0 = -2, int dim1 = -1) {
  return record(
      "transpose", a.value().transpose(dim0, dim1),
      wrt(a, dim0, dim1, [](const Tensor& dy, int i, int j) { return dy.transpose(i, j); }));
}

/// Drops `dim`, keeping what is at `index`.
inline Var select(const Var& a, int dim, int64_t index) {
  return record("select", a.value().select(dim, index),
                wrt(a, dim, index, [](Grad& da, const Tensor& dy, int d, int64_t i) {
                  da.dense().select(d, i).add_(dy);
                }));
}

inline Var narrow(const Var& a, int dim, int64_t start, int64_t count) {
  return record(
      "narrow", a.value().narrow(dim, start, count),
      wrt(a, dim, start, count, [](Grad& da, const Tensor& dy, int d, int64_t i, int64_t n) {
        da.dense().narrow(d, i, n).add_(dy);
      }));
}

/// Elements start, start + step, ... below stop along a dim (see Tensor::slice).
inline Var slice(const Var& a, int dim, int64_t start, int64_t stop, int64_t step = 1) {
  return record("slice", a.value().slice(dim, start, stop, step),
                wrt(a, dim, start, stop, step,
                    [](Grad& da, const Tensor& dy, int d, int64_t i, int64_t j, int64_t k) {
                      da.dense().slice(d, i, j, k).add_(dy);
                    }));
}

/// Repeats sizes of 1 and missing leading dims.
inline Var expand(const Var& a, const Shape& shape) {
  return record("expand", a.value().expand(shape), wrt(a, [](const Tensor& dy) { return dy; }));
}

/// Dim i of the result is dim dims[i] of a.
inline Var permute(const Var& a, std::initializer_list<int> dims) {
  std::array<int, kMaxRank> back{};
  const Tensor y = a.value().permute(dims);
  for (int i = 0; i < y.rank(); ++i)
    back[static_cast<size_t>(normalize_dim("permute", y.shape(), dims.begin()[i]))] = i;
  return record("permute", y,
                wrt(a, back, [](const Tensor& dy, const std::array<int, kMaxRank>& d) {
                  return dy.permute(std::span(d).first(static_cast<size_t>(dy.rank())));
                }));
}

/// A dim of size 1 before `dim` (-1: behind the last), and without it.
inline Var unsqueeze(const Var& a, int dim) { return reshape(a, a.value().unsqueeze(dim).shape()); }
inline Var squeeze(const Var& a, int dim) { return reshape(a, a.value().squeeze(dim).shape()); }

}  // namespace tapestry
