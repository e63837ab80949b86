#include <tapestry/examples/airline/series/preprocess.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

double mean_of(std::span<const double> v) {
  return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
}

double deviation_of(std::span<const double> v, double mean) {
  double squares = 0;
  for (const double x : v) squares += (x - mean) * (x - mean);
  return std::sqrt(squares / static_cast<double>(v.size()));
}

}  // namespace

size_t Preprocessing::lost(size_t season, const PreprocessingSettings& s) {
  return s.difference + (s.seasonal_difference && season > 1 ? season : 0);
}

Preprocessing::Preprocessing(std::span<const double> train, size_t season,
                             const PreprocessingSettings& settings)
    : settings_(settings), season_(season), levels_(settings.difference + 1) {
  require<ValueError>(season >= 1 && train.size() >= lost() + 2, "preprocessing: ", train.size(),
                      " training values and a season of ", season, ": expected at least ",
                      lost() + 2);
  for (const double y : train) push(y);

  if (settings.scale == Scale::none) return;
  const auto [low, high] = std::minmax_element(z_.begin(), z_.end());
  const bool standard = settings.scale == Scale::standard;
  const double shift = standard ? mean_of(z_) : *low;
  const double scale = standard ? deviation_of(z_, shift) : *high - *low;
  // What never varies needs no scale; rounding must not be blown up to one.
  double largest = 0;
  for (const double x : levels_.front()) largest = std::max(largest, std::abs(x));
  shift_ = shift;
  if (scale > 1e-12 * largest) scale_ = scale;
  for (double& z : z_) z = (z - shift_) / scale_;
}

void Preprocessing::push(double value) {
  require<ValueError>(!settings_.log || value > 0, "preprocessing: ", value, " has no logarithm");
  const size_t t = size();
  levels_[0].push_back(settings_.log ? std::log(value) : value);
  for (size_t k = 1; k < levels_.size(); ++k)
    levels_[k].push_back(t < k ? std::numeric_limits<double>::quiet_NaN()
                               : levels_[k - 1][t] - levels_[k - 1][t - 1]);
  if (t >= lost()) z_.push_back((levels_[0][t] - expected(t) - shift_) / scale_);
}

// x(at) when its z is that of an x without shift: what the past alone says.
double Preprocessing::expected(size_t at) const {
  double sum = 0;
  for (size_t k = 0; k + 1 < levels_.size(); ++k) sum += levels_[k][at - 1];
  if (lost() == settings_.difference) return sum;
  double seasonal = 0, weights = 0, weight = 1;
  for (size_t t = at; t >= season_ + settings_.difference && weight > 0;) {
    t -= season_;
    seasonal += weight * levels_.back()[t];
    weights += weight;
    weight *= settings_.season_memory;
  }
  return sum + seasonal / weights;
}

double Preprocessing::value(double z, size_t at) const {
  require<ValueError>(at >= lost() && at <= size(), "preprocessing: value ", at, " of ", size(),
                      " seen has no past to start from");
  const double x = expected(at) + shift_ + scale_ * z;
  return settings_.log ? std::exp(x) : x;
}

}  // namespace tapestry::airline
