#include <tapestry/examples/airline/methods/ensemble.h>
#include <tapestry/examples/airline/parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

std::vector<double> medians(const std::vector<std::vector<double>>& paths) {
  std::vector<double> out(paths.front().size()), column(paths.size());
  for (size_t t = 0; t < out.size(); ++t) {
    for (size_t i = 0; i < paths.size(); ++i) column[i] = paths[i][t];
    out[t] = std::isnan(column[0]) ? column[0] : median(column);
  }
  return out;
}

}  // namespace

double median(std::vector<double> v) {
  if (v.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(v.begin(), v.end());
  const size_t half = v.size() / 2;
  return v.size() % 2 == 1 ? v[half] : (v[half - 1] + v[half]) / 2;
}

Ensemble::Ensemble(std::span<const double> train, size_t season, const LstmSettings& settings,
                   size_t runs, int64_t workers, const OnEpoch& on_epoch) {
  std::vector<std::optional<LstmForecaster>> trained(runs);
  parallel_for(runs, workers, [&](size_t run) {
    LstmSettings s = settings;
    s.seed += run;
    trained[run].emplace(train, season, s, [&](int64_t epoch, double loss) {
      if (on_epoch) on_epoch(run, epoch, loss);
    });
  });
  for (auto& member : trained) members_.push_back(std::move(*member));
  fit_values();
}

Ensemble::Ensemble(std::vector<LstmForecaster> members) : members_(std::move(members)) {
  fit_values();
}

void Ensemble::fit_values() {
  require<ValueError>(!members_.empty(), "ensemble: no runs, expected at least 1");
  std::vector<std::vector<double>> paths;
  for (const LstmForecaster& m : members_) paths.emplace_back(m.fitted().begin(), m.fitted().end());
  fitted_ = medians(paths);
}

std::vector<double> Ensemble::forecast(size_t horizon) const {
  std::vector<std::vector<double>> paths;
  for (const LstmForecaster& m : members_) paths.push_back(m.forecast(horizon));
  return medians(paths);
}

void Ensemble::update(double actual) {
  for (LstmForecaster& m : members_) m.update(actual);
}

}  // namespace tapestry::airline
