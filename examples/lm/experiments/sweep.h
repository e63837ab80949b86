#pragma once
// lm sweep: time and loss of the same training by several numbers of workers and batch sizes, or of
// virtual nodes (node_sweep.h).

#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/experiments/experiment.h>

namespace tapestry::lm {

struct SweepSettings {
  TrainSettings train = experiment_settings();
  std::vector<int64_t> workers = {}, batch = {};  // none: kWorkers, kBatch
  std::vector<int64_t> nodes = {};                // instead of workers, if any
  int64_t sentences = 0,
          probe = 200;  // per training, 0: one pass over the text; held out, for nodes
};
void add_options(app::Command& command, SweepSettings& settings);
/// Prints a table; leaves sweep.csv and a picture.
app::ExitCode sweep(SweepSettings settings);

}  // namespace tapestry::lm
