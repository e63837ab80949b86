#pragma once
// lm race: asynchronous workers against one update that uses all cores. Which stays below a loss
// first?

#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/experiments/experiment.h>

namespace tapestry::lm {

struct RaceSettings {
  TrainSettings train = experiment_settings();
  int64_t workers = 0, threads = 0;  // 0: the cores of this machine
  int64_t every = 250, probe = 200;  // sentences between evaluations, and evaluated
  int64_t most = 15000;              // sentences after which it ends anyhow
  std::vector<double> targets = {6.5, 5.9};
};
void add_options(app::Command& command, RaceSettings& settings);
/// Prints a table; leaves race.csv and a picture.
app::ExitCode race(RaceSettings settings);

}  // namespace tapestry::lm
