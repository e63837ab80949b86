#include <tapestry/examples/airline/panel/prepare.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

constexpr size_t kLongestLag = 24;  // of the season that a series' scale is measured over
constexpr double kAll = 100;        // the logit of a rate of 1, from which nothing moves it

/// First states: the level of the first cycle, the first season's mean deviations from it, and half
/// of what the second one adds.
struct States {
  double level = 0;
  std::vector<double> u, v;
};

States first_states(std::span<const double> x, const SmoothingShape& shape) {
  const size_t n = x.size(), cycle = std::max({shape.season1, shape.season2, size_t{1}});
  const size_t used = std::max<size_t>(1, n < 2 * cycle ? std::min(n / 2, cycle) : cycle);
  States s;
  for (size_t t = 0; t < used; ++t) s.level += x[t] / static_cast<double>(used);
  const auto means = [](size_t season, size_t count, auto deviation) {
    std::vector<double> sums(season, 0), counts(season, 0);
    for (size_t t = 0; t < count && season > 0; ++t) {
      sums[t % season] += deviation(t);
      ++counts[t % season];
    }
    for (size_t i = 0; i < season; ++i) sums[i] = counts[i] > 0 ? sums[i] / counts[i] : 0;
    return sums;
  };
  s.u = means(shape.season1, used, [&](size_t t) { return x[t] - s.level; });
  s.v = means(shape.season2, std::min(2 * cycle, n / 2), [&](size_t t) {
    return (x[t] - s.level - (s.u.empty() ? 0 : s.u[t % s.u.size()])) / 2;
  });
  return s;
}

double season_at(const States& s, size_t t) {
  return (s.u.empty() ? 0 : s.u[t % s.u.size()]) + (s.v.empty() ? 0 : s.v[t % s.v.size()]);
}

/// Mean absolute error of forecasts from every eleventh origin of the last two thirds.
double error_of(std::span<const double> x, States s, double a, double b, double c, size_t horizon) {
  double sum = 0;
  size_t count = 0;
  for (size_t t = 0; t < x.size(); ++t) {
    const double e = x[t] - s.level - season_at(s, t);
    s.level += a * e;
    if (!s.u.empty()) s.u[t % s.u.size()] += b * e;
    if (!s.v.empty()) s.v[t % s.v.size()] += c * e;
    if (t <= x.size() / 3 || t % 11 != 0) continue;
    for (size_t h = 1; h <= horizon && t + h < x.size(); h += 3, ++count)
      sum += std::abs(x[t + h] - s.level - season_at(s, t + h));
  }
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

struct Choice {
  double error = std::numeric_limits<double>::infinity();
  std::array<double, 3> rates{0.3, 0.1, 0.1};
};

Choice best_rates(std::span<const double> x, const States& s, size_t horizon) {
  const std::vector<double> none = {1e-4};
  const std::vector<double> levels = {0.02, 0.1, 0.3, 0.6, 0.9};
  const std::vector<double> first = s.u.empty() ? none : std::vector<double>{0.02, 0.1, 0.3};
  const std::vector<double> second = s.v.empty() ? none : std::vector<double>{0.02, 0.1, 0.3, 0.5};
  Choice best;
  for (const double a : levels)
    for (const double b : first)
      for (const double c : second)
        if (const double e = error_of(x, s, a, b, c, horizon); e < best.error)
          best = {e, {a, b, c}};
  return best;
}

double mean_step(std::span<const double> x, size_t lag) {
  double sum = 0;
  for (size_t t = lag; t < x.size(); ++t) sum += std::abs(x[t] - x[t - lag]);
  return sum / static_cast<double>(x.size() - lag);
}

}  // namespace

Prepared extended(const Prepared& part, std::span<const double> values) {
  Prepared out = part;
  for (const double y : values) out.x.push_back(part.log ? std::log(y) : y / part.unit);
  return out;
}

double Prepared::value(double x_at) const { return log ? std::exp(x_at) : x_at * unit; }

size_t scale_lag(size_t values, const SmoothingShape& shape) {
  const size_t m = shape.season1;
  return m > 1 && m <= kLongestLag && values > 2 * m ? m : 1;
}

size_t least_values(const SmoothingShape& shape) { return 2 * shape.horizon + 8; }

Prepared prepare(std::span<const double> values, const SmoothingShape& shape) {
  require<ValueError>(values.size() >= least_values(shape), values.size(),
                      " values: expected at least ", least_values(shape),
                      " (two horizons, and 8 to smooth)");
  if (values.size() > shape.most_values) values = values.last(shape.most_values);
  Prepared out;
  out.log = shape.log;
  if (!shape.log) {
    double sum = 0;
    for (const double y : values) sum += std::abs(y) / static_cast<double>(values.size());
    out.unit = sum > 0 ? sum : 1;
  }
  for (const double y : values) {
    require<ValueError>(!shape.log || y > 0, "value ", y, " has no logarithm (use --no-log)");
    out.x.push_back(shape.log ? std::log(y) : y / out.unit);
  }
  const size_t n = out.x.size();
  out.scale = std::max(mean_step(out.x, scale_lag(n, shape)), 1e-4);

  if (!shape.smooth) {
    out.initial.assign(1 + shape.season1 + shape.season2, 0);
    out.initial[0] = out.x[0];
    out.rates = {kAll, -kAll, -kAll};
    return out;
  }
  // A season is believed where it is seen three times and forecasts are 3 % better with it.
  const auto with = [&](size_t season1, size_t season2) {
    return first_states(out.x, {.season1 = season1, .season2 = season2});
  };
  States states = with(0, 0);
  Choice chosen = best_rates(out.x, states, shape.horizon);
  double best = 0.97 * chosen.error;
  for (const size_t season2 : {size_t{0}, shape.season2}) {
    const size_t longest = std::max(shape.season1, season2);
    if (longest < 2 || n < 3 * longest || (season2 == 0 && shape.season1 == 0)) continue;
    States seasonal = with(shape.season1, season2);
    const Choice choice = best_rates(out.x, seasonal, shape.horizon);
    if (choice.error >= best) continue;
    best = choice.error;
    chosen = choice;
    states = std::move(seasonal);
  }
  states.u.resize(shape.season1);
  states.v.resize(shape.season2);
  out.initial = {states.level};
  out.initial.insert(out.initial.end(), states.u.begin(), states.u.end());
  out.initial.insert(out.initial.end(), states.v.begin(), states.v.end());
  for (size_t i = 0; i < 3; ++i) out.rates[i] = std::log(chosen.rates[i] / (1 - chosen.rates[i]));
  return out;
}

}  // namespace tapestry::airline
