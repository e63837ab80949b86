#pragma once
// Sync: rounds of items, one per worker, then ONE update by the weighted mean of their gradients.
// It is added up in worker order, so the result depends on the number of workers alone. With ranks
// between which it is synchronous, too, these are the workers of all ranks: each rank gets the
// gradients of all and adds them up itself.

#include <barrier>
#include <optional>

#include <tapestry/optim/server/policy.h>
#include <tapestry/optim/server/round_gather.h>

namespace tapestry {

class Sync : public Policy {
 public:
  explicit Sync(Master& shared);
  Access access(size_t) const override { return Access::in_place; }
  int64_t next_item(Replica& w) override;
  void pull(Replica&) override {}
  void push(Replica& w) override;
  void give_up() override { master.given_up.store(!master.options.ranked()); }
  void finish(Replica& w) override;

 private:
  struct alignas(64) Seat {
    int64_t round = -1;  // of this worker
    bool joined = true;  // in the update of the round
    bool left = false;
  };
  Seat& seat(const Replica& w) { return seats_[static_cast<size_t>(w.index)]; }
  /// What worker w of this rank adds to the round.
  RoundPart& part(const Replica& w) { return parts_[first_ + static_cast<size_t>(w.index)]; }
  void decide(Replica& w);
  void join(Replica& w, bool contributes);
  void add_up(const Replica& w);
  void add_up_parameter(size_t i, double weight);
  void apply(Replica& w);
  void wait(Replica& w);

  std::barrier<> barrier_;
  std::vector<Seat> seats_;
  std::optional<RoundGather> gather_;  // of the other ranks' gradients
  std::vector<RoundPart> parts_;       // of the workers of all ranks in order, ours from first_ on
  size_t first_ = 0;
  std::vector<LeafRef> leaves_;  // over the master's values, with the round's gradient
  GradientSet sum_;
  std::vector<double> squares_;  // of the norm of each parameter's sum
  // Worker 0 decides:
  bool over_ = false;                      // no further round
  int64_t round_item_ = 0, in_round_ = 0;  // the first item of the round here, and their number
  double lr_ = 0;                          // of the round
};

}  // namespace tapestry
