#pragma once
// Presets: settings that belong together, which single options then change. Without a preset, and
// without an option that says what to learn or how, the settings are chosen by the size of the
// text.

#include <tapestry/examples/lm/settings.h>

namespace tapestry::lm {

/// What options change: the settings of the run that --resume continues, else those of --preset,
/// else those that are chosen.
TrainSettings defaults_of(const TrainSettings& asked);

/// Whether the preset chooses by the text.
bool chooses(const TrainSettings& settings);

/// Of a preset that chooses: gives the embedding the width that tied weights need, where only
/// --hidden was changed.
void fit_embedding(TrainSettings& settings);
/// Of a preset that chooses, once the vocabulary is known: whether to sample from it pays.
void fit_to_vocabulary(TrainSettings& settings, int64_t words);

/// For the user: what was chosen by what, and how to change it; empty for settings that were given.
std::string describe_choice(const TrainSettings& settings);

}  // namespace tapestry::lm
