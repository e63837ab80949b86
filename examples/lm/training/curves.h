#pragma once
// The learning curve of a run, from its metrics.csv.

#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/lm/run.h>

namespace tapestry::lm {

struct Curve {
  std::vector<double> epochs, tokens, seconds, loss;
};

struct Curves {
  Curve train, valid;    // losses in nats per token; valid may be empty
  bool sampled = false;  // that of training is one over samples
};

/// Throws FileError, and FormatError with the line that is malformed.
Curves read_curves(const std::filesystem::path& run);

enum class Against { tokens, seconds };

/// Adds the curves to a plot. `name` begins the names of the series, where there are several runs.
/// The fall from ln V in the first tenth of an epoch is left out: it would flatten what follows.
void add_curves(app::Plot& plot, const Curves& curves, Against against,
                const std::string& name = "");

/// The learning curve of one run, with the floor where one is known.
app::Plot learning_curve(const TrainSettings& settings, const Curves& curves,
                         std::optional<double> floor);

}  // namespace tapestry::lm
