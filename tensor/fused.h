#pragma once
// Kernels worth fusing, each forward with its backward beside it. They know nothing of tapes: what
// the backward needs is returned by the forward.

#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// The pointwise half of an LSTM step (Gers, Schmidhuber & Cummins, 2000).
/// z (B, 4H): pre-activations of the gates in the order i, f, g, o; c (B, H).
///   c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o) tanh(c')
struct LstmGates {
  Tensor hc;     // (2, B, H): h' and c'
  Tensor gates;  // (B, 5H): the activated gates and tanh(c')
};
LstmGates lstm_gates(const Tensor& z, const Tensor& c);
struct LstmGatesGrad {
  Tensor dz, dc;  // (B, 4H), (B, H)
};
LstmGatesGrad lstm_gates_backward(const Tensor& dhc, const Tensor& gates, const Tensor& c);

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

/// Normalises the last dim to mean 0 and variance 1 + eps (Ba, Kiros & Hinton, 2016).
struct Normalized {
  Tensor x;      // same shape as the input
  Tensor scale;  // (rows): 1 / sqrt(variance + eps)
};
Normalized normalize(const Tensor& x, double eps);
Tensor normalize_backward(const Tensor& dy, const Tensor& normalized, const Tensor& scale);

/// -ln softmax(logits)[target] for each row of logits (N, V), targets (N) i32; rows whose target is
/// `ignored` get 0. Throws IndexError for a target outside 0 ... V-1.
struct CrossEntropy {
  Tensor loss;           // (N), nats
  Tensor probabilities;  // (N, V)
};
CrossEntropy cross_entropy(const Tensor& logits, const Tensor& targets, int32_t ignored);
/// dloss (N) -> dlogits (N, V)
Tensor cross_entropy_backward(const Tensor& dloss, const Tensor& probabilities,
                              const Tensor& targets, int32_t ignored);

}  // namespace tapestry
