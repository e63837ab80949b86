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
                               : at(k - 1, t) - at(k - 1, t - 1));
  if (seasonal()) push_season(t);
  if (t >= lost()) z_.push_back((at(0, t) - expected(t) - shift_) / scale_);
}

// The weighted sum over the values a season, two seasons ... before t, from the one a season
// before: so that long series take no longer for it.
void Preprocessing::push_season(size_t t) {
  Mean mean;
  if (t >= season_ + settings_.difference) {
    const Mean& before = season_means_[t - season_ - forgotten_];
    mean.sum = at(settings_.difference, t - season_) + settings_.season_memory * before.sum;
    mean.weight = 1 + settings_.season_memory * before.weight;
  }
  season_means_.push_back(mean);
}

// x(t) when its z is that of an x without shift: what the past alone says.
double Preprocessing::expected(size_t t) const {
  double sum = 0;
  for (size_t k = 0; k + 1 < levels_.size(); ++k) sum += at(k, t - 1);
  if (!seasonal()) return sum;
  if (t < size())
    return sum + season_means_[t - forgotten_].sum / season_means_[t - forgotten_].weight;
  const Mean& before = season_means_[t - season_ - forgotten_];
  const double a = settings_.season_memory;
  return sum + (at(settings_.difference, t - season_) + a * before.sum) / (1 + a * before.weight);
}

Preprocessing Preprocessing::recent(size_t count) const {
  const size_t have = levels_.front().size();
  const size_t keep = std::min(have, std::max(season_ + settings_.difference + 1, count));
  const auto last = [](const auto& v, size_t n) {
    return std::remove_cvref_t<decltype(v)>(v.end() - static_cast<ptrdiff_t>(n), v.end());
  };
  Preprocessing out(settings_, season_);
  out.forgotten_ = forgotten_ + have - keep;
  out.shift_ = shift_;
  out.scale_ = scale_;
  for (size_t k = 0; k < levels_.size(); ++k) out.levels_[k] = last(levels_[k], keep);
  if (seasonal()) out.season_means_ = last(season_means_, keep);
  out.z_ = last(z_, std::min(z_.size(), count));
  return out;
}

double Preprocessing::value(double z, size_t t) const {
  const size_t first = forgotten_ > 0 ? size() : lost();
  require<ValueError>(t >= first && t <= size(), "preprocessing: value ", t, " of ", size(),
                      " seen has no past to start from");
  const double x = expected(t) + shift_ + scale_ * z;
  return settings_.log ? std::exp(x) : x;
}

}  // namespace tapestry::airline
