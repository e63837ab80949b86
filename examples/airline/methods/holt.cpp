#include <tapestry/examples/airline/methods/holt.h>

#include <algorithm>
#include <cmath>

#include <tapestry/examples/airline/methods/least_squares.h>
#include <tapestry/examples/airline/methods/logit.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {

Holt::Holt(std::span<const double> train, bool damped) {
  require<ValueError>(train.size() >= 4, "holt: ", train.size(),
                      " training values: expected at least 4");
  double scale = 0;  // of the values, so that all parameters are of order 1
  for (const double y : train) scale += std::abs(y) / static_cast<double>(train.size());
  if (scale == 0) scale = 1;
  const auto run = [&](std::span<const double> x) {
    alpha_ = rate_of(x[0]);
    beta_ = rate_of(x[1]);
    level_ = x[2] * scale;
    trend_ = x[3] * scale;
    phi_ = damped ? 0.8 + 0.18 * rate_of(x[4]) : 1;
    fitted_.clear();
    std::vector<double> residuals;
    for (const double actual : train) {
      fitted_.push_back(level_ + phi_ * trend_);
      residuals.push_back((actual - fitted_.back()) / scale);
      update(actual);
    }
    return residuals;
  };
  const double slope = (train[3] - train[0]) / 3 / scale;
  std::vector<double> start{logit(0.5), logit(0.1), train[0] / scale - slope, slope};
  if (damped) start.push_back(0);
  run(least_squares(run, start));
}

std::vector<double> Holt::forecast(size_t horizon) const {
  std::vector<double> next(horizon);
  double steps = 0, power = 1;
  for (double& value : next) {
    power *= phi_;
    steps += power;
    value = level_ + steps * trend_;
  }
  return next;
}

void Holt::update(double actual) {
  const double before = level_, expected = level_ + phi_ * trend_;
  level_ = alpha_ * actual + (1 - alpha_) * expected;
  trend_ = beta_ * (level_ - before) + (1 - beta_) * phi_ * trend_;
}

}  // namespace tapestry::airline
