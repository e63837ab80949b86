#pragma once
// The loss of the held-out text, of which a limit on time or a signal may leave nothing.

#include <functional>

#include <tapestry/examples/lm/model/language_model.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/training/cluster.h>

namespace tapestry::lm {

struct HeldOut {
  bool known = false;
  double loss = 0;
  int signal = 0;  // that came meanwhile
};

/// Evaluated by the first rank, told to all. `streamed`: as one text; `stop`: asked now and then.
HeldOut evaluate_held_out(const LanguageModel& model, const Data& data, bool streamed,
                          const std::function<bool()>& stop, const Cluster& cluster);

}  // namespace tapestry::lm
