#pragma once
// Ranks that are threads of one process: what tests and simulations use in place of machines.

#include <tapestry/optim/server/communicator.h>

namespace tapestry {

/// Runs body(communicator) as `n` ranks and returns when all have ended. Where one throws, the
/// others' next done() throws, too; the first exception is thrown again here.
void run_ranks(int n, const std::function<void(Communicator&)>& body);

}  // namespace tapestry
