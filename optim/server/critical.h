#pragma once
// Critical: one lock for all, around each push and, unless it is critical_push, each pull: the
// classic critical section.

#include <tapestry/optim/server/async.h>

namespace tapestry {

class Critical : public Async {
 public:
  Critical(Master& shared, bool locks_pull)
      : Async(shared, Locks::section), locks_pull_(locks_pull) {
    if (!alone()) shared.section = &section_;
  }
  bool replayable() const override { return locks_pull_; }
  Access access(size_t) const override { return alone() ? Access::in_place : Access::copied; }
  void pull(Replica& w) override;
  void push(Replica& w) override;

 private:
  /// The section's lock, unless nobody else could want it.
  std::unique_lock<std::mutex> enter(Replica& w);

  bool locks_pull_;
  std::mutex section_;
};

}  // namespace tapestry
