#pragma once
// Elementwise loops over strided tensors: map, zip and update take a generic lambda and run it over
// f32 or f64 elements. Dims that lie behind each other in every operand are merged first; the inner
// loop is plain C++ that the compiler vectorises when its strides are 1 (or 0, a broadcast value).

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

/// A loop nest over N operands with mergeable dims merged; the last dim is the inner loop.
template <size_t N>
struct LoopNest {
  std::array<int64_t, kMaxRank> size{1, 1, 1, 1};
  std::array<std::array<int64_t, N>, kMaxRank> stride{};

  LoopNest(const Shape& shape, const std::array<Strides, N>& strides) {
    int last = kMaxRank;  // dims are packed to the right: [last, 4)
    for (int i = shape.rank() - 1; i >= 0; --i) {
      if (shape[i] == 1) continue;
      std::array<int64_t, N> step;
      for (size_t k = 0; k < N; ++k) step[k] = strides[k][static_cast<size_t>(i)];
      bool merge = last < kMaxRank;
      const auto inner = static_cast<size_t>(last);
      for (size_t k = 0; merge && k < N; ++k) merge = step[k] == stride[inner][k] * size[inner];
      if (merge) {
        size[inner] *= shape[i];
      } else {
        --last;
        size[static_cast<size_t>(last)] = shape[i];
        stride[static_cast<size_t>(last)] = step;
      }
    }
  }

  /// Calls row(offsets, count, inner strides) for each inner row.
  template <class F>
  void rows(F&& row) const {
    std::array<int64_t, N> at{};
    for (int64_t i = 0; i < size[0]; ++i)
      for (int64_t j = 0; j < size[1]; ++j)
        for (int64_t k = 0; k < size[2]; ++k) {
          for (size_t n = 0; n < N; ++n)
            at[n] = i * stride[0][n] + j * stride[1][n] + k * stride[2][n];
          row(at, size[3], stride[3]);
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
  Tensor out = Tensor::empty(broadcast(op, a.shape(), b.shape()), a.dtype());
  dispatch(op, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* o = out.data<T>();
    const T *x = a.data<T>(), *y = b.data<T>();
    if (a.contiguous() && b.contiguous() && a.shape() == b.shape()) {
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
  require<ShapeError>(broadcast(op, target.shape(), source.shape()) == target.shape(), op, ": ",
                      source.shape(), " does not broadcast to ", target.shape());
  if (must_copy_source(op, target, source)) return update(op, target, source.clone(), f);
  target.bump();
  dispatch(op, target.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* o = target.data<T>();
    const T* x = source.data<T>();
    if (target.contiguous() && source.contiguous() && target.shape() == source.shape()) {
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
