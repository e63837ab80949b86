#pragma once
// A rolling-origin back-test (Tashman, 2000): every method is fitted on the values up to an origin
// and forecasts the next ones; then the origin moves on by one.

#include <tapestry/examples/airline/chosen.h>
#include <tapestry/examples/airline/scores/evaluation.h>
#include <tapestry/examples/airline/scores/intervals.h>

#include <functional>

namespace tapestry::airline {

/// A method's forecasts: [origin][distance - 1]; empty where it failed at an origin, and why.
struct Paths {
  std::string name, title;
  std::vector<std::vector<double>> forecasts;
  std::string problem = {};
};

struct Rolling {
  size_t first, origins, horizon;    // the first origin has so many values before it
  std::vector<Paths> runs;           // the LSTM from each seed
  std::vector<Paths> methods;        // as the rows of evaluate(), without the first
  std::vector<Intervals> intervals;  // of the chosen one, by origin; none known: too few values
  size_t chosen_method = 0;          // of --model

  const Paths& chosen() const { return methods[chosen_method]; }
  size_t train_size(size_t origin) const { return first + origin; }
};

struct RollingSettings {
  TrainingSettings training;
  size_t origins, horizon;
};

/// How many times methods are fitted: at the origins, and before them to calibrate intervals.
size_t fits_of(size_t values, size_t season, const RollingSettings& settings);

/// Origins end `horizon` values before the last one. `on_fit` is called from any thread.
Rolling roll(std::span<const double> values, size_t season, const RollingSettings& settings,
             const std::function<void()>& on_fit = {});

/// Over all origins and distances.
Scores score(const Rolling& rolling, const Paths& paths, std::span<const double> values,
             size_t season);
/// At each distance.
std::vector<double> rmse_by_distance(const Rolling& rolling, const Paths& paths,
                                     std::span<const double> values);
/// For each level, the share of values within the interval; empty when none is known.
std::vector<double> coverage(const Rolling& rolling, std::span<const double> values);

}  // namespace tapestry::airline
