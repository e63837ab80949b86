#include <tapestry/autograd/ops/recurrence.h>

#include <tapestry/autograd/record.h>
#include <tapestry/tensor/recurrence.h>
#include <tapestry/tensor/reduce.h>

namespace tapestry {
namespace {

/// Adds to the gradients of x, w, the bias and the states before the first step.
void recurrence_rule(const RecurrentInput& in, const RecurrentValues& values, const Tensor& dh,
                     const Tensor& dc, int64_t chunk, Grad& dx, Grad& dw, Grad& dbias, Grad& dh0,
                     Grad& dc0) {
  const RecurrentGrads d =
      recurrence_backward(in, values, dh, dc, chunk, dh0.wanted() || dc0.wanted());
  dx.add(d.dx);
  if (dw.wanted())
    for_each_product(in, values, d.du,
                     [&](const Tensor& a, const Tensor& b) { dw.add_matmul(a.transpose(), b); });
  if (dbias.wanted()) dbias.add(sum_to(d.du, dbias.shape()));
  if (dh0.wanted()) dh0.add(d.dh);
  if (dc0.wanted()) dc0.add(d.dc);
}

}  // namespace

Var rnn_recurrence(const Var& x, const Var& w, const Var& h, const Tensor& offsets, int64_t chunk,
                   bool is_tanh) {
  const auto kind = is_tanh ? Recurrence::tanh : Recurrence::relu;
  const Tensor y =
      recurrence("rnn_recurrence", {kind, x.value(), w.value(), {}, h.value(), {}, offsets}).h;
  return record("rnn_recurrence", y,
                wrt(jointly(x, w, h), w.value(), h.value(), y, offsets, chunk, kind,
                    [](const Tensor& dy, Grad& dx, Grad& dw, Grad& dh0, const Tensor& weights,
                       const Tensor& h0, const Tensor& values, const Tensor& rows, int64_t k,
                       Recurrence cell) {
                      Grad none;
                      recurrence_rule({cell, {}, weights, {}, h0, {}, rows}, {values, {}, {}}, dy,
                                      {}, k, dx, dw, none, dh0, none);
                    }));
}

std::array<Var, 2> lstm_recurrence(const Var& x, const Var& w, const Var& h, const Var& c,
                                   const Tensor& offsets, int64_t chunk) {
  const RecurrentValues y =
      recurrence("lstm_recurrence",
                 {Recurrence::lstm, x.value(), w.value(), {}, h.value(), c.value(), offsets});
  return record_all<2>(
      "lstm_recurrence", {y.h, y.c},
      wrt(jointly(x, w, h, c), w.value(), h.value(), c.value(), y.h, y.c, y.saved, offsets, chunk,
          [](const Tensor& dh, const Tensor& dc, Grad& dx, Grad& dw, Grad& dh0, Grad& dc0,
             const Tensor& weights, const Tensor& h0, const Tensor& c0, const Tensor& hs,
             const Tensor& cs, const Tensor& gates, const Tensor& rows, int64_t k) {
            Grad none;
            recurrence_rule({Recurrence::lstm, {}, weights, {}, h0, c0, rows}, {hs, cs, gates}, dh,
                            dc, k, dx, dw, none, dh0, dc0);
          }));
}

Var gru_recurrence(const Var& x, const Var& w, const Var& bias, const Var& h, const Tensor& offsets,
                   int64_t chunk) {
  const Tensor b = bias.defined() ? bias.value() : Tensor();
  const RecurrentValues y = recurrence(
      "gru_recurrence", {Recurrence::gru, x.value(), w.value(), b, h.value(), {}, offsets});
  return record("gru_recurrence", y.h,
                wrt(jointly(x, w, bias, h), w.value(), h.value(), y.h, y.saved, offsets, chunk,
                    [](const Tensor& dy, Grad& dx, Grad& dw, Grad& dbias, Grad& dh0,
                       const Tensor& weights, const Tensor& h0, const Tensor& hs,
                       const Tensor& gates, const Tensor& rows, int64_t k) {
                      Grad none;
                      recurrence_rule({Recurrence::gru, {}, weights, {}, h0, {}, rows},
                                      {hs, {}, gates}, dy, {}, k, dx, dw, dbias, dh0, none);
                    }));
}

}  // namespace tapestry
