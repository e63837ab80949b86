#pragma once
// Ranks that are processes under MPI, started by mpirun or srun. It needs MPI_THREAD_FUNNELED only,
// and sends by non-blocking messages between two ranks: what works in every MPI.

#include <memory>

#include <tapestry/optim/server/communicator.h>

namespace tapestry {

/// Whether mpirun, mpiexec or srun started this process as one of several.
bool started_by_mpi();

/// Initialises MPI for as long as the object lives; call it once, in the main thread, which is the
/// one that may use it. Throws Error where MPI offers no threads beside the one that communicates.
std::unique_ptr<Communicator> mpi_ranks(int* argc, char*** argv);

}  // namespace tapestry
