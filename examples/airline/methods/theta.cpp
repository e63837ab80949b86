#include <tapestry/examples/airline/methods/theta.h>

#include <cmath>
#include <limits>

#include <tapestry/examples/airline/methods/decomposition.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

std::vector<double> tested_factors(const char* op, std::span<const double> train, size_t season) {
  for (const double y : train)
    require<ValueError>(y > 0, op, ": value ", y,
                        ": a multiplicative season needs positive values");
  if (!is_seasonal(train, season)) return {1};
  return seasonal_factors(train, season);
}

}  // namespace

Naive2::Naive2(std::span<const double> train, size_t season) {
  require<ValueError>(!train.empty(), "naive2: no training values");
  factors_ = tested_factors("naive2", train, season);
  fitted_.push_back(std::numeric_limits<double>::quiet_NaN());
  last_ = train[0] / factors_[0];
  for (at_ = 1; at_ < train.size();) {
    fitted_.push_back(last_ * factors_[at_ % factors_.size()]);
    update(train[at_]);
  }
}

std::vector<double> Naive2::forecast(size_t horizon) const {
  std::vector<double> next(horizon);
  for (size_t h = 0; h < horizon; ++h) next[h] = last_ * factors_[(at_ + h) % factors_.size()];
  return next;
}

void Naive2::update(double actual) {
  last_ = actual / factors_[at_ % factors_.size()];
  ++at_;
}

Theta::Theta(std::span<const double> train, size_t season) {
  require<ValueError>(train.size() >= 3, "theta: ", train.size(),
                      " training values: expected at least 3");
  factors_ = tested_factors("theta", train, season);
  const size_t n = train.size();
  std::vector<double> y;
  for (size_t t = 0; t < n; ++t) y.push_back(train[t] / factors_[t % factors_.size()]);
  double mean_t = 0, mean_y = 0, covariance = 0, variance = 0;
  for (size_t t = 0; t < n; ++t) {
    mean_t += static_cast<double>(t) / static_cast<double>(n);
    mean_y += y[t] / static_cast<double>(n);
  }
  for (size_t t = 0; t < n; ++t) {
    const double d = static_cast<double>(t) - mean_t;
    covariance += d * (y[t] - mean_y);
    variance += d * d;
  }
  slope_ = covariance / variance;
  intercept_ = mean_y - slope_ * mean_t;

  const auto squares = [&](double rate) {
    double level = 2 * y[0] - line(0), sum = 0;
    for (size_t t = 1; t < n; ++t) {
      const double error = 2 * y[t] - line(t) - level;
      sum += error * error;
      level += rate * error;
    }
    return sum;
  };
  double low = 1e-4, high = 1 - 1e-4;  // golden section
  for (int i = 0; i < 40; ++i) {
    const double a = low + 0.382 * (high - low), b = low + 0.618 * (high - low);
    (squares(a) < squares(b) ? high : low) = squares(a) < squares(b) ? b : a;
  }
  rate_ = (low + high) / 2;
  level_ = 2 * y[0] - line(0);
  fitted_.push_back(std::numeric_limits<double>::quiet_NaN());
  for (at_ = 1; at_ < n;) {
    fitted_.push_back(forecast(1)[0]);
    update(train[at_]);
  }
}

std::vector<double> Theta::forecast(size_t horizon) const {
  std::vector<double> next(horizon);
  for (size_t h = 0; h < horizon; ++h)
    next[h] = (level_ + line(at_ + h)) / 2 * factors_[(at_ + h) % factors_.size()];
  return next;
}

void Theta::update(double actual) {
  level_ += rate_ * (2 * actual / factors_[at_ % factors_.size()] - line(at_) - level_);
  ++at_;
}

}  // namespace tapestry::airline
