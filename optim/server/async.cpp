#include <tapestry/optim/server/async.h>

#include <algorithm>

namespace tapestry {

Async::Async(Master& shared, Locks locks) : Policy(shared), locks_(locks) {
  if (locks_ != Locks::none) return;
  for (const auto& shards : master.locks)
    writers_.emplace_back(static_cast<size_t>(shards->count()));
}

Access Async::access(size_t parameter) const {
  return alone() ? Access::in_place : master.shared[parameter] ? Access::guarded : Access::copied;
}

const RowAccess* Async::locks_of(const Replica& w, size_t i) const {
  return locks_ == Locks::shards ? &w.access[i] : nullptr;
}

void Async::pull(Replica& w) {
  {
    const auto lock = lock_in_order(master.counters, w.locks);
    w.version = master.version;
  }
  for (size_t i = 0; i < master.states.size(); ++i) {
    if (access(i) != Access::copied) continue;
    const RowLocks& locks = *master.locks[i];
    const Tensor from = as_rows(master.states[i].leaf->value);
    Tensor to = as_rows(w.gradients.leaf(i).value);
    const int64_t n = locks.count(), first = locks.lock_of(w.access[i].first);
    for (int64_t s = 0; s < n; ++s) {
      const int64_t shard = (first + s) % n, begin = locks.begin(shard), end = locks.end(shard);
      const LockHold hold(locks_of(w, i), begin, end, Hold::to_read);
      to.narrow(0, begin, end - begin).copy_(from.narrow(0, begin, end - begin));
    }
    w.stats.pulled_bytes += bytes_of(to);
  }
}

void Async::push(Replica& w) {
  master.order.computed(w.index, w.tokens);
  if (master.order.simulated() && master.failed.load()) return;
  const double start = seconds_now();
  const double most = master.options.clip_norm;
  if (most > 0) w.clipped += (w.norm = w.gradients.clip(most)) > most;
  double lr = 0;
  {
    const auto lock = lock_in_order(master.counters, w.locks);
    Optimizer& optimizer = master.optimizer;
    lr = master.options.lr ? master.options.lr(optimizer.steps()) : optimizer.lr();
    const int64_t overtaken = master.version++ - w.version;
    count_staleness(w, overtaken);
    if (master.options.damp_stale) lr /= 1 + static_cast<double>(overtaken);
    for (size_t i = 0; i < master.states.size(); ++i)
      if (!w.gradients.empty(i)) w.steps[i] = ++master.states[i].updates;
    optimizer.count_steps();
  }
  for (size_t i = 0; i < master.states.size(); ++i) {
    if (w.gradients.empty(i)) continue;
    const UpdateRule rule = master.optimizer.rule_at(master.states[i].group, lr);
    w.gradients.sparse(i) ? push_rows(w, i, rule) : push_dense(w, i, rule);
  }
  w.gradients.clear();
  w.stats.push_seconds += seconds_now() - start;
}

void Async::push_dense(Replica& w, size_t i, const UpdateRule& rule) {
  const RowLocks& locks = *master.locks[i];
  const Tensor gradient = as_rows(w.gradients.dense(i));
  const int64_t n = locks.count(), first = locks.lock_of(w.access[i].first);
  // Shards that somebody else is using come last, so that nobody waits who can work. Where the
  // order of locks matters, it must not depend on such luck.
  const Hold first_try = w.locks.order ? Hold::to_write : Hold::to_write_if_free;
  PoolVector<int64_t> busy;
  for (int64_t s = 0; s < n; ++s)
    if (const int64_t shard = (first + s) % n; !push_shard(w, i, rule, gradient, shard, first_try))
      busy.push_back(shard);
  for (const int64_t shard : busy) push_shard(w, i, rule, gradient, shard, Hold::to_write);
  w.stats.pushed_bytes += bytes_of(gradient);
}

bool Async::push_shard(Replica& w, size_t i, const UpdateRule& rule, const Tensor& gradient,
                       int64_t shard, Hold purpose) {
  const int64_t begin = master.locks[i]->begin(shard), rows = master.locks[i]->end(shard) - begin;
  const Tensor part = gradient.narrow(0, begin, rows);
  w.gradients.require_finite(i, part);
  const LockHold hold(locks_of(w, i), begin, begin + rows, purpose);
  if (!hold.acquired()) return false;
  std::atomic<int>* inside =
      locks_ == Locks::none ? &writers_[i][static_cast<size_t>(shard)] : nullptr;
  if (inside && inside->fetch_add(1, std::memory_order_relaxed) > 0) ++w.stats.overlapping_writes;
  const double start = seconds_now();
  master.states[i].apply(rule, part, begin, rows, w.steps[i]);
  w.stats.count_applied(seconds_now() - start, locks_ == Locks::shards);
  if (inside) inside->fetch_sub(1, std::memory_order_relaxed);
  return true;
}

void Async::push_rows(Replica& w, size_t i, const UpdateRule& rule) {
  const RowLocks& locks = *master.locks[i];
  const Rows& rows = w.gradients.coalesce(i);
  w.gradients.require_finite(i, rows.values);
  const auto ids = rows.ids.read<int32_t>();
  const auto shard_of = [&](int64_t k) { return locks.lock_of(ids[static_cast<size_t>(k)]); };
  // ids ascend: the rows of a shard lie together
  PoolVector<std::pair<int64_t, int64_t>> runs;
  for (int64_t begin = 0, total = rows.ids.numel(), end = 0; begin < total; begin = end) {
    for (end = begin + 1; end < total && shard_of(end) == shard_of(begin);) ++end;
    runs.emplace_back(begin, end);
  }
  const int64_t first = locks.lock_of(w.access[i].first);
  const auto own = std::find_if(runs.begin(), runs.end(),
                                [&](auto run) { return shard_of(run.first) >= first; });
  std::rotate(runs.begin(), own, runs.end());
  for (const auto& [begin, end] : runs) {
    const int64_t row = ids[static_cast<size_t>(begin)];
    const LockHold hold(locks_of(w, i), row, row + 1, Hold::to_write);
    const double start = seconds_now();
    master.states[i].apply(
        rule,
        Rows{rows.ids.narrow(0, begin, end - begin), rows.values.narrow(0, begin, end - begin)},
        w.steps[i]);
    w.stats.count_applied(seconds_now() - start, locks_ == Locks::shards);
  }
  w.stats.pushed_bytes += bytes_of(rows.values);
}

}  // namespace tapestry
