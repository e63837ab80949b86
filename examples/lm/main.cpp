// lm: word-level recurrent language models, trained on text.

#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/tensor/blas.h>
#ifdef TAPESTRY_MPI
#include <tapestry/mpi/mpi_ranks.h>
#endif

#include <memory>

int main(int argc, char** argv) {
  tapestry::restart_with_better_blas(argv);
  std::unique_ptr<tapestry::Communicator> ranks;
  return tapestry::app::run_main("lm", [&] {
#ifdef TAPESTRY_MPI
    if (tapestry::started_by_mpi()) ranks = tapestry::mpi_ranks(&argc, &argv);
#endif
    return tapestry::lm::run_as_rank({argv, argv + argc}, tapestry::lm::Cluster(ranks.get()));
  });
}
