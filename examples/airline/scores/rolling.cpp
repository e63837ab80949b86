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
  const size_t size = calibration_size(season);
  const bool log = s.lstm.preprocessing.log;
  if (train.size() < LstmForecaster::minimum(season, s.lstm) + size) return {log, {}};
  Ensemble fit(train.first(train.size() - size), season, s.lstm, s.runs, 1);
  return calibrate(fit, train.last(size), s.horizon, log);
}

}  // namespace

Rolling roll(std::span<const double> values, size_t season, const RollingSettings& s,
             const std::function<void()>& on_origin) {
  Rolling out{values.size() + 1 - s.origins - s.horizon, s.origins, s.horizon, {}, {}, {}, {}};
  out.runs.assign(s.runs, {"lstm", "LSTM", std::vector<std::vector<double>>(s.origins)});
  out.methods.push_back({"lstm_median", "median forecast of the runs", out.runs[0].forecasts});
  for (const Baseline& b : baselines())
    out.methods.push_back({b.name, b.title, out.runs[0].forecasts});
  out.intervals.resize(s.origins);
  std::vector<std::string> refusals(baselines().size());
  std::mutex mutex;

  parallel_for(s.origins, s.workers, [&](size_t k) {
    const auto train = values.first(out.train_size(k));
    const Ensemble fit(train, season, s.lstm, s.runs, 1);
    for (size_t run = 0; run < s.runs; ++run)
      out.runs[run].forecasts[k] = fit.members()[run].forecast(s.horizon);
    out.methods[0].forecasts[k] = fit.forecast(s.horizon);
    out.intervals[k] = intervals_at(train, season, s);
    for (size_t i = 0; i < baselines().size(); ++i) try {
        out.methods[i + 1].forecasts[k] = baselines()[i].fit(train, season)->forecast(s.horizon);
      } catch (const ValueError& error) {
        const std::lock_guard lock(mutex);
        refusals[i] = std::string("no ") + baselines()[i].title + ": " + error.what();
      }
    if (on_origin) on_origin();
  });
  for (size_t i = 0; i < refusals.size(); ++i) {
    if (refusals[i].empty()) continue;
    out.notes.push_back(refusals[i]);
    out.methods[i + 1].forecasts.clear();
  }
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
        const double forecast = r.methods[0].forecasts[k][h], y = values[r.train_size(k) + h];
        covered += r.intervals[k].low(level, h + 1, forecast) <= y &&
                   y <= r.intervals[k].high(level, h + 1, forecast);
      }
    out.push_back(static_cast<double>(covered) / static_cast<double>(r.origins * r.horizon));
  }
  return out;
}

}  // namespace tapestry::airline
