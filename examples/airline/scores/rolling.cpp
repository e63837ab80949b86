#include <tapestry/examples/airline/methods/combination.h>
#include <tapestry/examples/airline/parallel.h>
#include <tapestry/examples/airline/scores/rolling.h>

#include <mutex>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

/// Actual values and forecasts of all origins at the distances first .. last - 1 (from 0).
struct Pairs {
  std::vector<double> actual, forecast;
};

Pairs pairs(const Rolling& r, const Paths& paths, std::span<const double> values, size_t first,
            size_t last) {
  Pairs out;
  for (size_t k = 0; k < r.origins; ++k)
    for (size_t h = first; h < last; ++h) {
      out.actual.push_back(values[r.train_size(k) + h]);
      out.forecast.push_back(paths.forecasts[k][h]);
    }
  return out;
}

Intervals intervals_at(std::span<const double> train, size_t season, const RollingSettings& s) {
  const TrainingSettings& t = s.training;
  const size_t size =
      calibration_size(train.size(), season, LstmForecaster::minimum(season, t.lstm), s.horizon);
  const bool log = t.lstm.preprocessing.log;
  if (size == 0) return {log, {}};
  const auto known = train.first(train.size() - size);
  const auto fit =
      fit_chosen(t, Ensemble(known, season, t.lstm, t.runs, 1), known, season, s.horizon);
  return calibrate(*fit, train.last(size), s.horizon, log);
}

/// All methods at one origin.
class Origin {
 public:
  Origin(Rolling& out, size_t number, std::mutex& mutex)
      : out_(out), number_(number), mutex_(mutex) {}

  template <class F>
  void attempt(F forecast) {
    Paths& paths = out_.methods[method_++];
    try {
      paths.forecasts[number_] = forecast();
    } catch (const Error& error) {
      const std::lock_guard lock(mutex_);
      if (paths.problem.empty()) paths.problem = error.what();
    }
  }

 private:
  Rolling& out_;
  size_t number_, method_ = 1;
  std::mutex& mutex_;
};

}  // namespace

Rolling roll(std::span<const double> values, size_t season, const RollingSettings& s,
             const std::function<void()>& on_origin) {
  const TrainingSettings& t = s.training;
  Rolling out{values.size() + 1 - s.origins - s.horizon, s.origins, s.horizon, {}, {}, {}};
  const std::vector<std::vector<double>> empty(s.origins);
  out.runs.assign(t.runs, {"lstm", "LSTM", empty});
  out.methods = {{"lstm_median", "median forecast of the runs", empty},
                 {"hybrid", kHybridTitle, empty},
                 {"combination", combination_title(season), empty}};
  for (const Baseline& b : baselines(season)) out.methods.push_back({b.name, b.title, empty});
  for (size_t i = 0; i < 3; ++i)
    if (out.methods[i].name == row_name(t.model)) out.chosen_method = i;
  out.intervals.resize(s.origins);
  std::mutex mutex;

  parallel_for(s.origins, t.workers, [&](size_t k) {
    const auto train = values.first(out.train_size(k));
    const Ensemble fit(train, season, t.lstm, t.runs, 1);
    for (size_t run = 0; run < t.runs; ++run)
      out.runs[run].forecasts[k] = fit.members()[run].forecast(s.horizon);
    out.methods[0].forecasts[k] = fit.forecast(s.horizon);
    out.intervals[k] = intervals_at(train, season, s);
    Origin origin(out, k, mutex);
    origin.attempt([&] { return fit_hybrid(t, train, season, s.horizon)->forecast(s.horizon); });
    origin.attempt([&] { return combined(fit, train, season)->forecast(s.horizon); });
    for (const Baseline& b : baselines(season))
      origin.attempt([&] { return checked_forecast(b, train, season, s.horizon); });
    if (on_origin) on_origin();
  });
  for (Paths& paths : out.methods)
    if (!paths.problem.empty()) paths.forecasts.clear();
  require<ValueError>(out.chosen().problem.empty(), out.chosen().title, ": ", out.chosen().problem);
  return out;
}

Scores score(const Rolling& r, const Paths& paths, std::span<const double> values, size_t season) {
  const Pairs all = pairs(r, paths, values, 0, r.horizon);
  return score(all.actual, all.forecast, values.first(r.first), season);
}

std::vector<double> rmse_by_distance(const Rolling& r, const Paths& paths,
                                     std::span<const double> values) {
  std::vector<double> out;
  for (size_t h = 0; h < r.horizon; ++h) {
    const Pairs at = pairs(r, paths, values, h, h + 1);
    out.push_back(rmse(at.actual, at.forecast));
  }
  return out;
}

std::vector<double> coverage(const Rolling& r, std::span<const double> values) {
  std::vector<double> out;
  for (size_t level = 0; level < Intervals::levels.size(); ++level) {
    size_t covered = 0;
    for (size_t k = 0; k < r.origins; ++k)
      for (size_t h = 0; h < r.horizon; ++h) {
        if (!r.intervals[k].known()) return {};
        const double forecast = r.chosen().forecasts[k][h], y = values[r.train_size(k) + h];
        covered += r.intervals[k].low(level, h + 1, forecast) <= y &&
                   y <= r.intervals[k].high(level, h + 1, forecast);
      }
    out.push_back(static_cast<double>(covered) / static_cast<double>(r.origins * r.horizon));
  }
  return out;
}

}  // namespace tapestry::airline
