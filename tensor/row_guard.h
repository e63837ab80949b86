#pragma once
// RowGuard: how to read the rows of a value that other threads update meanwhile. Kernels that can
// read a value range by range (take_rows, softmax_loss) take a Guarded tensor; without a guard it
// costs nothing.

#include <cstdint>

#include <tapestry/tensor/tensor.h>

namespace tapestry {

class RowGuard {
 public:
  virtual ~RowGuard() = default;
  /// Keeps rows [begin, end) as they are, for this thread, until release() of the same rows.
  virtual void hold(int64_t begin, int64_t end) = 0;
  virtual void release(int64_t begin, int64_t end) = 0;
  /// Where a sweep over all rows had best start: another place for each thread.
  virtual int64_t first_row() const = 0;
};

/// A tensor and, where other threads update it, its guard.
struct Guarded {
  Tensor tensor;
  RowGuard* guard = nullptr;
  Guarded() = default;
  Guarded(Tensor t, RowGuard* g = nullptr) : tensor(std::move(t)), guard(g) {}  // NOLINT
};

/// Rows [begin, end) are held for its lifetime.
class RowHold {
 public:
  RowHold(RowGuard* guard, int64_t begin, int64_t end)
      : guard_(begin < end ? guard : nullptr), begin_(begin), end_(end) {
    if (guard_) guard_->hold(begin, end);
  }
  ~RowHold() {
    if (guard_) guard_->release(begin_, end_);
  }
  RowHold(const RowHold&) = delete;
  RowHold& operator=(const RowHold&) = delete;

 private:
  RowGuard* guard_;
  int64_t begin_, end_;
};

}  // namespace tapestry
