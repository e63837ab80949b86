#pragma once
// All that can be said of a series at each of its times: the actual value, the fitted one (training
// part, one step ahead) or the forecast made at the end of the training part, and its intervals.

#include <tapestry/examples/airline/run.h>

namespace tapestry::airline {

struct Timeline {
  std::vector<std::string> time;  // training part, held-out part, future
  size_t train_size;
  std::vector<double> actual, forecast;          // NaN where there is none
  std::array<std::vector<double>, 2> low, high;  // by Intervals::levels

  size_t size() const { return time.size(); }
};

Timeline timeline(const Run& run, size_t horizon);

/// time,split,actual,forecast,lo80,hi80,lo95,hi95; split is train, test or future.
std::string csv_of(const Timeline& timeline);

/// For each level, the share of the held-out values within the interval; empty where nothing is
/// held out or no interval known.
std::vector<double> coverage(const Timeline& timeline);

}  // namespace tapestry::airline
