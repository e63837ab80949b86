#pragma once
// The pictures of a run and of a back-test.

#include <tapestry/examples/airline/series/timeline.h>
#include <tapestry/examples/common/plot.h>

#include <filesystem>

namespace tapestry::airline {

/// The series, the fit, the forecast with its intervals, the best-known baselines.
app::Plot forecast_picture(const Run& run, const Timeline& timeline);
/// Actual - fitted in the training part, actual - forecast behind it.
app::Plot residual_picture(const Run& run, const Timeline& timeline);
/// Training loss of each seed over the epochs.
app::Plot loss_picture(const Run& run);

/// Where time number t lies on the x axis of a series, and how that axis is drawn.
double x_of(const Series& series, const std::vector<std::string>& time, size_t t);
app::Plot::Axis axis_of(const Series& series);

/// All three, and the forecast for the eye unless `quiet`.
void draw(const Run& run, const Timeline& timeline, const std::filesystem::path& directory,
          bool quiet);

}  // namespace tapestry::airline
