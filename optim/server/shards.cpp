#include <tapestry/optim/server/shards.h>

#include <algorithm>
#include <chrono>

namespace tapestry {
namespace {

int64_t rows_per_lock(int64_t rows, int64_t count, int64_t granule) {
  const int64_t n = count > 1 ? (rows + count - 1) / count : rows;
  return std::max<int64_t>(1, n < granule || n == rows ? n : n / granule * granule);
}

/// lock() unless attempt() succeeds; keeps the books.
template <class Attempt, class Lock>
void lock_timed(LockContext& context, Attempt attempt, Lock lock) {
  if (attempt()) return;
  const auto start = std::chrono::steady_clock::now();
  lock();
  context.wait_seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void lock_rows(RowLocks& locks, int64_t first, int64_t last, LockContext& context, bool to_read) {
  if (context.order) context.order->before_lock(context.worker);
  for (int64_t i = first; i <= last; ++i) {
    std::shared_mutex& mutex = locks[i];
    if (to_read)
      lock_timed(
          context, [&] { return mutex.try_lock_shared(); }, [&] { mutex.lock_shared(); });
    else
      lock_timed(
          context, [&] { return mutex.try_lock(); }, [&] { mutex.lock(); });
  }
  if (context.order) context.order->after_lock(context.worker);
}

void unlock_rows(RowLocks& locks, int64_t first, int64_t last, bool to_read) {
  for (int64_t i = last; i >= first; --i) to_read ? locks[i].unlock_shared() : locks[i].unlock();
}

}  // namespace

RowLocks::RowLocks(int64_t rows, int64_t count, int64_t granule)
    : rows_(rows),
      rows_per_lock_(rows_per_lock(rows, count, granule)),
      count_(rows > 0 ? (rows + rows_per_lock_ - 1) / rows_per_lock_ : 1),
      locks_(new Lock[static_cast<size_t>(count_)]) {}

std::unique_lock<std::mutex> lock_in_order(std::mutex& mutex, LockContext& context) {
  if (context.order) context.order->before_lock(context.worker);
  lock_timed(
      context, [&] { return mutex.try_lock(); }, [&] { mutex.lock(); });
  if (context.order) context.order->after_lock(context.worker);
  return {mutex, std::adopt_lock};
}

void RowAccess::hold(int64_t begin, int64_t end) {
  if (!context->off)
    lock_rows(*locks, locks->lock_of(begin), locks->lock_of(end - 1), *context, true);
}

void RowAccess::release(int64_t begin, int64_t end) {
  if (!context->off) unlock_rows(*locks, locks->lock_of(begin), locks->lock_of(end - 1), true);
}

LockHold::LockHold(const RowAccess* access, int64_t begin, int64_t end, Hold purpose) {
  if (!access || begin >= end || access->context->off) return;
  RowLocks& locks = *access->locks;
  first_ = locks.lock_of(begin), last_ = locks.lock_of(end - 1);
  reads_ = purpose == Hold::to_read;
  if (purpose == Hold::to_write_if_free)
    acquired_ = locks[first_].try_lock();
  else
    lock_rows(locks, first_, last_, *access->context, reads_);
  if (acquired_) locks_ = &locks;
}

LockHold::~LockHold() {
  if (locks_) unlock_rows(*locks_, first_, last_, reads_);
}

}  // namespace tapestry
