#include <tapestry/tensor/gates.h>

#include <tapestry/tensor/kernels/gate_rows.h>

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
    for (int64_t b = 0; b < batch; ++b)
      simd::lstm_row(zs.data<T>() + b * 4 * width, cs.data<T>() + b * width,
                     out.h.data<T>() + b * width, out.c.data<T>() + b * width,
                     out.gates.data<T>() + b * 5 * width, width);
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
      for (int64_t b = 0; b < batch; ++b)
        simd::lstm_row_backward<has_h, has_c>(
            has_h ? from_h.data<T>() + b * width : nullptr,
            has_c ? from_c.data<T>() + b * width : nullptr, gates.data<T>() + b * 5 * width,
            cs.data<T>() + b * width, out.dz.data<T>() + b * 4 * width,
            out.dc.data<T>() + b * width, width);
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
    for (int64_t b = 0; b < batch; ++b)
      simd::gru_row(xs.data<T>() + b * 3 * width, us.data<T>() + b * 3 * width,
                    hs.data<T>() + b * width, out.h.data<T>() + b * width,
                    out.gates.data<T>() + b * 4 * width, width);
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
    for (int64_t b = 0; b < batch; ++b)
      simd::gru_row_backward(ds.data<T>() + b * width, gates.data<T>() + b * 4 * width,
                             hs.data<T>() + b * width, out.dx.data<T>() + b * 3 * width,
                             out.du.data<T>() + b * 3 * width, out.dh.data<T>() + b * width, width);
  });
  return out;
}

}  // namespace tapestry
