#pragma once
// The pointwise halves of recurrent steps, fused. They know nothing of tapes: what the backward
// needs is returned by the forward. Shapes that do not fit throw ShapeError, types DTypeError.

#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// The pointwise half of an LSTM step (Gers, Schmidhuber & Cummins, 2000).
/// z (B, 4H): pre-activations of the gates in the order i, f, g, o; c (B, H).
///   c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o) tanh(c')
struct LstmGates {
  Tensor h, c;   // (B, H) each: h' and c'
  Tensor gates;  // (B, 5H): the activated gates and tanh(c')
};
LstmGates lstm_gates(const Tensor& z, const Tensor& c);
struct LstmGatesGrad {
  Tensor dz, dc;  // (B, 4H), (B, H)
};
/// dh and dc (B, H) of the outputs; an undefined one stands for zero.
LstmGatesGrad lstm_gates_backward(const Tensor& dh, const Tensor& dc, const Tensor& gates,
                                  const Tensor& c);

/// The pointwise half of a GRU step (Cho et al., 2014, with the reset gate after the product).
/// x, u (B, 3H): input and recurrent pre-activations in the order r, z, n; h (B, H).
///   n' = tanh(x_n + sigmoid(x_r + u_r) u_n);  h' = (1 - z') n' + z' h,  z' = sigmoid(x_z + u_z)
struct GruGates {
  Tensor h;      // (B, H)
  Tensor gates;  // (B, 4H): r', z', n', u_n
};
GruGates gru_gates(const Tensor& x, const Tensor& u, const Tensor& h);
struct GruGatesGrad {
  Tensor dx, du, dh;  // (B, 3H), (B, 3H), (B, H)
};
GruGatesGrad gru_gates_backward(const Tensor& dy, const Tensor& gates, const Tensor& h);

}  // namespace tapestry
