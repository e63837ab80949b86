#pragma once
// The pointwise halves of recurrent cells, fused: see tensor/fused.h for the formulas.

#include <tapestry/autograd/record.h>
#include <tapestry/tensor/fused.h>

namespace tapestry {

/// z (B, 4H): gates i, f, g, o before activation; c (B, H) -> (2, B, H): h' and c'.
inline Var lstm_gates(const Var& z, const Var& c) {
  const LstmGates y = lstm_gates(z.value(), c.value());
  return record(
      "lstm_gates", y.hc,
      wrt(jointly(z, c), y.gates, c.value(),
          [](const Tensor& dy, Grad& dz, Grad& dc, const Tensor& gates, const Tensor& old) {
            const LstmGatesGrad d = lstm_gates_backward(dy, gates, old);
            dz.add(d.dz);
            dc.add(d.dc);
          }));
}

/// x, u (B, 3H): input and recurrent parts of the gates r, z, n; h (B, H) -> h' (B, H).
inline Var gru_gates(const Var& x, const Var& u, const Var& h) {
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
