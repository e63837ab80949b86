#pragma once
// config.json of a run: what it was set to. Every field is checked on every read, as the command
// line checks its option.

#include <tapestry/examples/lm/settings.h>

#include <string>
#include <string_view>
#include <vector>

namespace tapestry::lm {

std::string config_text(const TrainSettings& settings);
/// Throws FormatError "FILE: SECTION.KEY: ..." for text that is not JSON, a field that is
/// missing, of another type or out of its range.
TrainSettings parse_config(std::string_view text, const std::string& path);

/// The same input, whatever the working directory.
InputSettings with_absolute_paths(InputSettings input);

/// What differs between the settings of a run and those to resume it with, a line each; nothing of
/// what may change.
std::vector<std::string> changed_settings(const TrainSettings& before, const TrainSettings& now);

}  // namespace tapestry::lm
