#pragma once
// Shards: ranges of rows with a lock each, for values that several threads read and update in
// place.
//
// RowLocks belongs to the values; a RowAccess is one worker's way to them, and the guard that
// kernels read them under; a LockHold locks the shards that cover [begin, end) for its lifetime (in
// ascending order, so holds never deadlock).

#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include <tapestry/optim/server/order.h>
#include <tapestry/tensor/row_guard.h>

namespace tapestry {

class RowLocks {
 public:
  /// About `count` locks over `rows` rows, at least 1. Where each would have `granule` rows or
  /// more, it has a multiple of that many.
  RowLocks(int64_t rows, int64_t count, int64_t granule = 1);
  int64_t count() const { return count_; }
  int64_t begin(int64_t lock) const { return lock * rows_per_lock_; }
  int64_t end(int64_t lock) const {
    return lock + 1 == count_ ? rows_ : (lock + 1) * rows_per_lock_;
  }
  int64_t lock_of(int64_t row) const { return row / rows_per_lock_; }
  std::shared_mutex& operator[](int64_t lock) { return locks_[static_cast<size_t>(lock)].mutex; }

 private:
  struct alignas(128) Lock {  // a line of its own, and its neighbour that is fetched with it
    std::shared_mutex mutex;
  };
  int64_t rows_, rows_per_lock_, count_;
  std::unique_ptr<Lock[]> locks_;
};

/// What one worker takes along to its locks.
struct LockContext {
  Order* order = nullptr;  // where the order of locks matters
  int worker = 0;
  bool off = false;         // take no locks on rows: a data race by design (Hogwild)
  double wait_seconds = 0;  // blocked; an uncontended lock counts 0
};

/// Locks a mutex that all workers share, in the order of locks.
std::unique_lock<std::mutex> lock_in_order(std::mutex& mutex, LockContext& context);

struct RowAccess final : RowGuard {
  RowLocks* locks = nullptr;
  LockContext* context = nullptr;
  int64_t first = 0;

  void hold(int64_t begin, int64_t end) override;
  void release(int64_t begin, int64_t end) override;
  int64_t first_row() const override { return first; }
};

enum class Hold { to_read, to_write, to_write_if_free };

class LockHold {
 public:
  /// Without `access` it locks nothing.
  LockHold(const RowAccess* access, int64_t begin, int64_t end, Hold purpose);
  ~LockHold();
  LockHold(const LockHold&) = delete;
  LockHold& operator=(const LockHold&) = delete;
  /// Of Hold::to_write_if_free, for rows of one lock: whether it was free.
  bool acquired() const { return acquired_; }

 private:
  RowLocks* locks_ = nullptr;
  int64_t first_ = 0, last_ = 0;
  bool reads_ = true, acquired_ = true;
};

}  // namespace tapestry
