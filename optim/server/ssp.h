#pragma once
// Ssp: stale synchronous parallel (Ho et al., 2013). Async, but no worker begins an item that is
// more than `staleness` ahead of what another is at work on.

#include <tapestry/optim/server/async.h>

namespace tapestry {

class Ssp : public Async {
 public:
  explicit Ssp(Master& shared);
  int64_t next_item(Replica& w) override;
  void finish(Replica& w) override;

 private:
  std::vector<std::atomic<int64_t>> begun_;  // items; the largest number once there are no more
};

}  // namespace tapestry
