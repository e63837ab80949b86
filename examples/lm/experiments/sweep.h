#pragma once
// lm sweep: time and loss of the same training by several numbers of workers and batch sizes.

#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/experiments/experiment.h>

namespace tapestry::lm {

struct SweepSettings {
  TrainSettings train = experiment_settings();
  std::vector<int64_t> workers = {1, 2, 4, 8, 12, 16}, batch = {1, 2, 5, 10};
  int64_t sentences = 0;  // per training; 0: one pass over the text
};
void add_options(app::Command& command, SweepSettings& settings);
/// Prints a table; leaves sweep.csv and a picture.
app::ExitCode sweep(SweepSettings settings);

}  // namespace tapestry::lm
