#include <tapestry/tensor/reduce.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tapestry/tensor/loops.h>
#include <tapestry/tensor/vector_math.h>

namespace tapestry {
namespace {

/// The sum of f(x[i]) over a row: sixteen lanes in the type of f per block of 512, blocks in
/// double.
template <class T, class F>
double sum_row(const T* x, int64_t step, int64_t n, F f) {
  double total = 0;
  if (step != 1) {
    for (int64_t i = 0; i < n; ++i) total += static_cast<double>(f(x[i * step]));
    return total;
  }
  constexpr int64_t kLanes = 16, kBlock = 512;
  using Sum = decltype(f(*x));
  while (n >= kLanes) {
    const int64_t block = std::min(n, kBlock) / kLanes * kLanes;
    Sum lanes[kLanes] = {};
    for (int64_t i = 0; i < block; i += kLanes)
      for (int64_t k = 0; k < kLanes; ++k) lanes[k] += f(x[i + k]);
    for (const Sum lane : lanes) total += static_cast<double>(lane);
    x += block;
    n -= block;
  }
  for (int64_t i = 0; i < n; ++i) total += static_cast<double>(f(x[i]));
  return total;
}

template <class F>
double sum_all(const char* op, const Tensor& a, F f) {
  require_defined(op, a);
  double total = 0;
  dispatch(op, a.dtype(), [&](auto zero) {
    const auto* x = a.data<decltype(zero)>();
    LoopNest<1>(a.shape(), {a.strides()}).rows([&](auto at, int64_t n, auto step) {
      total += sum_row(x + at[0], step[0], n, f);
    });
  });
  return total;
}

Shape reduced(const Shape& shape, int dim, bool keepdim) {
  Shape out = shape;
  out[dim] = 1;
  return keepdim ? out : shape.without(dim);
}

/// Applies row(x, y, n) to every run along `dim`, which is moved to the end for it.
template <class F>
Tensor along(const char* op, const Tensor& a, int dim, F row) {
  require_defined(op, a);
  const int d = normalize_dim(op, a.shape(), dim);
  if (d != a.rank() - 1)
    return along(op, a.transpose(d, -1), -1, row).transpose(d, -1).to_contiguous();
  const Tensor x = a.to_contiguous();
  Tensor out = Tensor::empty(a.shape(), a.dtype());
  const int64_t n = a.shape()[d], rows = n ? a.numel() / n : 0;
  dispatch(op, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t r = 0; r < rows; ++r) row(x.data<T>() + r * n, out.data<T>() + r * n, n);
  });
  return out;
}

/// The first element of each run along `dim` that is better(x, y) than all others.
template <class F>
Extreme extreme(const char* op, const Tensor& a, int dim, bool keepdim, F better) {
  require_defined(op, a);
  const int d = normalize_dim(op, a.shape(), dim);
  const Around size(a.shape(), d);
  require<ShapeError>(size.n > 0, op, ": dim ", d, " of ", a.shape(), " has no elements");
  const Shape shape = reduced(a.shape(), d, keepdim);
  Extreme out{Tensor::empty(shape, a.dtype()), Tensor::empty(shape, i32)};
  const Tensor x = a.to_contiguous();
  dispatch(op, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* run = x.data<T>();
    T* value = out.values.data<T>();
    int32_t* index = out.indices.data<int32_t>();
    for (int64_t o = 0; o < size.outer; ++o, run += (size.n - 1) * size.inner)
      for (int64_t i = 0; i < size.inner; ++i, ++run) {
        int64_t best = 0;
        for (int64_t k = 1; k < size.n && !std::isnan(run[best * size.inner]); ++k)
          if (better(run[k * size.inner], run[best * size.inner])) best = k;
        *value++ = run[best * size.inner];
        *index++ = static_cast<int32_t>(best);
      }
  });
  return out;
}

constexpr auto identity = [](auto x) { return x; };

}  // namespace

Tensor sum(const Tensor& a) { return Tensor::scalar(sum_all("sum", a, identity), a.dtype()); }

Tensor mean(const Tensor& a) {
  require<ShapeError>(a.numel() > 0, "mean: ", a.shape(), " has no elements");
  return Tensor::scalar(sum_all("mean", a, identity) / static_cast<double>(a.numel()), a.dtype());
}

Tensor sum(const Tensor& a, int dim, bool keepdim) {
  require_defined("sum", a);
  const int d = normalize_dim("sum", a.shape(), dim);
  Shape kept = a.shape();
  kept[d] = 1;
  const Tensor out = a.shape() == kept ? a.clone() : sum_to(a, kept);  // never an alias of a
  return keepdim ? out : out.reshape(a.shape().without(d));
}

Tensor mean(const Tensor& a, int dim, bool keepdim) {
  require_defined("mean", a);
  const int64_t n = a.size(dim);
  require<ShapeError>(n > 0, "mean: dim ", dim, " of ", a.shape(), " has no elements");
  return sum(a, dim, keepdim).mul_(1 / static_cast<double>(n));
}

Tensor sum_to(const Tensor& a, const Shape& shape) {
  require_defined("sum_to", a);
  if (a.shape() == shape) return a;
  require<ShapeError>(broadcast("sum_to", shape, a.shape()) == a.shape(), "sum_to: ", a.shape(),
                      " was not broadcast from ", shape);
  const Tensor out = Tensor::zeros(shape, f64);
  dispatch("sum_to", a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    double* o = out.data<double>();
    const T* x = a.data<T>();
    LoopNest<2>(a.shape(), {broadcast_strides(out, a.shape()), a.strides()})
        .rows([&](auto at, int64_t n, auto step) {
          double* ro = o + at[0];
          const T* rx = x + at[1];
          if (step[0] == 0)
            *ro += sum_row(rx, step[1], n, identity);
          else if (step[0] == 1 && step[1] == 1)
            for (int64_t i = 0; i < n; ++i) ro[i] += static_cast<double>(rx[i]);
          else
            for (int64_t i = 0; i < n; ++i) ro[i * step[0]] += static_cast<double>(rx[i * step[1]]);
        });
  });
  return out.cast(a.dtype());
}

Extreme max(const Tensor& a, int dim, bool keepdim) {
  return extreme("max", a, dim, keepdim, [](auto x, auto y) { return !(x <= y); });
}
Extreme min(const Tensor& a, int dim, bool keepdim) {
  return extreme("min", a, dim, keepdim, [](auto x, auto y) { return !(x >= y); });
}

Tensor cumsum(const Tensor& a, int dim) {
  return along("cumsum", a, dim, [](const auto* x, auto* y, int64_t n) {
    double total = 0;
    for (int64_t i = 0; i < n; ++i)
      y[i] = static_cast<std::remove_cvref_t<decltype(*x)>>(total += static_cast<double>(x[i]));
  });
}
Tensor cumsum_reversed(const Tensor& a, int dim) {
  return along("cumsum_reversed", a, dim, [](const auto* x, auto* y, int64_t n) {
    double total = 0;
    for (int64_t i = n; i-- > 0;)
      y[i] = static_cast<std::remove_cvref_t<decltype(*x)>>(total += static_cast<double>(x[i]));
  });
}

Tensor softmax(const Tensor& a, int dim) {
  return along("softmax", a, dim, [](const auto* x, auto* y, int64_t n) {
    using T = std::remove_cvref_t<decltype(*x)>;
    const T top = *std::max_element(x, x + n);
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] - top;
    exp_row(y, y, n);
    const T scale = static_cast<T>(1 / sum_row(y, 1, n, identity));
    for (int64_t i = 0; i < n; ++i) y[i] *= scale;
  });
}

Tensor log_softmax(const Tensor& a, int dim) {
  return along("log_softmax", a, dim, [](const auto* x, auto* y, int64_t n) {
    using T = std::remove_cvref_t<decltype(*x)>;
    const T top = *std::max_element(x, x + n);
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] - top;
    exp_row(y, y, n);
    const T shift = top + static_cast<T>(std::log(sum_row(y, 1, n, identity)));
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] - shift;
  });
}

double squared_norm(const Tensor& a) {
  const double total = sum_all("norm", a, [](auto x) { return x * x; });
  if (a.dtype() == f64 || (total < 1e37 && total >= 1e-30 * static_cast<double>(a.numel())))
    return total;
  // f32 squares overflow, or are so small that what underflows could count
  return sum_all("norm", a, [](auto x) { return static_cast<double>(x) * static_cast<double>(x); });
}

bool all_finite(const Tensor& a) {
  // x - x is 0 for a finite x and NaN otherwise, so one sum decides.
  return sum_all("all_finite", a, [](auto x) { return x - x; }) == 0;
}

}  // namespace tapestry
