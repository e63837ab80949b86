#pragma once
// Sync: rounds of items, one per worker, then ONE update by the weighted mean of their gradients.
// It is added up in worker order, so the result depends on the number of workers alone.

#include <barrier>

#include <tapestry/optim/server/policy.h>

namespace tapestry {

class Sync : public Policy {
 public:
  explicit Sync(Master& shared);
  Access access(size_t) const override { return Access::in_place; }
  int64_t next_item(Replica& w) override;
  void pull(Replica&) override {}
  void push(Replica& w) override;
  void finish(Replica& w) override;

 private:
  struct alignas(64) Seat {
    int64_t round = -1;
    bool joined = true;        // in the update of the round
    bool contributes = false;  // a gradient
    bool left = false;
  };
  Seat& seat(const Replica& w) { return seats_[static_cast<size_t>(w.index)]; }
  void join(Replica& w, bool contributes);
  void add_up(const Replica& w);
  void add_up_parameter(size_t i, double weight);
  void apply(Replica& w);
  void wait(Replica& w);

  std::barrier<> barrier_;
  std::vector<Seat> seats_;
  std::vector<LeafRef> leaves_;  // over the master's values, with the round's gradient
  GradientSet sum_;
  std::vector<double> squares_;  // of the norm of each parameter's sum
  // Worker 0 decides:
  bool over_ = false;  // no further round
  double lr_ = 0;      // of the round
};

}  // namespace tapestry
