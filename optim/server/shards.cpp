#include <tapestry/optim/server/shards.h>

#include <algorithm>
#include <chrono>

namespace tapestry {
namespace {

int64_t rows_per_lock(int64_t rows, int64_t count, int64_t granule) {
  const int64_t n = count > 1 ? (rows + count - 1) / count : rows;
  return std::max<int64_t>(1, n < granule || n == rows ? n : n / granule * granule);
}

/// Locks it, alone or with other readers, and keeps the books.
template <class Mutex>
void lock_timed(Mutex& mutex, LockContext& context, bool to_read = false) {
  const auto with = [&](auto&& own) {
    if (!own.try_lock()) {
      const auto start = std::chrono::steady_clock::now();
      own.lock();
      const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
      context.wait_seconds += waited.count();
    }
    own.release();
  };
  if constexpr (std::is_same_v<Mutex, std::shared_mutex>)
    if (to_read) return with(std::shared_lock(mutex, std::defer_lock));
  with(std::unique_lock(mutex, std::defer_lock));
}

void lock_rows(RowLocks& locks, int64_t first, int64_t last, LockContext& context, bool to_read) {
  if (context.order) context.order->before_lock(context.worker);
  for (int64_t i = first; i <= last; ++i) lock_timed(locks[i], context, to_read);
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
  lock_timed(mutex, context);
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
