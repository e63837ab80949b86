#pragma once
// LocalRanks: ranks that train each for itself and exchange what has changed now and then, while
// they go on. With g the values that all agree on, and s this rank's when a round starts:
//
//   start     s = x; send s - g; go on training x
//   arrival   g' = g + step(all the s - g);  x' = g' + (x - s);  g = g'
//
// so x is always g and what was learnt here since. At the end of the run x = g on every rank. The
// state of the rules (momentum, means) stays a rank's own until then, and is averaged, weighted by
// updates. Schedules count the updates of all ranks, as far as they are known.
//
// Worker 0 calls turn() between its items.

#include <tapestry/optim/server/policy.h>
#include <tapestry/optim/server/row_sum.h>
#include <tapestry/optim/server/shares.h>

namespace tapestry {

class LocalRanks {
 public:
  /// Before a run of `master.items` items on all ranks, which talk by `ranks`.
  LocalRanks(Master& master, Communicator& ranks);

  /// Talks to the other ranks as far as that is due. In a policy whose workers read the master's
  /// values without locks the others must stand still.
  void turn(Replica& w) { go_on(w, false); }
  /// The number in the run of this rank's j-th item, kNoItem behind the last; waits until it is
  /// known.
  int64_t item(Replica& w, int64_t j);
  /// How many items from the j-th on are known, at most `most`; waits until there is one. 0: none
  /// is left. For worker 0.
  int64_t available(Replica& w, int64_t j, int64_t most);
  /// After the workers of this rank have ended: takes part until those of the others have.
  void finish(Replica& w);
  /// Whether some rank was told to stop.
  bool stopped() const { return stopped_; }

 private:
  struct Head {                                 // what a rank tells with its changes
    int64_t items = 0, updates = 0, stock = 0;  // done since its last start; begun by nobody yet
    double seconds = 0, lasted = 0;             // of work, in that time; all of it
    bool stop = false, ended = false;
  };
  struct Range {
    int64_t first, count;
  };

  // ---- items
  bool known(int64_t j) const;
  void await_item(Replica& w, int64_t j);
  void add_grants(std::span<const Head> heads);
  void grant_next(std::span<const Pace> paces, double rounds);

  // ---- rounds
  void go_on(Replica& w, bool idle);
  bool start_due(bool idle) const;
  bool arrival_due(bool idle) const;
  void start(Replica& w);
  void arrive(Replica& w);
  void merge(Replica& w, size_t i, int64_t first, int64_t rows, const void* step);
  bool moved();
  Outer outer(const std::vector<Bytes>& messages);
  void average_states();

  Master& master_;
  const RankOptions& options_;
  Communicator& ranks_;
  std::vector<Tensor> agreed_, sent_;  // g and s, as rows
  RowSum sum_;

  mutable std::mutex grants_;  // of the next three
  std::vector<Range> granted_;
  int64_t stock_ = 0;  // granted in all
  bool no_more_ = false;

  std::atomic<int64_t> begun_{0};
  int64_t left_;  // granted to nobody yet
  std::vector<double> paces_;
  std::vector<Head> heads_;  // of the last round
  double period_ = 0;        // seconds of a round; 0: not known yet
  bool under_way_ = false, here_ = false, ended_ = false, stopped_ = false, all_ended_ = false;
  bool told_idle_ = false, told_stop_ = false;
  int64_t begun_at_start_ = 0, steps_at_start_, updates_ = 0;
  double started_, idle_seconds_ = 0, idle_since_ = 0;  // 0: not idle
};

}  // namespace tapestry
