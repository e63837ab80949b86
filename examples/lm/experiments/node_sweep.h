#pragma once
// lm sweep --nodes: time and loss of the same training by several numbers of virtual nodes, between
// which it is local or synchronous.

#include <tapestry/examples/lm/experiments/sweep.h>

namespace tapestry::lm {

inline constexpr int64_t kBatchOfNodes = 10;  // sentences per update, unless given

/// Sorts numbers of workers or nodes, each once, and 1 among them: what others are compared with.
void with_one(std::vector<int64_t>& numbers);

/// Prints a table; leaves sweep.csv, courses.csv and two pictures. Throws UserError (usage) for
/// settings that do not go with nodes, and where there is nothing to hold out.
app::ExitCode sweep_nodes(SweepSettings settings);

}  // namespace tapestry::lm
