#include <tapestry/examples/airline/preprocess.h>

#include <cmath>
#include <numeric>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {

SeasonalGrowth::SeasonalGrowth(std::span<const double> train, size_t season, bool log)
    : season_(season), log_(log) {
  require<ValueError>(season >= 1 && train.size() >= season + 2, "preprocessing: ", train.size(),
                      " training values and a season of ", season, ": expected at least ",
                      season + 2);
  for (const double y : train)
    require<ValueError>(!log || y > 0, "preprocessing: ", y, " has no logarithm");
  const std::vector<double> raw = growth(train);  // mean 0 and deviation 1 so far
  const double n = static_cast<double>(raw.size());
  mean_ = std::accumulate(raw.begin(), raw.end(), 0.0) / n;
  double squares = 0;
  for (const double g : raw) squares += (g - mean_) * (g - mean_);
  // Growth that never varies needs no scale; rounding must not be blown up to one.
  const double deviation = std::sqrt(squares / n);
  double largest = 0;
  for (const double y : train) largest = std::max(largest, std::abs(transform(y)));
  if (deviation > 1e-12 * largest) deviation_ = deviation;
}

double SeasonalGrowth::growth(double before, double now) const {
  return (transform(now) - transform(before) - mean_) / deviation_;
}

std::vector<double> SeasonalGrowth::growth(std::span<const double> values) const {
  std::vector<double> z;
  for (size_t t = season_; t < values.size(); ++t)
    z.push_back(growth(values[t - season_], values[t]));
  return z;
}

double SeasonalGrowth::value(double before, double z) const {
  const double x = transform(before) + mean_ + deviation_ * z;
  return log_ ? std::exp(x) : x;
}

double SeasonalGrowth::transform(double value) const { return log_ ? std::log(value) : value; }

}  // namespace tapestry::airline
