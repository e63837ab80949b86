#pragma once
// The outer step: what becomes of what each rank has changed since the last exchange. Ranks
// (local_ranks.h) and simulated ones (simulated_ranks.h) share it, to the bit.

#include <span>
#include <vector>

#include <tapestry/optim/server/options.h>
#include <tapestry/tensor/tensor.h>

namespace tapestry {

struct Outer {
  std::vector<double> weights;  // of each rank's change
  double momentum = 0;          // of the result before
};

/// For ranks that did so many items in the round.
Outer outer_step(const RankOptions& options, std::span<const int64_t> items);

/// to += weight * change, of n numbers.
void add_change(float* to, const float* change, int64_t n, double weight);
void add_change(double* to, const double* change, int64_t n, double weight);

/// Values that were `sent` when the round began, and went on being trained since: what was learnt
/// since stays, on top of what all agree on now. Contiguous, of one shape.
void take_over(Tensor& values, const Tensor& sent, const Tensor& agreed);

}  // namespace tapestry
