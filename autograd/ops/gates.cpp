#include <tapestry/autograd/ops/gates.h>

#include <tapestry/autograd/record.h>

namespace tapestry {

std::array<Var, 2> lstm_gates(const Var& z, const Var& c) {
  const LstmGates y = lstm_gates(z.value(), c.value());
  return record_all<2>("lstm_gates", {y.h, y.c},
                       wrt(jointly(z, c), y.gates, c.value(),
                           [](const Tensor& dh2, const Tensor& dc2, Grad& dz, Grad& dc,
                              const Tensor& gates, const Tensor& old) {
                             const LstmGatesGrad d = lstm_gates_backward(dh2, dc2, gates, old);
                             dz.add(d.dz);
                             dc.add(d.dc);
                           }));
}

Var gru_gates(const Var& x, const Var& u, const Var& h) {
  const GruGates y = gru_gates(x.value(), u.value(), h.value());
  return record("gru_gates", y.h,
                wrt(jointly(x, u, h), y.gates, h.value(),
                    [](const Tensor& dy, Grad& dx, Grad& du, Grad& dh, const Tensor& gates,
                       const Tensor& old) {
                      const GruGatesGrad d = gru_gates_backward(dy, gates, old);
                      dx.add(d.dx);
                      du.add(d.du);
                      dh.add(d.dh);
                    }));
}

}  // namespace tapestry
