#include <tapestry/examples/airline/methods/holt_winters.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <tapestry/examples/airline/methods/least_squares.h>
#include <tapestry/examples/airline/methods/logit.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {

HoltWinters::HoltWinters(std::span<const double> train, size_t season) : season_(season) {
  require<ValueError>(season >= 2 && train.size() >= 2 * season, "holt_winters: ", train.size(),
                      " training values and a season of ", season,
                      ": expected a season of at least 2, twice");
  require<ValueError>(season <= 400, "holt_winters: a season of ", season,
                      " has too many factors to fit (at most 400)");
  for (size_t i = 0; i < train.size(); ++i)
    require<ValueError>(train[i] > 0, "holt_winters: value ", train[i], " at index ", i,
                        ": a multiplicative season needs positive values");

  const auto mean = [&](size_t first) {
    const double* begin = train.data() + first;
    return std::accumulate(begin, begin + season, 0.0) / static_cast<double>(season);
  };
  const double scale = mean(0), slope = (mean(season) / scale - 1) / static_cast<double>(season);

  // x: logits of the rates, level and trend in units of `scale`, then all but one log factor.
  std::vector<double> x{logit(0.3), logit(0.1), logit(0.5), 1, slope};
  double log_sum = 0;
  for (size_t i = 0; i < season; ++i) log_sum += std::log(train[i]);
  for (size_t i = 0; i + 1 < season; ++i)
    x.push_back(std::log(train[i]) - log_sum / static_cast<double>(season));

  const auto set = [&](std::span<const double> p) {
    rates_ = {rate_of(p[0]), rate_of(p[1]), rate_of(p[2])};
    level_ = p[3] * scale;
    trend_ = p[4] * scale;
    double rest = 0;
    for (size_t i = 0; i + 1 < season; ++i) {
      season_[i] = std::exp(p[5 + i]);
      rest -= p[5 + i];
    }
    season_[season - 1] = std::exp(rest);
    at_ = 0;
  };
  const auto run = [&] {
    fitted_.clear();
    for (const double actual : train) {
      fitted_.push_back((level_ + trend_) * season_[at_]);
      // A level that is not positive has no season; such parameters are refused.
      if (!(level_ + trend_ > 0)) fitted_.back() = std::numeric_limits<double>::infinity();
      update(actual);
    }
  };
  const auto residuals = [&](std::span<const double> p) {
    set(p);
    run();
    std::vector<double> r(train.size());
    for (size_t t = 0; t < r.size(); ++t) r[t] = train[t] - fitted_[t];
    return r;
  };
  set(least_squares(residuals, x));
  run();
}

std::vector<double> HoltWinters::forecast(size_t horizon) const {
  std::vector<double> next(horizon);
  for (size_t h = 0; h < horizon; ++h)
    next[h] = (level_ + static_cast<double>(h + 1) * trend_) * season_[(at_ + h) % season_.size()];
  return next;
}

void HoltWinters::update(double actual) {
  double& factor = season_[at_];
  const double before = level_, expected = level_ + trend_;
  level_ = rates_.level * actual / factor + (1 - rates_.level) * expected;
  trend_ = rates_.trend * (level_ - before) + (1 - rates_.trend) * trend_;
  factor = rates_.season * actual / expected + (1 - rates_.season) * factor;
  at_ = (at_ + 1) % season_.size();
}

}  // namespace tapestry::airline
