#pragma once
// SimulatedRanks: local ranks (local_ranks.h) of one worker, trained one after another by one
// thread. All are equally fast. A rank keeps its values and what its rule remembers, all else is
// there once. Exchanges that arrive when the next one begins give the bits of ranks that exchange
// by items (RankOptions::by_items), others those of a run by time of equal ranks.
//
// Other than there, rules keep their state to themselves at the end, and count only what they did.

#include <functional>

#include <tapestry/optim/parameter_state.h>
#include <tapestry/optim/server/outer.h>

namespace tapestry {

class SimulatedRanks {
 public:
  struct Rank {
    std::span<ParameterState> states;
    std::function<void(std::span<const int64_t> items)> train;  // on these of the run, in order
  };

  /// For a run of `items` items. `agreed` are the values that all ranks begin with; they become
  /// those that all agree on. A change arrives `lag` items after it was sent. Throws ValueError
  /// unless lag is 1 to options.every, and for less than two ranks.
  SimulatedRanks(std::vector<Tensor> agreed, std::vector<Rank> ranks, const RankOptions& options,
                 int64_t lag, int64_t items);

  /// Trains a round, in which what was sent in the one before arrives. False after the last: no
  /// items were left, and all ranks have the agreed values.
  bool round();

 private:
  struct Seat {
    Rank rank;
    std::vector<int64_t> granted = {};
    size_t begun = 0;
    int64_t stock() const { return std::ssize(granted) - static_cast<int64_t>(begun); }
  };

  void grant_next(double rounds);
  void train(Seat& seat, size_t n);
  void train_round(Seat& seat, size_t n, double weight, bool diverse);

  std::vector<Tensor> agreed_, sent_, change_, step_, momentum_;
  std::vector<std::vector<double>> squares_;  // of the rows of the step's changes
  std::vector<Seat> seats_;
  const RankOptions options_;
  const int64_t lag_;
  int64_t items_, left_;  // of the run; granted to nobody yet
  bool under_way_ = false;
};

}  // namespace tapestry
