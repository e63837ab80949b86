#pragma once
// Elementwise loops over strided tensors: map, zip and update take a generic lambda and run it over
// f32 or f64 elements. Dims that lie behind each other in every operand are merged first; the inner
// loop is plain C++ that the compiler vectorises when its strides are 1 (or 0, a broadcast value).

#include <algorithm>
#include <array>

#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// The strides with which `tensor` is read when it is broadcast to `shape`.
inline Strides broadcast_strides(const Tensor& tensor, const Shape& shape) {
  Strides out{};
  const int shift = shape.rank() - tensor.rank();
  for (int i = 0; i < tensor.rank(); ++i)
    if (tensor.shape()[i] != 1)
      out[static_cast<size_t>(i + shift)] = tensor.strides()[static_cast<size_t>(i)];
  return out;
}

/// A contiguous tensor seen as (outer, n, inner) around one dim.
struct Around {
  int64_t outer = 1, n, inner = 1;
  Around(const Shape& shape, int dim) : n(shape[dim]) {
    for (int i = 0; i < dim; ++i) outer *= shape[i];
    for (int i = dim + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
};

/// A loop nest over N operands with mergeable dims merged; dim 0 is the inner loop.
template <size_t N>
struct LoopNest {
  std::array<int64_t, kMaxRank> size{1, 1, 1, 1, 1, 1};
  std::array<std::array<int64_t, N>, kMaxRank> stride{};
  size_t rank = 0;
  bool empty = false;

  LoopNest(const Shape& shape, const std::array<Strides, N>& strides) {
    for (auto i = static_cast<size_t>(shape.rank()); i-- > 0;) {
      const int64_t count = shape.sizes()[i];
      if (count == 1) continue;
      empty |= count == 0;
      std::array<int64_t, N> step;
      for (size_t k = 0; k < N; ++k) step[k] = strides[k][i];
      bool merge = rank > 0;
      for (size_t k = 0; merge && k < N; ++k)
        merge = step[k] == stride[rank - 1][k] * size[rank - 1];
      if (merge) {
        size[rank - 1] *= count;
      } else {
        size[rank] = count;
        stride[rank++] = step;
      }
    }
  }

  /// Calls row(offsets, count, inner strides) for each inner row.
  template <class F>
  void rows(F&& row) const {
    if (empty) return;
    std::array<int64_t, N> base{}, at{};
    std::array<int64_t, kMaxRank> index{};
    for (size_t d = 3;;) {  // two loops nearly always suffice
      for (int64_t j = 0; j < size[2]; ++j)
        for (int64_t k = 0; k < size[1]; ++k) {
          for (size_t n = 0; n < N; ++n) at[n] = base[n] + j * stride[2][n] + k * stride[1][n];
          row(at, size[0], stride[0]);
        }
      for (d = 3; d < rank; ++d) {
        for (size_t n = 0; n < N; ++n) base[n] += stride[d][n];
        if (++index[d] < size[d]) break;
        for (size_t n = 0; n < N; ++n) base[n] -= size[d] * stride[d][n];
        index[d] = 0;
      }
      if (d >= rank) return;
    }
  }
};

/// out[i] = f(a[i]) in a new contiguous tensor.
template <class F>
Tensor map(const char* op, const Tensor& a, F f) {
  require_defined(op, a);
  Tensor out = Tensor::empty(a.shape(), a.dtype());
  dispatch(op, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* o = out.data<T>();
    const T* x = a.data<T>();
    if (a.contiguous()) {
      for (int64_t i = 0, n = a.numel(); i < n; ++i) o[i] = f(x[i]);
      return;
    }
    LoopNest<2>(a.shape(), {out.strides(), a.strides()}).rows([&](auto at, int64_t n, auto step) {
      for (int64_t i = 0; i < n; ++i) o[at[0] + i * step[0]] = f(x[at[1] + i * step[1]]);
    });
  });
  return out;
}

/// out[i] = f(a[i], b[i]) in a new contiguous tensor, with broadcasting.
template <class F>
Tensor zip(const char* op, const Tensor& a, const Tensor& b, F f) {
  require_same_dtype(op, a, b);
  const bool same = a.shape() == b.shape();
  Tensor out = Tensor::empty(same ? a.shape() : broadcast(op, a.shape(), b.shape()), a.dtype());
  dispatch(op, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* o = out.data<T>();
    const T *x = a.data<T>(), *y = b.data<T>();
    if (same && a.contiguous() && b.contiguous()) {
      for (int64_t i = 0, n = out.numel(); i < n; ++i) o[i] = f(x[i], y[i]);
      return;
    }
    const Shape& s = out.shape();
    LoopNest<3>(s, {out.strides(), broadcast_strides(a, s), broadcast_strides(b, s)})
        .rows([&](auto at, int64_t n, auto step) {
          T* ro = o + at[0];
          const T *rx = x + at[1], *ry = y + at[2];
          if (step[1] == 1 && step[2] == 1) {
            for (int64_t i = 0; i < n; ++i) ro[i] = f(rx[i], ry[i]);
          } else if (step[1] == 1 && step[2] == 0) {
            for (int64_t i = 0; i < n; ++i) ro[i] = f(rx[i], *ry);
          } else {
            for (int64_t i = 0; i < n; ++i) ro[i] = f(rx[i * step[1]], ry[i * step[2]]);
          }
        });
  });
  return out;
}

/// f(target[i], source[i]) in place, the source broadcast to the target's shape.
template <class F>
void update(const char* op, const Tensor& target, const Tensor& source, F f) {
  require_same_dtype(op, target, source);
  const bool same = target.shape() == source.shape();
  require<ShapeError>(same || broadcast(op, target.shape(), source.shape()) == target.shape(), op,
                      ": ", source.shape(), " does not broadcast to ", target.shape());
  if (must_copy_source(op, target, source)) return update(op, target, source.clone(), f);
  target.bump();
  dispatch(op, target.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* o = target.data<T>();
    const T* x = source.data<T>();
    if (same && target.contiguous() && source.contiguous()) {
      for (int64_t i = 0, n = target.numel(); i < n; ++i) f(o[i], x[i]);
      return;
    }
    LoopNest<2>(target.shape(), {target.strides(), broadcast_strides(source, target.shape())})
        .rows([&](auto at, int64_t n, auto step) {
          T* ro = o + at[0];
          const T* rx = x + at[1];
          if (step[0] == 1 && step[1] == 1) {
            for (int64_t i = 0; i < n; ++i) f(ro[i], rx[i]);
          } else {
            for (int64_t i = 0; i < n; ++i) f(ro[i * step[0]], rx[i * step[1]]);
          }
        });
  });
}

}  // namespace tapestry
