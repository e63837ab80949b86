#pragma once
// What a run is going to do: the banner of `lm train`, and with --dry-run the whole plan.

#include <tapestry/examples/lm/text/data.h>

namespace tapestry::lm {

/// Data, model, training and place of the run, a line each, on stderr.
void print_banner(const TrainSettings& settings, const Data& data, int64_t parameters);

/// The number of parameters that a model of this shape has.
int64_t parameter_count(const ModelShape& shape);

/// The plan on stdout: parameters, tokens, updates, memory by part. Makes no model.
void print_plan(const TrainSettings& settings, const Data& data);

}  // namespace tapestry::lm
