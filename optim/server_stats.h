#pragma once
// What a parameter server saw: where the time of its workers went, and how stale their updates
// were.

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace tapestry {

struct WorkerStats {
  int64_t items = 0, updates = 0, tokens = 0;
  double pull_seconds = 0, forward_seconds = 0, backward_seconds = 0, push_seconds = 0;
  double lock_wait_seconds = 0,
         barrier_seconds = 0;  // blocked on a lock; waiting for others (sync, ssp)
  int64_t pulled_bytes = 0, pushed_bytes = 0;
  int64_t overlapping_writes = 0;  // hogwild: shards written while another worker wrote them

  double compute_seconds() const { return forward_seconds + backward_seconds; }
  WorkerStats& operator+=(const WorkerStats& other);
};

struct ServerStats {
  double seconds = 0;  // of the run; of virtual time when simulated
  std::vector<WorkerStats> workers;
  std::vector<int64_t>
      staleness;  // staleness[s]: updates that s others overtook between pull and push
  bool simulated = false, interrupted = false;
  double clipped = 0;  // share of the updates whose gradient was clipped

  WorkerStats total() const;
  double tokens_per_second() const {
    return seconds > 0 ? static_cast<double>(total().tokens) / seconds : 0;
  }
  /// The staleness that a share q of the updates does not exceed.
  int64_t staleness_quantile(double q) const;
  double mean_staleness() const;
  /// Time blocked on locks over time computing, the figure of merit of a server.
  double lock_wait_share() const;

  /// A few lines for people; a JSON object for programs.
  void print(std::ostream& out) const;
  std::string json() const;
  ServerStats& operator+=(const ServerStats& other);
};

}  // namespace tapestry
