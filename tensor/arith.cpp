#include <tapestry/tensor/arith.h>

#include <algorithm>
#include <cmath>

#include <tapestry/tensor/loops.h>
#include <tapestry/tensor/vector_math.h>

namespace tapestry {
namespace {

/// Runs a vector_math function over a contiguous copy-free or copied tensor.
template <class F>
Tensor map_rows(const char* op, const Tensor& a, F f) {
  require_defined(op, a);
  const Tensor x = a.to_contiguous();
  Tensor out = Tensor::empty(a.shape(), a.dtype());
  dispatch(op, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    f(x.data<T>(), out.data<T>(), a.numel());
  });
  return out;
}

/// 1 where f(a[i], b[i]), else 0.
template <class F>
Tensor compare(const char* op, const Tensor& a, const Tensor& b, F f) {
  require_same_dtype(op, a, b);
  const Shape shape = broadcast(op, a.shape(), b.shape());
  Tensor out = Tensor::empty(shape, i32);
  dispatch_any(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    int32_t* o = out.data<int32_t>();
    const T *x = a.data<T>(), *y = b.data<T>();
    LoopNest<3>(shape, {out.strides(), broadcast_strides(a, shape), broadcast_strides(b, shape)})
        .rows([&](auto at, int64_t n, auto step) {
          for (int64_t i = 0; i < n; ++i)
            o[at[0] + i] = f(x[at[1] + i * step[1]], y[at[2] + i * step[2]]);
        });
  });
  return out;
}

}  // namespace

Tensor operator+(const Tensor& a, const Tensor& b) {
  return zip("add", a, b, [](auto x, auto y) { return x + y; });
}
Tensor operator-(const Tensor& a, const Tensor& b) {
  return zip("sub", a, b, [](auto x, auto y) { return x - y; });
}
Tensor operator*(const Tensor& a, const Tensor& b) {
  return zip("mul", a, b, [](auto x, auto y) { return x * y; });
}
Tensor operator/(const Tensor& a, const Tensor& b) {
  return zip("div", a, b, [](auto x, auto y) { return x / y; });
}
Tensor operator+(const Tensor& a, double s) {
  return map("add", a, [s](auto x) { return x + static_cast<decltype(x)>(s); });
}
Tensor operator*(const Tensor& a, double s) {
  return map("scale", a, [s](auto x) { return x * static_cast<decltype(x)>(s); });
}
Tensor operator/(const Tensor& a, double s) {
  return map("div", a, [s](auto x) { return x / static_cast<decltype(x)>(s); });
}
Tensor divide(double s, const Tensor& a) {
  return map("div", a, [s](auto x) { return static_cast<decltype(x)>(s) / x; });
}

Tensor exp(const Tensor& a) {
  return map_rows("exp", a, [](const auto* x, auto* y, int64_t n) { exp_row(x, y, n); });
}
Tensor log(const Tensor& a) {
  return map_rows("log", a, [](const auto* x, auto* y, int64_t n) { log_row(x, y, n); });
}
Tensor tanh(const Tensor& a) {
  return map_rows("tanh", a, [](const auto* x, auto* y, int64_t n) { tanh_row(x, y, n); });
}
Tensor sigmoid(const Tensor& a) {
  return map_rows("sigmoid", a, [](const auto* x, auto* y, int64_t n) { sigmoid_row(x, y, n); });
}
Tensor expm1(const Tensor& a) {
  return map("expm1", a, [](auto x) { return std::expm1(x); });
}
Tensor log1p(const Tensor& a) {
  return map("log1p", a, [](auto x) { return std::log1p(x); });
}
Tensor pow(const Tensor& a, double exponent) {
  return map("pow", a, [=](auto x) { return std::pow(x, static_cast<decltype(x)>(exponent)); });
}
Tensor sin(const Tensor& a) {
  return map("sin", a, [](auto x) { return std::sin(x); });
}
Tensor cos(const Tensor& a) {
  return map("cos", a, [](auto x) { return std::cos(x); });
}
Tensor sqrt(const Tensor& a) {
  return map("sqrt", a, [](auto x) { return std::sqrt(x); });
}
Tensor square(const Tensor& a) {
  return map("square", a, [](auto x) { return x * x; });
}
Tensor abs(const Tensor& a) {
  return map("abs", a, [](auto x) { return std::abs(x); });
}
Tensor clamp(const Tensor& a, double low, double high) {
  require<ValueError>(low <= high, "clamp: low ", low, " is above high ", high);
  return map("clamp", a, [=](auto x) {
    using T = decltype(x);
    const T lo = static_cast<T>(low), hi = static_cast<T>(high);
    return x < lo ? lo : x > hi ? hi : x;  // NaN stays NaN
  });
}
Tensor relu(const Tensor& a) {
  return map("relu", a, [](auto x) { return x < 0 ? decltype(x){0} : x; });
}
Tensor softplus(const Tensor& a) {
  return map("softplus", a, [](auto x) {
    return std::max(x, decltype(x){0}) + std::log1p(std::exp(-std::abs(x)));
  });
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  return zip("maximum", a, b, [](auto x, auto y) { return x > y || x != x ? x : y; });
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return zip("minimum", a, b, [](auto x, auto y) { return x < y || x != x ? x : y; });
}
Tensor greater(const Tensor& a, const Tensor& b) {
  return compare("greater", a, b, [](auto x, auto y) { return x > y; });
}
Tensor equal(const Tensor& a, const Tensor& b) {
  return compare("equal", a, b, [](auto x, auto y) { return x == y; });
}

Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b) {
  require_same_dtype("where", a, b);
  require_defined("where", mask);
  require<DTypeError>(mask.dtype() == i32, "where: the mask is ", mask.dtype(), ", expected i32");
  const Shape shape = broadcast("where", mask.shape(), broadcast("where", a.shape(), b.shape()));
  Tensor out = Tensor::empty(shape, a.dtype());
  dispatch("where", a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* o = out.data<T>();
    const int32_t* m = mask.data<int32_t>();
    const T *x = a.data<T>(), *y = b.data<T>();
    LoopNest<4>(shape, {out.strides(), broadcast_strides(mask, shape), broadcast_strides(a, shape),
                        broadcast_strides(b, shape)})
        .rows([&](auto at, int64_t n, auto step) {
          for (int64_t i = 0; i < n; ++i)
            o[at[0] + i * step[0]] =
                m[at[1] + i * step[1]] ? x[at[2] + i * step[2]] : y[at[3] + i * step[3]];
        });
  });
  return out;
}

Tensor concat(std::span<const Tensor> parts, int dim) {
  require<ShapeError>(!parts.empty(), "concat: no tensors given");
  require_defined("concat", parts[0]);
  Shape shape = parts[0].shape();
  const int d = normalize_dim("concat", shape, dim);
  shape[d] = 0;
  for (const Tensor& part : parts) {
    require_same_dtype("concat", parts[0], part);
    Shape other = part.shape();
    const int64_t size = other.rank() == shape.rank() ? std::exchange(other[d], shape[d]) : 0;
    require<ShapeError>(other == shape, "concat: ", parts[0].shape(), " and ", part.shape(),
                        " differ in more than dim ", d);
    shape[d] += size;
  }
  Tensor out = Tensor::empty(shape, parts[0].dtype());
  int64_t at = 0;
  for (const Tensor& part : parts) {
    out.narrow(d, at, part.shape()[d]).copy_(part);
    at += part.shape()[d];
  }
  return out;
}

}  // namespace tapestry
