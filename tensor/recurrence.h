#pragma once
// All time steps of a recurrent layer over packed rows, without a tape. The recurrent weights are
// packed once for all steps, forward and again backward, and a row's result does not depend on what
// else is in the batch. Formulas are those of gates.h.

#include <tapestry/tensor/tensor.h>

namespace tapestry {

enum class Recurrence { tanh, relu, lstm, gru };

struct RecurrentInput {
  Recurrence kind;
  Tensor x;        // (rows, G H): the inputs' part, G gates
  Tensor w, bias;  // (H, G H), and of a GRU (G H) or undefined
  Tensor h, c;     // (B, H): before the first step; c of an LSTM alone
  Tensor offsets;  // i32 (steps + 1): the first row of each step, and the number of rows
};
struct RecurrentValues {
  Tensor h, c;   // (rows, H): behind the step of each row; c of an LSTM alone
  Tensor saved;  // (rows, ..) for the backward
};
/// Throws ShapeError or DTypeError for operands that do not fit each other. `op` is for messages.
RecurrentValues recurrence(const char* op, const RecurrentInput& in);

struct RecurrentGrads {
  Tensor dx, du;  // (rows, G H): of x, and of h w + bias (but for a GRU the same tensor)
  Tensor dh, dc;  // (B, H): of the states before the first step
};
/// dh, dc (rows, H): of the results, undefined for zero. chunk: no error crosses the beginning of a
/// step whose number it divides; 0: none is held up. `initial`: whether to compute dh and dc. What
/// the backward does not read of `in` may be undefined: x and bias.
RecurrentGrads recurrence_backward(const RecurrentInput& in, const RecurrentValues& values,
                                   const Tensor& dh, const Tensor& dc, int64_t chunk, bool initial);

/// The gradient of w, in parts: f(a, b) for each of them, which is a' b. `du` as above.
template <class F>
void for_each_product(const RecurrentInput& in, const RecurrentValues& values, const Tensor& du,
                      F&& f) {
  const int32_t* at = in.offsets.data<int32_t>();
  const int64_t steps = in.offsets.numel() - 1;
  f(in.h, du.narrow(0, 0, at[1]));
  for (int64_t t = 1, end; t < steps; t = end) {  // one for steps of as many rows as those before
    const int64_t count = at[t + 1] - at[t];
    end = t + 1;
    if (at[t] - at[t - 1] == count)
      while (end < steps && at[end + 1] - at[end] == count) ++end;
    const int64_t rows = (end - t) * count;
    f(values.h.narrow(0, at[t - 1], rows), du.narrow(0, at[t], rows));
  }
}

}  // namespace tapestry
