#include <tapestry/tensor/gates.h>

#include <algorithm>

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
  LstmGates out{Tensor::empty(c.shape(), z.dtype()), Tensor::empty(c.shape(), z.dtype()),
                Tensor::empty({batch, 5 * width}, z.dtype())};
  const Tensor zs = z.to_contiguous(), cs = c.to_contiguous();
  dispatch("lstm_gates", z.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t b = 0; b < batch; ++b) {
      const T *in = zs.data<T>() + b * 4 * width, *old = cs.data<T>() + b * width;
      T* gate = out.gates.data<T>() + b * 5 * width;
      T *h = out.h.data<T>() + b * width, *cell = out.c.data<T>() + b * width;
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

LstmGatesGrad lstm_gates_backward(const Tensor& dh, const Tensor& dc, const Tensor& gates,
                                  const Tensor& c) {
  const int64_t batch = c.shape()[0], width = c.shape()[1];
  LstmGatesGrad out{Tensor::empty({batch, 4 * width}, c.dtype()),
                    Tensor::empty({batch, width}, c.dtype())};
  const auto contiguous = [](const Tensor& t) { return t.defined() ? t.to_contiguous() : t; };
  const Tensor from_h = contiguous(dh), from_c = contiguous(dc), cs = c.to_contiguous();
  dispatch("lstm_gates", c.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto run = [&](auto has_h, auto has_c) {  // loops without a test or a row of zeros
      for (int64_t b = 0; b < batch; ++b) {
        const T* gate = gates.data<T>() + b * 5 * width;
        const T *i = gate, *f = gate + width, *g = gate + 2 * width, *o = gate + 3 * width;
        const T *squashed = gate + 4 * width, *old = cs.data<T>() + b * width;
        const T* d_h = has_h ? from_h.data<T>() + b * width : nullptr;
        const T* d_c = has_c ? from_c.data<T>() + b * width : nullptr;
        T *dz = out.dz.data<T>() + b * 4 * width, *d_old = out.dc.data<T>() + b * width;
        for (int64_t k = 0; k < width; ++k) {
          const T y = has_h ? d_h[k] : T{0}, cell = has_c ? d_c[k] : T{0};
          const T e = cell + y * o[k] * (1 - squashed[k] * squashed[k]);
          dz[k] = e * g[k] * i[k] * (1 - i[k]);
          dz[k + width] = e * old[k] * f[k] * (1 - f[k]);
          dz[k + 2 * width] = e * i[k] * (1 - g[k] * g[k]);
          dz[k + 3 * width] = y * squashed[k] * o[k] * (1 - o[k]);
          d_old[k] = e * f[k];
        }
      }
    };
    constexpr std::true_type yes;
    constexpr std::false_type no;
    dh.defined() ? dc.defined() ? run(yes, yes) : run(yes, no) : run(no, yes);
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

}  // namespace tapestry
