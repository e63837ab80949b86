#include <tapestry/optim/server/critical.h>

namespace tapestry {

std::unique_lock<std::mutex> Critical::enter(Replica& w) {
  return alone() ? std::unique_lock<std::mutex>() : lock_in_order(section_, w.locks);
}

void Critical::pull(Replica& w) {
  if (!locks_pull_) return Async::pull(w);
  const auto section = enter(w);
  const double entered = seconds_now();
  Async::pull(w);
  w.stats.lock_hold_seconds += seconds_now() - entered;
}

void Critical::push(Replica& w) {
  const double start = seconds_now();
  const auto section = enter(w);
  const double entered = seconds_now();
  Async::push(w);
  w.stats.lock_hold_seconds += seconds_now() - entered;
  w.stats.push_seconds += entered - start;
}

}  // namespace tapestry
