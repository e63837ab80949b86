#include <tapestry/optim/server/ssp.h>

#include <algorithm>
#include <limits>

namespace tapestry {

Ssp::Ssp(Master& shared) : Async(shared), begun_(static_cast<size_t>(shared.options.workers)) {}

// It counts items, so workers take turns: worker k has the items k, k + N, ...
int64_t Ssp::next_item(Replica& w) {
  if (master.local ? master.failed.load() : master.stopping()) return kNoItem;
  const int64_t mine = ++begun_[static_cast<size_t>(w.index)];
  master.order.signal();
  const double start = seconds_now();
  master.order.await(w.index, [&] {
    return std::all_of(begun_.begin(), begun_.end(), [&](const auto& other) {
      return mine - other.load() <= master.options.staleness;
    });
  });
  w.stats.barrier_seconds += seconds_now() - start;
  const int64_t item = w.index + master.options.workers * (mine - 1);
  return master.find_item(w, item);
}

void Ssp::finish(Replica& w) {
  begun_[static_cast<size_t>(w.index)] = std::numeric_limits<int64_t>::max();
  master.order.signal();
}

}  // namespace tapestry
