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
  bool diverse = false;         // whether rows are scaled by their diversity
};

/// For ranks that did so many items in the round.
Outer outer_step(const RankOptions& options, std::span<const int64_t> items);

/// to += weight * change, of n numbers.
void add_change(float* to, const float* change, int64_t n, double weight);
void add_change(double* to, const double* change, int64_t n, double weight);

/// For a step that is diverse, with rows of `width` numbers. Adds |change|^2 of each row:
void add_squares(std::span<double> squares, const float* change, int64_t width);
void add_squares(std::span<double> squares, const double* change, int64_t width);
/// Scales each row of the sum of changes whose squares were added, where they have much in common.
void scale_by_diversity(std::span<const double> squares, float* sum, int64_t width);
void scale_by_diversity(std::span<const double> squares, double* sum, int64_t width);

/// Values that were `sent` when the round began, and went on being trained since: what was learnt
/// since stays, on top of what all agree on now. Contiguous, of one shape.
void take_over(Tensor& values, const Tensor& sent, const Tensor& agreed);

}  // namespace tapestry
