#pragma once
// Async: no order among workers. Values and gradients move a shard at a time under its lock.
// Without locks it is hogwild.

#include <tapestry/optim/server/policy.h>

namespace tapestry {

class Async : public Policy {
 public:
  enum class Locks { shards, section, none };  // section: what derives from it locks everything
  explicit Async(Master& shared, Locks locks = Locks::shards);
  bool replayable() const override { return locks_ != Locks::none; }
  Access access(size_t parameter) const override;
  void begin(Replica& w) override { master.order.begin(w.index); }
  int64_t next_item(Replica& w) override { return master.take_item(w); }
  void pull(Replica& w) override;
  void push(Replica& w) override;

 protected:
  /// Workers act one after the other, so that nothing needs a copy or a guard.
  bool alone() const { return master.options.workers == 1 || master.order.simulated(); }

 private:
  const RowAccess* locks_of(const Replica& w, size_t i) const;
  void push_dense(Replica& w, size_t i, const UpdateRule& rule);
  bool push_shard(Replica& w, size_t i, const UpdateRule& rule, const Tensor& gradient,
                  int64_t shard, Hold purpose);
  void push_rows(Replica& w, size_t i, const UpdateRule& rule);

  Locks locks_;
  std::vector<std::vector<std::atomic<int>>> writers_;  // Locks::none: who is inside each shard
};

}  // namespace tapestry
