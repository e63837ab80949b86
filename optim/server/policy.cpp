#include <tapestry/optim/server/policy.h>

#include <algorithm>
#include <chrono>

#include <tapestry/optim/server/async.h>
#include <tapestry/optim/server/critical.h>
#include <tapestry/optim/server/local_ranks.h>
#include <tapestry/optim/server/ssp.h>
#include <tapestry/optim/server/sync.h>
#include <tapestry/tensor/softmax/softmax_loss.h>

namespace tapestry {

Master::Master(Optimizer& the_optimizer, const ServerOptions& the_options, Order& the_order)
    : optimizer(the_optimizer),
      options(the_options),
      order(the_order),
      states(the_optimizer.states()) {
  for (const ParameterState& state : states) {
    const bool is_shared =
        std::any_of(options.shared.begin(), options.shared.end(),
                    [&](const Parameter* p) { return p->ref().get() == state.leaf.get(); });
    const int64_t count =
        std::min(options.shards, std::max<int64_t>(1, bytes_of(state.leaf->value) / 4096));
    // Kernels read shared values a block at a time.
    locks.push_back(std::make_unique<RowLocks>(state.rows(), count, is_shared ? kSoftmaxBlock : 1));
    shared.push_back(is_shared);
  }
}

void Master::fail() {
  failed.store(true);
  order.abandon();
}

int64_t Master::find_item(Replica& w, int64_t j) {
  if (!local) return j < items && !failed.load() ? j : kNoItem;
  if (w.index == 0) local->turn(w);
  return local->item(w, j);
}

int64_t Master::take_item(Replica& w) {
  if (local) {  // what was granted is done, whatever comes
    std::unique_lock lock(counters);
    const int64_t j = next++;
    lock.unlock();
    return find_item(w, j);
  }
  if (stopping()) return kNoItem;
  const auto lock = lock_in_order(counters, w.locks);
  return next < items && !stopping() ? next++ : kNoItem;  // again: a replayed turn may come late
}

std::unique_ptr<Policy> make_policy(Master& master) {
  const ServerOptions& options = master.options;
  switch (options.update) {
    case UpdatePolicy::sync:
      return std::make_unique<Sync>(master);
    case UpdatePolicy::ssp:
      if (options.staleness == 0) return std::make_unique<Sync>(master);
      return std::make_unique<Ssp>(master);
    case UpdatePolicy::critical:
      return std::make_unique<Critical>(master, true);
    case UpdatePolicy::critical_push:
      return std::make_unique<Critical>(master, false);
    case UpdatePolicy::hogwild:
      return std::make_unique<Async>(master, Async::Locks::none);
    case UpdatePolicy::async:
      break;
  }
  return std::make_unique<Async>(master);
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void count_staleness(Replica& w, int64_t overtaken) {
  const auto s = static_cast<size_t>(overtaken);
  if (w.staleness.size() <= s) w.staleness.resize(s + 1);
  ++w.staleness[s];
}

}  // namespace tapestry
