#include <tapestry/tensor/fused.h>

#include <algorithm>
#include <cmath>

#include <tapestry/tensor/vector_math.h>

namespace tapestry {
namespace {

void require_matrix(const char* op, const Tensor& t, int64_t rows, int64_t cols, const char* what) {
  require_defined(op, t);
  require<ShapeError>(t.shape() == Shape{rows, cols}, op, ": ", what, " is ", t.shape(),
                      ", expected (", rows, ", ", cols, ")");
}

}  // namespace

LstmGates lstm_gates(const Tensor& z, const Tensor& c) {
  require_same_dtype("lstm_gates", z, c);
  require<ShapeError>(c.rank() == 2, "lstm_gates: the cell state is ", c.shape(),
                      ", expected (batch, hidden)");
  const int64_t batch = c.shape()[0], width = c.shape()[1];
  require_matrix("lstm_gates", z, batch, 4 * width, "the gate input");
  LstmGates out{Tensor::empty({2, batch, width}, z.dtype()),
                Tensor::empty({batch, 5 * width}, z.dtype())};
  const Tensor zs = z.to_contiguous(), cs = c.to_contiguous();
  dispatch("lstm_gates", z.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t b = 0; b < batch; ++b) {
      const T *in = zs.data<T>() + b * 4 * width, *old = cs.data<T>() + b * width;
      T* gate = out.gates.data<T>() + b * 5 * width;
      T* h = out.hc.data<T>() + b * width;
      T* cell = h + batch * width;
      sigmoid_row(in, gate, 2 * width);
      tanh_row(in + 2 * width, gate + 2 * width, width);
      sigmoid_row(in + 3 * width, gate + 3 * width, width);
      const T *i = gate, *f = gate + width, *g = gate + 2 * width, *o = gate + 3 * width;
      T* squashed = gate + 4 * width;
      for (int64_t k = 0; k < width; ++k) cell[k] = f[k] * old[k] + i[k] * g[k];
      tanh_row(cell, squashed, width);
      for (int64_t k = 0; k < width; ++k) h[k] = o[k] * squashed[k];
    }
  });
  return out;
}

LstmGatesGrad lstm_gates_backward(const Tensor& dhc, const Tensor& gates, const Tensor& c) {
  const int64_t batch = c.shape()[0], width = c.shape()[1];
  LstmGatesGrad out{Tensor::empty({batch, 4 * width}, c.dtype()),
                    Tensor::empty({batch, width}, c.dtype())};
  const Tensor ds = dhc.to_contiguous(), cs = c.to_contiguous();
  dispatch("lstm_gates", c.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t b = 0; b < batch; ++b) {
      const T* gate = gates.data<T>() + b * 5 * width;
      const T *i = gate, *f = gate + width, *g = gate + 2 * width, *o = gate + 3 * width;
      const T *squashed = gate + 4 * width, *old = cs.data<T>() + b * width;
      const T *dh = ds.data<T>() + b * width, *dcell = dh + batch * width;
      T *dz = out.dz.data<T>() + b * 4 * width, *dc = out.dc.data<T>() + b * width;
      for (int64_t k = 0; k < width; ++k) {
        const T e = dcell[k] + dh[k] * o[k] * (1 - squashed[k] * squashed[k]);
        dz[k] = e * g[k] * i[k] * (1 - i[k]);
        dz[k + width] = e * old[k] * f[k] * (1 - f[k]);
        dz[k + 2 * width] = e * i[k] * (1 - g[k] * g[k]);
        dz[k + 3 * width] = dh[k] * squashed[k] * o[k] * (1 - o[k]);
        dc[k] = e * f[k];
      }
    }
  });
  return out;
}

GruGates gru_gates(const Tensor& x, const Tensor& u, const Tensor& h) {
  require_same_dtype("gru_gates", x, u);
  require_same_dtype("gru_gates", x, h);
  require<ShapeError>(h.rank() == 2, "gru_gates: the state is ", h.shape(),
                      ", expected (batch, hidden)");
  const int64_t batch = h.shape()[0], width = h.shape()[1];
  require_matrix("gru_gates", x, batch, 3 * width, "the input part");
  require_matrix("gru_gates", u, batch, 3 * width, "the recurrent part");
  GruGates out{Tensor::empty({batch, width}, x.dtype()),
               Tensor::empty({batch, 4 * width}, x.dtype())};
  const Tensor xs = x.to_contiguous(), us = u.to_contiguous(), hs = h.to_contiguous();
  dispatch("gru_gates", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t b = 0; b < batch; ++b) {
      const T *in = xs.data<T>() + b * 3 * width, *rec = us.data<T>() + b * 3 * width;
      const T* old = hs.data<T>() + b * width;
      T *gate = out.gates.data<T>() + b * 4 * width, *y = out.h.data<T>() + b * width;
      T *r = gate, *z = gate + width, *n = gate + 2 * width, *un = gate + 3 * width;
      for (int64_t k = 0; k < 2 * width; ++k) gate[k] = in[k] + rec[k];
      sigmoid_row(gate, gate, 2 * width);
      std::copy_n(rec + 2 * width, width, un);
      for (int64_t k = 0; k < width; ++k) n[k] = in[k + 2 * width] + r[k] * un[k];
      tanh_row(n, n, width);
      for (int64_t k = 0; k < width; ++k) y[k] = (1 - z[k]) * n[k] + z[k] * old[k];
    }
  });
  return out;
}

GruGatesGrad gru_gates_backward(const Tensor& dy, const Tensor& gates, const Tensor& h) {
  const int64_t batch = h.shape()[0], width = h.shape()[1];
  GruGatesGrad out{Tensor::empty({batch, 3 * width}, h.dtype()),
                   Tensor::empty({batch, 3 * width}, h.dtype()),
                   Tensor::empty({batch, width}, h.dtype())};
  const Tensor ds = dy.to_contiguous(), hs = h.to_contiguous();
  dispatch("gru_gates", h.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t b = 0; b < batch; ++b) {
      const T* gate = gates.data<T>() + b * 4 * width;
      const T *r = gate, *z = gate + width, *n = gate + 2 * width, *un = gate + 3 * width;
      const T *d = ds.data<T>() + b * width, *old = hs.data<T>() + b * width;
      T *dx = out.dx.data<T>() + b * 3 * width, *du = out.du.data<T>() + b * 3 * width;
      T* dh = out.dh.data<T>() + b * width;
      for (int64_t k = 0; k < width; ++k) {
        const T dn = d[k] * (1 - z[k]) * (1 - n[k] * n[k]);
        dx[k] = du[k] = dn * un[k] * r[k] * (1 - r[k]);
        dx[k + width] = du[k + width] = d[k] * (old[k] - n[k]) * z[k] * (1 - z[k]);
        dx[k + 2 * width] = dn;
        du[k + 2 * width] = dn * r[k];
        dh[k] = d[k] * z[k];
      }
    }
  });
  return out;
}

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

CrossEntropy cross_entropy(const Tensor& logits, const Tensor& targets, int32_t ignored) {
  require_defined("cross_entropy", logits);
  require_defined("cross_entropy", targets);
  require<DTypeError>(targets.dtype() == i32, "cross_entropy: the targets are ", targets.dtype(),
                      ", expected i32");
  require<ShapeError>(logits.rank() == 2 && targets.shape() == Shape{logits.shape()[0]},
                      "cross_entropy: logits ", logits.shape(), " and targets ", targets.shape(),
                      ": expected (rows, classes) and (rows)");
  const int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  CrossEntropy out{Tensor::empty({rows}, logits.dtype()),
                   Tensor::empty(logits.shape(), logits.dtype())};
  const Tensor xs = logits.to_contiguous(), ts = targets.to_contiguous();
  dispatch("cross_entropy", logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t target = ts.data<int32_t>()[r];
      require<IndexError>(target == ignored || (target >= 0 && target < classes),
                          "cross_entropy: targets[", r, "] = ", target, " is outside ", classes,
                          " classes");
      const T* x = xs.data<T>() + r * classes;
      T* p = out.probabilities.data<T>() + r * classes;
      if (target == ignored) {
        std::fill_n(p, classes, T{0});
        out.loss.data<T>()[r] = 0;
        continue;
      }
      const T top = *std::max_element(x, x + classes);
      for (int64_t k = 0; k < classes; ++k) p[k] = x[k] - top;
      exp_row(p, p, classes);
      double total = 0;
      for (int64_t k = 0; k < classes; ++k) total += static_cast<double>(p[k]);
      const T scale = static_cast<T>(1 / total);
      for (int64_t k = 0; k < classes; ++k) p[k] *= scale;
      out.loss.data<T>()[r] =
          static_cast<T>(std::log(total) - static_cast<double>(x[target] - top));
    }
  });
  return out;
}

Tensor cross_entropy_backward(const Tensor& dloss, const Tensor& probabilities,
                              const Tensor& targets, int32_t ignored) {
  const int64_t rows = probabilities.shape()[0], classes = probabilities.shape()[1];
  Tensor out = Tensor::empty(probabilities.shape(), probabilities.dtype());
  const Tensor ds = dloss.to_contiguous(), ts = targets.to_contiguous();
  dispatch("cross_entropy", out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t target = ts.data<int32_t>()[r];
      const T* p = probabilities.data<T>() + r * classes;
      T* y = out.data<T>() + r * classes;
      const T d = ds.data<T>()[r];
      for (int64_t k = 0; k < classes; ++k) y[k] = d * p[k];
      if (target != ignored) y[target] -= d;
    }
  });
  return out;
}

}  // namespace tapestry
