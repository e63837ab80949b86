#pragma once
// config.json of a run: every setting that it keeps, validated on each read.

#include <tapestry/examples/lm/settings.h>

#include <string>
#include <string_view>
#include <vector>

namespace tapestry::lm {

/// What config.json holds.
std::string config_text(const TrainSettings& settings);
/// Throws FormatError that names `path` and the key for what no run could have written.
TrainSettings parse_config(std::string_view text, const std::string& path);
/// "hidden is 100 in the run, not 50" for each setting that a resumed run must not change.
std::vector<std::string> changed_settings(const TrainSettings& before, const TrainSettings& now);

}  // namespace tapestry::lm
