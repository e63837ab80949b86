#pragma once
// All time steps of a recurrent layer over packed rows as one op: see tensor/recurrence.h. x (rows,
// G H) is the inputs' part of the gates, offsets i32 (steps + 1) the first row of each step and the
// number of rows; no error crosses the beginning of a step whose number chunk divides (0: none).
// What does not fit throws ShapeError or DTypeError.

#include <array>

#include <tapestry/autograd/var.h>

namespace tapestry {

/// w (H, H), h (B, H) -> (rows, H): h' = tanh(x + h w), or relu.
Var rnn_recurrence(const Var& x, const Var& w, const Var& h, const Tensor& offsets,
                   int64_t chunk = 0, bool is_tanh = true);

/// w (H, 4H), h and c (B, H) -> h' and c' (rows, H).
std::array<Var, 2> lstm_recurrence(const Var& x, const Var& w, const Var& h, const Var& c,
                                   const Tensor& offsets, int64_t chunk = 0);

/// w (H, 3H), bias (3H) or undefined, h (B, H) -> (rows, H).
Var gru_recurrence(const Var& x, const Var& w, const Var& bias, const Var& h, const Tensor& offsets,
                   int64_t chunk = 0);

}  // namespace tapestry
