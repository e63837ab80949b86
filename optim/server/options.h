#pragma once
// What a parameter server can be told.

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include <tapestry/autograd/parameter.h>

namespace tapestry {

enum class UpdatePolicy { async, sync, ssp, hogwild, critical, critical_push };
const char* name_of(UpdatePolicy policy);

class Communicator;

/// How ranks share a training (local_ranks.h): `sync` adds up the gradients of the workers of all
/// ranks in each round, as one process with all these workers would, to the same bits; `local`
/// exchanges what each has changed now and then.
enum class Between { sync, local };
/// What becomes of the changes of a round: their mean, weighted by items; their sum; their sum,
/// each row times the diversity of its changes, sum of |change|^2 / |sum of changes|^2 (Yin et al.,
/// 2018), where that is below 1: between the mean of changes that are equal and the sum of those
/// that have nothing in common; or their mean with a momentum from round to round (blockwise model
/// updates; Chen & Huo, 2016).
enum class OuterStep { average, sum, diversity, momentum };

/// A round of one rank, in items that it had begun, for RankOptions::replay.
struct RecordedRound {
  int64_t start = 0, arrival = 0;
  double seconds = 0;
  bool ended = false;  // it began when the rank had no items left
  double lasted = 0;   // seconds, with those that it waited for items
};

struct RankOptions {
  Communicator* communicator = nullptr;  // null, or of one rank: alone
  Between between = Between::local;
  // Of local:
  int64_t every = 100;    // items of a rank in a round, on average
  bool by_items = false;  // exactly so many: repeats to the bit, but the slowest decides
  OuterStep outer = OuterStep::average;
  double rate = 1, momentum = 0;  // factor of a mean; of the step before, for OuterStep::momentum
  std::vector<RecordedRound>* log = nullptr;           // with one worker, rounds are written down
  const std::vector<RecordedRound>* replay = nullptr;  // repeats them to the bit
};

struct ServerOptions {
  int workers = 1;
  UpdatePolicy update = UpdatePolicy::async;
  int64_t shards = 64;      // locks per large parameter
  int64_t staleness = 0;    // of ssp, in items
  double clip_norm = 0;     // largest norm of a pushed gradient; 0: off
  bool damp_stale = false;  // divide the learning rate by 1 + staleness (Zhang et al., 2016)
  std::vector<const Parameter*> shared = {};
  std::function<double(int64_t updates)> lr = {};  // schedule; empty: the optimizer's own rate
  const std::atomic<int>* stop = nullptr;          // non-zero: finish the running items and return
  RankOptions ranks = {};

  /// Whether there are other ranks.
  bool ranked() const;
  bool local() const { return ranked() && ranks.between == Between::local; }
};

/// Throws ValueError for what is out of range, and for a pointer in `shared` that is null or that
/// of none of these parameters.
void check(const ServerOptions& options, std::span<const NamedParameter> parameters);

}  // namespace tapestry
