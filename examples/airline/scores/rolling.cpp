#include <tapestry/examples/airline/methods/combination.h>
#include <tapestry/examples/airline/parallel.h>
#include <tapestry/examples/airline/scores/rolling.h>

#include <array>
#include <map>
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

/// A number of values known, and what is fitted on these.
struct Point {
  bool origin = false;
  size_t forecasts = 0;  // from how many values on the chosen method forecasts, to calibrate
  std::vector<std::vector<double>> chosen = {};  // these forecasts; empty where it fails
};

CalibrationPlan plan_at(size_t known, size_t season, const RollingSettings& s) {
  return plan_calibration(known, season, least_of(s.training, season, s.horizon), s.horizon);
}

std::map<size_t, Point> points(size_t values, size_t season, const RollingSettings& s) {
  std::map<size_t, Point> out;
  for (size_t k = 0; k < s.origins; ++k) {
    const size_t known = values + 1 - s.origins - s.horizon + k;
    out[known].origin = true;
    const CalibrationPlan plan = plan_at(known, season, s);
    for (const size_t first : plan.fits()) {
      Point& point = out[first];
      point.forecasts = std::max(point.forecasts, plan.origins(first));
    }
  }
  return out;
}

/// Of the origin that has seen `train`; none where a fit among its last values failed.
Intervals intervals_at(std::span<const double> train, size_t season, const RollingSettings& s,
                       const std::map<size_t, Point>& points) {
  const bool log = s.training.lstm.preprocessing.log;
  const CalibrationPlan plan = plan_at(train.size(), season, s);
  if (plan.size == 0) return {log, {}};
  Calibration calibration(s.horizon, log);
  for (const size_t first : plan.fits()) {
    const Point& point = points.at(first);
    if (point.chosen.empty()) return {log, {}};
    for (size_t i = 0; i < plan.origins(first); ++i)
      calibration.add(point.chosen[i], train.subspan(first + i));
  }
  return calibration.intervals();
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

/// Every method on `train`, and its forecasts; returns the chosen one, null where it failed.
std::shared_ptr<Forecaster> fit_all(Rolling& out, std::span<const double> train, size_t season,
                                    const RollingSettings& s, std::mutex& mutex) {
  const TrainingSettings& t = s.training;
  const size_t k = train.size() - out.first;
  std::array<std::shared_ptr<Forecaster>, 3> own;
  auto lstm = std::make_shared<Ensemble>(train, season, t.lstm, t.runs, 1);
  for (size_t run = 0; run < t.runs; ++run)
    out.runs[run].forecasts[k] = lstm->members()[run].forecast(s.horizon);
  out.methods[0].forecasts[k] = lstm->forecast(s.horizon);
  own[0] = lstm;
  Origin origin(out, k, mutex);
  origin.attempt([&] {
    own[1] = fit_hybrid(t, train, season, s.horizon);
    return own[1]->forecast(s.horizon);
  });
  origin.attempt([&] {
    own[2] = combined(*lstm, train, season);
    return own[2]->forecast(s.horizon);
  });
  for (const Baseline& b : baselines(season))
    origin.attempt([&] { return checked_forecast(b, train, season, s.horizon); });
  return own[out.chosen_method];
}

}  // namespace

size_t fits_of(size_t values, size_t season, const RollingSettings& s) {
  return points(values, season, s).size();
}

Rolling roll(std::span<const double> values, size_t season, const RollingSettings& s,
             const std::function<void()>& on_fit) {
  const TrainingSettings& t = s.training;
  Rolling out{values.size() + 1 - s.origins - s.horizon, s.origins, s.horizon, {}, {}, {}};
  const std::vector<std::vector<double>> empty(s.origins);
  out.runs.assign(t.runs, {"lstm", "LSTM", empty});
  out.methods = {{"lstm_median", "median forecast of the runs", empty},
                 {"hybrid", kHybridTitle, empty},
                 {"combination", combination_title(season), empty}};
  for (const Baseline& b : baselines(season)) out.methods.push_back({b.name, b.title, empty});
  for (size_t i = 0; i < 3; ++i)
    if (out.methods[i].name == row_name(t.model.value_or(Model::lstm))) out.chosen_method = i;
  std::map<size_t, Point> all = points(values.size(), season, s);
  std::vector<std::pair<size_t, Point*>> work;
  for (auto& [known, point] : all) work.emplace_back(known, &point);
  std::mutex mutex;

  parallel_for(work.size(), t.workers, [&](size_t i) {
    auto& [known, point] = work[i];
    const auto train = values.first(known);
    std::shared_ptr<Forecaster> chosen;
    if (point->origin) chosen = fit_all(out, train, season, s, mutex);
    if (point->forecasts > 0) try {
        if (!chosen) chosen = fit_chosen(t, train, season, s.horizon, 1);
        point->chosen =
            rolling_forecasts(*chosen, values.subspan(known), point->forecasts, s.horizon);
      } catch (const Error&) {  // then the origins behind it have no intervals
      }
    if (on_fit) on_fit();
  });
  for (size_t k = 0; k < s.origins; ++k)
    out.intervals.push_back(intervals_at(values.first(out.train_size(k)), season, s, all));
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
