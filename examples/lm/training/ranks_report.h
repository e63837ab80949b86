#pragma once
// What lm says of several ranks: how they train, and at the end what each did.

#include <span>
#include <string>

#include <tapestry/examples/common/json.h>
#include <tapestry/examples/lm/settings.h>
#include <tapestry/examples/lm/training/cluster.h>
#include <tapestry/optim/server/stats.h>

namespace tapestry::lm {

/// "4 of 1 worker, local: average of changes every 20000 tokens, by time"
std::string describe_ranks(const ParallelSettings& settings, int ranks);

/// A table with a line for each rank; empty for none.
std::string ranks_table(std::span<const RankStats> ranks);
/// The same as a list of objects.
app::Json ranks_json(std::span<const RankStats> ranks);

/// Warns where Slurm or mpirun started several processes that know nothing of each other. Throws
/// UserError (usage) where this program was built without MPI.
void notice_lone_ranks(const Cluster& cluster);

}  // namespace tapestry::lm
