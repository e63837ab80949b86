#include <tapestry/examples/airline/methods/arima.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tapestry/examples/airline/methods/least_squares.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

// (1 + theta B)(1 + Theta B^m), or its first factor
std::vector<double> airline_model(double theta, double seasonal_theta, size_t season) {
  if (season == 1) return {1, theta};
  std::vector<double> psi(season + 2, 0.0);
  psi[0] = 1;
  psi[1] = theta;
  psi[season] += seasonal_theta;
  psi[season + 1] = theta * seasonal_theta;
  return psi;
}

double checked_log(double value) {
  require<ValueError>(value > 0, "arima: value ", value, ": only positive values have a logarithm");
  return std::log(value);
}

// log y(t) is its difference plus this, `logs` ending at t - 1.
double undifferenced(const std::vector<double>& logs) {
  return logs.size() == 1 ? logs[0] : logs.back() + logs[1] - logs[0];
}

void push(std::vector<double>& logs, double next) {
  std::rotate(logs.begin(), logs.begin() + 1, logs.end());
  logs.back() = next;
}

}  // namespace

Innovations::Innovations(std::vector<double> psi) : psi_(std::move(psi)), covariance_(psi_.size()) {
  for (size_t lag = 0; lag < psi_.size(); ++lag)
    for (size_t j = lag; j < psi_.size(); ++j) covariance_[lag] += psi_[j] * psi_[j - lag];
  prepare();
}

double Innovations::predict() const {
  double sum = 0;
  const size_t n = past_.size();
  if (settled_) {
    for (size_t j = 1; j < psi_.size(); ++j)
      if (psi_[j] != 0) sum += psi_[j] * past_[n - 1 - j].error;
    return sum;
  }
  const Step& next = past_.back();
  for (size_t j = 1; j <= next.weights.size(); ++j)
    sum += next.weights[j - 1] * past_[n - 1 - j].error;
  return sum;
}

void Innovations::observe(double w) {
  past_.back().error = w - predict();
  prepare();
}

// Appends the weights and variance of the next prediction: the next row of the Cholesky factor of a
// banded covariance matrix, of which only the last q rows matter. Once these are what they tend to,
// each further value takes no more than the weights that are not 0.
void Innovations::prepare() {
  const size_t q = covariance_.size() - 1;
  if (past_.size() > q) past_.pop_front();
  if (settled_) {
    past_.push_back({{}, 1, 0});
    return;
  }
  const size_t n = past_.size();
  Step next{std::vector<double>(n), covariance_[0], 0};
  for (size_t k = 0; k < n; ++k) {  // against past_[k], which lies n - k steps before
    double sum = covariance_[n - k];
    const std::vector<double>& row = past_[k].weights;
    for (size_t i = 0; i < std::min(k, row.size()); ++i)
      sum -= row[i] * next.weights[n - k + i] * past_[k - 1 - i].variance;
    next.weights[n - k - 1] = sum / past_[k].variance;
    next.variance -= next.weights[n - k - 1] * sum;
  }
  past_.push_back(std::move(next));
  const auto arrived = [](const Step& step) { return std::abs(step.variance - 1) < 1e-12; };
  settled_ = n == q && std::all_of(past_.begin(), past_.end(), arrived);
}

Arima::Arima(std::span<const double> train, size_t season)
    : differences_(std::vector<double>{1.0}) {
  require<ValueError>(season == 1 || train.size() >= 2 * season + 2, "arima: ", train.size(),
                      " training values and a season of ", season,
                      ": expected the season twice, and 2 values more");
  require<ValueError>(season > 1 || train.size() >= 6, "arima: ", train.size(),
                      " training values: expected at least 6");
  require<ValueError>(season <= 200, "arima: a season of ", season,
                      " is too long for the exact likelihood (at most 200)");
  std::vector<double> logs, w;
  for (const double value : train) logs.push_back(checked_log(value));
  const size_t lost = season > 1 ? season + 1 : 1;  // to differences
  for (size_t t = lost; t < logs.size(); ++t)
    w.push_back(season > 1 ? logs[t] - logs[t - 1] - logs[t - season] + logs[t - season - 1]
                           : logs[t] - logs[t - 1]);

  // -2 log likelihood is n log(sum e^2/r) + sum log r plus a constant, e having variance v r: a sum
  // of squares once e / sqrt(r) is multiplied by exp(sum log r / 2n).
  std::vector<double> predicted(w.size());
  const auto run = [&](std::span<const double> x) {
    theta_ = std::tanh(x[0]);
    seasonal_theta_ = season > 1 ? std::tanh(x[1]) : 0;
    differences_ = Innovations(airline_model(theta_, seasonal_theta_, season));
    std::vector<double> residuals;
    double log_sum = 0;
    variance_ = 0;
    for (size_t t = 0; t < w.size(); ++t) {
      predicted[t] = differences_.predict();
      const double r = differences_.variance();
      residuals.push_back((w[t] - predicted[t]) / std::sqrt(r));
      variance_ += residuals[t] * residuals[t] / static_cast<double>(w.size());
      log_sum += std::log(r);
      differences_.observe(w[t]);
    }
    const double factor = std::exp(log_sum / (2 * static_cast<double>(w.size())));
    for (double& residual : residuals) residual *= factor;
    return residuals;
  };
  const double start = std::atanh(-0.3);
  run(least_squares(run, season > 1 ? std::vector{start, start} : std::vector{start}));

  fitted_.assign(train.size(), std::numeric_limits<double>::quiet_NaN());
  for (size_t t = lost; t < logs.size(); ++t)
    fitted_[t] = std::exp(logs[t] - w[t - lost] + predicted[t - lost]);
  logs_.assign(logs.end() - static_cast<ptrdiff_t>(lost), logs.end());
}

std::vector<double> Arima::forecast(size_t horizon) const {
  Innovations differences = differences_;
  std::vector<double> logs = logs_, next(horizon);
  for (double& value : next) {
    const double w = differences.predict();
    differences.observe(w);
    push(logs, undifferenced(logs) + w);
    value = std::exp(logs.back());
  }
  return next;
}

void Arima::update(double actual) {
  const double log_actual = checked_log(actual);
  differences_.observe(log_actual - undifferenced(logs_));
  push(logs_, log_actual);
}

}  // namespace tapestry::airline
