#pragma once
// What a parameter server saw: where the time of its workers went, and how stale their updates
// were.

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include <tapestry/optim/server/order.h>

namespace tapestry {

/// Sums over updates from which the line through (tokens, seconds) follows.
struct ServiceTimes {
  double count = 0, tokens = 0, seconds = 0, tokens_squared = 0, tokens_seconds = 0;
  void add(double t, double s) {
    count += 1, tokens += t, seconds += s, tokens_squared += t * t, tokens_seconds += t * s;
  }
  ServiceTimes& operator+=(const ServiceTimes& other);
  /// Least squares, with nothing negative in it.
  DelayLaw law() const;
};

struct WorkerStats {
  int64_t items = 0, updates = 0, tokens = 0;
  double pull_seconds = 0, forward_seconds = 0, backward_seconds = 0, push_seconds = 0;
  double update_seconds = 0;     // applying the rule: a part of push_seconds
  double lock_wait_seconds = 0;  // blocked on a lock
  double lock_hold_seconds = 0;  // holding locks to write (critical: the section)
  double barrier_seconds = 0;    // waiting for others (sync, ssp)
  ServiceTimes service;          // of whole updates
  int64_t pulled_bytes = 0, pushed_bytes = 0;
  int64_t overlapping_writes = 0;  // hogwild: shards written while another worker wrote them

  /// An application of the rule; `held` under a lock on its rows.
  void count_applied(double seconds, bool held) {
    update_seconds += seconds;
    if (held) lock_hold_seconds += seconds;
  }
  double compute_seconds() const { return forward_seconds + backward_seconds; }
  WorkerStats& operator+=(const WorkerStats& other);
};

/// What one rank did, of the time that its worker 0 had.
struct RankStats {
  int64_t items = 0, tokens = 0, updates = 0;
  double compute_seconds = 0;      // of all workers
  double communicate_seconds = 0;  // packing, adding up, and what is not overlapped of sending
  double wait_seconds = 0;         // for other ranks
  int64_t bytes_out = 0, bytes_in = 0;
  int64_t rounds = 0, late_items = 0;  // local: begun between start and arrival of rounds

  /// Items that a change of this rank came too late for, on average.
  double staleness() const {
    return rounds > 0 ? static_cast<double>(late_items) / static_cast<double>(rounds) : 0;
  }
  RankStats& operator+=(const RankStats& other);
};

struct ServerStats {
  double seconds = 0;  // of the run; of virtual time when simulated
  std::vector<WorkerStats> workers;
  std::vector<int64_t>
      staleness;  // staleness[s]: updates that s others overtook between pull and push
  bool simulated = false, interrupted = false;
  double clipped = 0;            // share of the updates whose gradient was clipped
  std::vector<RankStats> ranks;  // where there are several: of each, the same on all
  double work = 0;               // simulated: what one worker would take, in the units of `seconds`

  WorkerStats total() const;
  double tokens_per_second() const {
    return seconds > 0 ? static_cast<double>(total().tokens) / seconds : 0;
  }
  /// The staleness that a share q of the updates does not exceed.
  int64_t staleness_quantile(double q) const;
  double mean_staleness() const;
  /// Time blocked on locks over time computing, the figure of merit of a server.
  double lock_wait_share() const;
  /// What updates took, by their tokens: for ParameterServer::simulate().
  DelayLaw delay_law() const { return total().service.law(); }
  /// Of a simulation: over one worker, on cores that are all as fast and with locks that are free.
  double simulated_speedup() const { return seconds > 0 ? work / seconds : 0; }

  /// A few lines for people; a JSON object for programs.
  void print(std::ostream& out) const;
  std::string json() const;
  ServerStats& operator+=(const ServerStats& other);
};

}  // namespace tapestry
