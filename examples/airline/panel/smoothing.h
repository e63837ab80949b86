#pragma once
// Exponential smoothing of many series at once, as an op of the tape. Each row is a series x on an
// additive scale (logarithms, for a multiplicative season) with a level l and up to two seasons u,
// v of m1 and m2 values, which follow the one-step errors (Holt, 1957; Winters, 1960; Taylor,
// 2003):
//   e(t) = x(t) - l(t-1) - u(t) - v(t)      l(t) = l(t-1) + a e(t)
//   u(t+m1) = u(t) + b e(t)                 v(t+m2) = v(t) + c e(t)
// Seen from an origin t, what a network gets is the window x(t-k) - u(t-k) - v(t-k) - l(t), and
// what it corrects is the forecast l(t) + u + v, seasons being those known at t.

#include <tapestry/autograd/record.h>

namespace tapestry::airline {

/// Series of several lengths, each from column 0 on; what is behind its end is not read.
struct SmoothingBatch {
  Tensor x;        // (B, T)
  Tensor initial;  // (B, 1 + m1 + m2): l before the first column, u and v from column 0 on
  Tensor lengths;  // (B), i32
  Tensor origins;  // (B, P), i32: columns of each series; -1: none
  int64_t m1 = 0, m2 = 0, window = 1, horizon = 1;  // m = 0: no such season
};

/// rates (B, 3): a, b, c of each series -> (B, P, window + horizon): windows, oldest first, and
/// forecasts; 0 where there is no origin, and before a series begins. Gradient with respect to the
/// rates. Throws ShapeError, or IndexError for an origin or a length beyond the end.
Var smooth(const Var& rates, const SmoothingBatch& batch);

}  // namespace tapestry::airline
