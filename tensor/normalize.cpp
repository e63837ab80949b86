#include <tapestry/tensor/normalize.h>

#include <cmath>

namespace tapestry {

Normalized normalize(const Tensor& x, double eps) {
  require_defined("layer_norm", x);
  require<ShapeError>(x.rank() >= 1 && x.size(-1) > 0, "layer_norm: ", x.shape(),
                      " has no last dim to normalise");
  const int64_t n = x.size(-1), rows = x.numel() / n;
  Normalized out{Tensor::empty(x.shape(), x.dtype()), Tensor::empty({rows}, x.dtype())};
  const Tensor xs = x.to_contiguous();
  dispatch("layer_norm", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t r = 0; r < rows; ++r) {
      const T* in = xs.data<T>() + r * n;
      T* y = out.x.data<T>() + r * n;
      double mean = 0, variance = 0;
      for (int64_t k = 0; k < n; ++k) mean += static_cast<double>(in[k]);
      mean /= static_cast<double>(n);
      for (int64_t k = 0; k < n; ++k) {
        const double d = static_cast<double>(in[k]) - mean;
        variance += d * d;
      }
      const double scale = 1 / std::sqrt(variance / static_cast<double>(n) + eps);
      for (int64_t k = 0; k < n; ++k)
        y[k] = static_cast<T>((static_cast<double>(in[k]) - mean) * scale);
      out.scale.data<T>()[r] = static_cast<T>(scale);
    }
  });
  return out;
}

Tensor normalize_backward(const Tensor& dy, const Tensor& normalized, const Tensor& scale) {
  const int64_t n = normalized.size(-1), rows = normalized.numel() / n;
  Tensor out = Tensor::empty(normalized.shape(), dy.dtype());
  const Tensor ds = dy.to_contiguous();
  dispatch("layer_norm", dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t r = 0; r < rows; ++r) {
      const T *d = ds.data<T>() + r * n, *y = normalized.data<T>() + r * n;
      T* dx = out.data<T>() + r * n;
      T mean = 0, projection = 0;
      for (int64_t k = 0; k < n; ++k) mean += d[k], projection += d[k] * y[k];
      mean /= static_cast<T>(n), projection /= static_cast<T>(n);
      const T s = scale.data<T>()[r];
      for (int64_t k = 0; k < n; ++k) dx[k] = s * (d[k] - mean - y[k] * projection);
    }
  });
  return out;
}

}  // namespace tapestry
