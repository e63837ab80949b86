#include <tapestry/optim/server/outer.h>

#include <numeric>

namespace tapestry {
namespace {

template <class T>
void add_scaled(T* to, const T* change, int64_t n, T weight) {
  for (int64_t k = 0; k < n; ++k) to[k] += weight * change[k];
}

}  // namespace

Outer outer_step(const RankOptions& options, std::span<const int64_t> items) {
  const auto all = static_cast<double>(std::accumulate(items.begin(), items.end(), int64_t{0}));
  Outer out;
  for (const int64_t own : items)
    out.weights.push_back(all == 0 ? 0
                          : options.outer == OuterStep::sum
                              ? 1
                              : options.rate * static_cast<double>(own) / all);
  if (all > 0 && options.outer == OuterStep::momentum) out.momentum = options.momentum;
  return out;
}

void add_change(float* to, const float* change, int64_t n, double weight) {
  add_scaled(to, change, n, static_cast<float>(weight));
}

void add_change(double* to, const double* change, int64_t n, double weight) {
  add_scaled(to, change, n, weight);
}

// A value that was not trained since is the agreed one itself, and one that agrees stays itself,
// without rounding.
void take_over(Tensor& values, const Tensor& sent, const Tensor& agreed) {
  dispatch("exchange", values.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const std::span<T> x = values.write<T>();
    const T *s = sent.read<T>().data(), *g = agreed.read<T>().data();
    for (size_t k = 0; k < x.size(); ++k) x[k] = x[k] == s[k] ? g[k] : x[k] + (g[k] - s[k]);
  });
}

}  // namespace tapestry
