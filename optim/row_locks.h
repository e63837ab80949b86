#pragma once
// Locks over ranges of rows, for values that several threads read and update in place.
//
// RowLocks belongs to the values; a RowAccess is one thread's way to them, and the guard that
// kernels read them under; a LockHold locks the ranges that cover [begin, end) for its lifetime (in
// ascending order, so holds never deadlock).

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include <tapestry/tensor/row_guard.h>

namespace tapestry {

class RowLocks {
 public:
  /// About `count` locks over `rows` rows, at least 1. Where each would have `granule` rows or
  /// more, it has a multiple of that many.
  RowLocks(int64_t rows, int64_t count, int64_t granule = 1)
      : rows_(rows),
        rows_per_lock_(per_lock(rows, count, granule)),
        count_(rows > 0 ? (rows + rows_per_lock_ - 1) / rows_per_lock_ : 1),
        locks_(new Lock[static_cast<size_t>(count_)]) {}
  int64_t count() const { return count_; }
  int64_t begin(int64_t lock) const { return lock * rows_per_lock_; }
  int64_t end(int64_t lock) const {
    return lock + 1 == count_ ? rows_ : (lock + 1) * rows_per_lock_;
  }
  int64_t lock_of(int64_t row) const { return row / rows_per_lock_; }
  std::shared_mutex& operator[](int64_t lock) { return locks_[static_cast<size_t>(lock)].mutex; }

 private:
  static int64_t per_lock(int64_t rows, int64_t count, int64_t granule) {
    const int64_t n = count > 1 ? (rows + count - 1) / count : rows;
    return std::max<int64_t>(1, n < granule || n == rows ? n : n / granule * granule);
  }
  struct alignas(128) Lock {  // a line of its own, and its neighbour that is fetched with it
    std::shared_mutex mutex;
  };
  int64_t rows_, rows_per_lock_, count_;
  std::unique_ptr<Lock[]> locks_;
};

/// Told of every acquisition of a thread: how schedules are recorded and replayed.
class LockHook {
 public:
  virtual ~LockHook() = default;
  virtual void before_lock() = 0;
  virtual void after_lock() = 0;
};

struct LockTimes {
  int64_t acquisitions = 0, waits = 0;
  double wait_seconds = 0;  // blocked; an uncontended lock counts 0
};

/// What one thread takes along to its locks.
struct LockContext {
  LockTimes times;
  LockHook* hook = nullptr;
  bool off = false;  // take no locks: a data race by design (Hogwild)
};

/// Locks `mutex`, alone or with other readers, and keeps the books.
template <class Mutex>
void timed_lock(Mutex& mutex, LockTimes& times, bool to_read = false) {
  ++times.acquisitions;
  const auto attempt = [&] {
    if constexpr (requires { mutex.lock_shared(); })
      if (to_read) return mutex.try_lock_shared();
    return mutex.try_lock();
  };
  if (attempt()) return;
  const auto start = std::chrono::steady_clock::now();
  if constexpr (requires { mutex.lock_shared(); })
    to_read ? mutex.lock_shared() : mutex.lock();
  else
    mutex.lock();
  ++times.waits;
  times.wait_seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct RowAccess final : RowGuard {
  RowLocks* locks = nullptr;
  LockContext* context = nullptr;
  int64_t first = 0;

  void hold(int64_t begin, int64_t end) override {
    if (context->off) return;
    if (context->hook) context->hook->before_lock();
    for (int64_t i = locks->lock_of(begin); i <= locks->lock_of(end - 1); ++i)
      timed_lock((*locks)[i], context->times, true);
    if (context->hook) context->hook->after_lock();
  }
  void release(int64_t begin, int64_t end) override {
    if (context->off) return;
    for (int64_t i = locks->lock_of(end - 1); i >= locks->lock_of(begin); --i)
      (*locks)[i].unlock_shared();
  }
  int64_t first_row() const override { return first; }
};

enum class Hold { to_read, to_write, to_write_if_free };

class LockHold {
 public:
  LockHold(const RowAccess* access, int64_t begin, int64_t end, Hold purpose = Hold::to_read) {
    if (!access || begin >= end || access->context->off) return;
    if (purpose == Hold::to_write_if_free) {
      first_ = last_ = access->locks->lock_of(begin);
      acquired_ = (*access->locks)[first_].try_lock();
      if (!acquired_) return;
      ++access->context->times.acquisitions;
      locks_ = access->locks, reads_ = false;
      return;
    }
    locks_ = access->locks;
    reads_ = purpose == Hold::to_read;
    first_ = locks_->lock_of(begin);
    last_ = locks_->lock_of(end - 1);
    LockContext& context = *access->context;
    if (context.hook) context.hook->before_lock();
    for (int64_t i = first_; i <= last_; ++i) timed_lock((*locks_)[i], context.times, reads_);
    if (context.hook) context.hook->after_lock();
  }
  ~LockHold() {
    if (!locks_) return;
    for (int64_t i = last_; i >= first_; --i)
      reads_ ? (*locks_)[i].unlock_shared() : (*locks_)[i].unlock();
  }
  /// Of Hold::to_write_if_free, for rows of one lock: whether it was free.
  bool acquired() const { return acquired_; }
  LockHold(const LockHold&) = delete;
  LockHold& operator=(const LockHold&) = delete;

 private:
  RowLocks* locks_ = nullptr;
  int64_t first_ = 0, last_ = 0;
  bool reads_ = true, acquired_ = true;
};

}  // namespace tapestry
