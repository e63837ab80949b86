#include <tapestry/examples/airline/methods/ensemble.h>
#include <tapestry/examples/airline/panel/hybrid_forecaster.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace tapestry::airline {

HybridSettings HybridForecaster::settings_for(size_t season, size_t horizon, bool log) {
  HybridSettings s;
  s.shape = {.season1 = season > 1 ? season : 0, .horizon = horizon, .log = log};
  s.window = static_cast<int64_t>(std::clamp<size_t>(season, 12, 336));
  s.stride = 3;
  s.hidden = 10;
  s.epochs = 300;
  s.lr = 0.01;
  s.dropout = 0.3;
  return s;
}

HybridForecaster::HybridForecaster(std::span<const double> train, const HybridSettings& settings,
                                   size_t runs)
    : settings_(settings), series_(prepare(train, settings.shape)) {
  for (size_t run = 0; run < runs; ++run) {
    HybridSettings s = settings_;
    s.seed += run;
    networks_.push_back(airline::train(Hybrid({&series_, 1}, s), 1).network);
  }
  const size_t n = series_.x.size(), stride = static_cast<size_t>(settings_.stride_size());
  fitted_.assign(train.size(), std::numeric_limits<double>::quiet_NaN());
  const size_t before = train.size() - n;  // values that are not used
  for (size_t cut = 1; cut <= std::min(stride, n - 1); ++cut) {
    const auto paths = medians(series_, cut, (n - cut + stride - 1) / stride);
    for (size_t k = 0; k < paths.size(); ++k)
      fitted_[before + n - cut - stride * (paths.size() - 1 - k)] = paths[k][0];
  }
}

std::vector<std::vector<double>> HybridForecaster::medians(const Prepared& series, size_t cut,
                                                           size_t origins) const {
  const Hybrid hybrid({&series, 1}, settings_);
  const int32_t ids[] = {0};
  std::vector<Hybrid::Paths> paths;
  for (const Hybrid::Network& n : networks_) paths.push_back(hybrid.forecast(n, ids, cut, origins));
  std::vector<std::vector<double>> out(origins, std::vector<double>(settings_.shape.horizon));
  for (size_t k = 0; k < origins; ++k)
    for (size_t h = 0; h < out[k].size(); ++h) {
      std::vector<double> x;
      for (const Hybrid::Paths& p : paths) x.push_back(p[0][k][h]);
      out[k][h] = std::isnan(x[0]) ? x[0] : series.value(airline::median(std::move(x)));
    }
  return out;
}

std::vector<double> HybridForecaster::forecast(size_t horizon) const {
  std::vector<double> out;
  Prepared path = series_;
  while (out.size() < horizon) {
    std::vector<double> next = medians(path, 0, 1)[0];
    next.resize(std::min(next.size(), horizon - out.size()));
    path = extended(path, next);
    out.insert(out.end(), next.begin(), next.end());
  }
  return out;
}

void HybridForecaster::update(double actual) { series_ = extended(series_, {&actual, 1}); }

}  // namespace tapestry::airline
