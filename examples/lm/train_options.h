#pragma once
// The options of `lm train`; experiments and checks share those of the model.

#include <tapestry/examples/lm/settings.h>

namespace tapestry::lm {

/// Registers the options of `lm train`, whose defaults are those of `settings`.
void add_options(app::Command& command, TrainSettings& settings);
/// Those that decide the shape of a model and how far errors flow back in it.
void add_model_options(app::Command& command, ModelShape& model, Bptt& bptt);
/// How ranks that train each for itself exchange what they change.
void add_exchange_options(app::Command& command, ParallelSettings& parallel,
                          const std::string& group);
/// --softmax and --samples.
void add_objective_options(app::Command& command, std::string& softmax, int64_t& samples,
                           std::vector<int64_t>& cutoffs);

}  // namespace tapestry::lm
