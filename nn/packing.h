#pragma once
// Packing: how sequences of different lengths share a batch without padding.
//
// Sequences are sorted, longest first, into slots. The packed rows of a time step are those of the
// slots still alive, and the steps follow each other: counts[0] rows, then counts[1] <= counts[0],
// ... Nothing is computed for padding, and no result depends on what else is in the batch. Users
// give lengths in any order; the index tensors here translate.

#include <span>

#include <tapestry/tensor/tensor.h>

namespace tapestry {

struct Packing {
  /// Throws ShapeError unless there is at least one sequence and every length is at least 1.
  explicit Packing(std::span<const int64_t> lengths);
  /// `batch` sequences of `steps` steps: packed rows are those of a (steps, batch, ..) tensor.
  static Packing uniform(int64_t steps, int64_t batch);

  int64_t steps() const { return static_cast<int64_t>(counts.size()); }
  int64_t batch() const { return counts.front(); }
  int64_t rows() const { return offsets.back(); }

  std::vector<int64_t> counts;   // rows of each step
  std::vector<int64_t> offsets;  // first row of each step, and rows() at the end
  std::vector<int32_t> order;    // order[slot]: which sequence
  bool is_uniform = false;

  // i32 tensors
  Tensor padded;    // (rows): the row in a flattened (steps, batch) layout, sequences as given
  Tensor packed;    // (steps * batch): the packed row, or rows() where the sequence has ended
  Tensor previous;  // (rows - batch): for each row behind the first step, its row one step earlier
  Tensor mirrored;  // (rows): the row of the same sequence counted from its end
  Tensor last;      // (batch): the last row of each sequence, sequences as given
  Tensor slots;     // (batch): the slot of each sequence
};

}  // namespace tapestry
