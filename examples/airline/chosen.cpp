#include <tapestry/examples/airline/chosen.h>
#include <tapestry/examples/airline/methods/combination.h>

#include <algorithm>

namespace tapestry::airline {

std::shared_ptr<HybridForecaster> fit_hybrid(const TrainingSettings& s,
                                             std::span<const double> train, size_t season,
                                             size_t horizon) {
  HybridSettings settings =
      HybridForecaster::settings_for(season, horizon, s.lstm.preprocessing.log);
  settings.seed = s.lstm.seed;
  return std::make_shared<HybridForecaster>(train, settings, s.runs);
}

std::shared_ptr<Forecaster> fit_chosen(const TrainingSettings& s, const Ensemble& lstm,
                                       std::span<const double> train, size_t season,
                                       size_t horizon) {
  if (s.model == Model::hybrid) return fit_hybrid(s, train, season, horizon);
  if (s.model == Model::combination) return combined(lstm, train, season);
  return std::make_shared<Ensemble>(lstm);
}

std::shared_ptr<Forecaster> fit_chosen(const TrainingSettings& s, std::span<const double> train,
                                       size_t season, size_t horizon, int64_t workers) {
  if (s.model == Model::hybrid) return fit_hybrid(s, train, season, horizon);
  return fit_chosen(s, Ensemble(train, season, s.lstm, s.runs, workers), train, season, horizon);
}

size_t least_of(const TrainingSettings& s, size_t season, size_t horizon) {
  const size_t lstm = LstmForecaster::minimum(season, s.lstm);
  return s.model == Model::hybrid ? std::max(lstm, least_values({.horizon = horizon})) : lstm;
}

const char* row_name(Model model) { return model == Model::lstm ? "lstm_median" : title(model); }

const char* title(Model model) {
  return model == Model::hybrid ? "hybrid" : model == Model::combination ? "combination" : "LSTM";
}

}  // namespace tapestry::airline
