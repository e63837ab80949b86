#include <tapestry/examples/lm/ngram/mixture.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tapestry::lm {

double mean_loss(std::span<const double> first, std::span<const double> second, double weight) {
  double sum = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    const double most = std::max(first[i], second[i]);
    sum -= most +
           std::log(weight * std::exp(first[i] - most) + (1 - weight) * std::exp(second[i] - most));
  }
  return sum / static_cast<double>(first.size());
}

double mixture_weight(std::span<const double> first, std::span<const double> second) {
  // The loss is convex in the weight: its slope is 0 in one place, or has one sign.
  const auto falls = [&](double weight) {
    double slope = 0;
    for (size_t i = 0; i < first.size(); ++i) {
      const double most = std::max(first[i], second[i]);
      const double a = std::exp(first[i] - most), b = std::exp(second[i] - most);
      slope += (a - b) / (weight * a + (1 - weight) * b);
    }
    return slope > 0;
  };
  constexpr double kEdge = 1e-9;
  if (falls(1 - kEdge)) return 1;
  if (!falls(kEdge)) return 0;
  double low = 0, high = 1;
  while (high - low > kEdge) (falls((low + high) / 2) ? low : high) = (low + high) / 2;
  return (low + high) / 2;
}

}  // namespace tapestry::lm
