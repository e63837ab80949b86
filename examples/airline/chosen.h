#pragma once
// The method whose forecasts a run gives, by --model; the others are rows beside it.

#include <tapestry/examples/airline/panel/hybrid_forecaster.h>
#include <tapestry/examples/airline/settings.h>

namespace tapestry::airline {

/// The hybrid for one series, from as many seeds as the LSTM. Throws ValueError where it does not
/// apply.
std::shared_ptr<HybridForecaster> fit_hybrid(const TrainingSettings& settings,
                                             std::span<const double> train, size_t season,
                                             size_t horizon);

/// `lstm` was fitted on `train`.
std::shared_ptr<Forecaster> fit_chosen(const TrainingSettings& settings, const Ensemble& lstm,
                                       std::span<const double> train, size_t season,
                                       size_t horizon);

/// The same with an LSTM of its own, if it takes one, trained on `workers` threads.
std::shared_ptr<Forecaster> fit_chosen(const TrainingSettings& settings,
                                       std::span<const double> train, size_t season, size_t horizon,
                                       int64_t workers);

/// How many values the chosen method needs at least.
size_t least_of(const TrainingSettings& settings, size_t season, size_t horizon);

/// lstm_median, hybrid, combination: the name of the chosen method's row.
const char* row_name(Model model);
/// "LSTM", "hybrid", "combination"
const char* title(Model model);

}  // namespace tapestry::airline
