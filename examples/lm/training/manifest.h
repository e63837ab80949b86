#pragma once
// run.json: what a run was made of, for who repeats it: the command, the resolved settings, hashes
// of data and vocabulary, the compiler, the BLAS, the processor.

#include <tapestry/examples/lm/text/data.h>

namespace tapestry::lm {

std::string manifest(const TrainSettings& settings, const Data& data);

}  // namespace tapestry::lm
