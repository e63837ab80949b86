#pragma once
// A stretch of training, between two moments at which the model stands still: when it ends, and
// what it added.

#include <string>

#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/training/cluster.h>
#include <tapestry/examples/lm/training/position.h>

namespace tapestry::lm {

/// Why to end before the last epoch, after so many seconds; empty where nothing speaks for it.
std::string reason_to_end(const TrainSettings& settings, const Position& position, double seconds);

/// What one rank added, and what it wishes to happen now.
struct Stretch {
  LossSum losses;
  int64_t items = 0;
  int signal = 0;  // that came
  bool save = false, sample = false;
};

/// Of all ranks: sums, and what any of them wishes.
Stretch of_all_ranks(const Cluster& cluster, const Stretch& mine);

/// Where the training stands after a stretch of so many updates that began at `before`; what is for
/// the metrics stays.
void advance(Position& position, const Position& before, const Stretch& all, int64_t updates);

}  // namespace tapestry::lm
