#include <tapestry/optim/server/outer.h>

#include <numeric>

namespace tapestry {
namespace {

template <class T>
void add_scaled(T* to, const T* change, int64_t n, T weight) {
  for (int64_t k = 0; k < n; ++k) to[k] += weight * change[k];
}

template <class T>
double square(const T* x, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(x[k]) * static_cast<double>(x[k]);
  return sum;
}

template <class T>
void add_row_squares(std::span<double> squares, const T* change, int64_t width) {
  for (size_t r = 0; r < squares.size(); ++r, change += width) squares[r] += square(change, width);
}

template <class T>
void scale_rows(std::span<const double> squares, T* sum, int64_t width) {
  for (const double parts : squares) {
    if (const double whole = square(sum, width); parts < whole)
      for (int64_t k = 0; k < width; ++k) sum[k] *= static_cast<T>(parts / whole);
    sum += width;
  }
}

}  // namespace

Outer outer_step(const RankOptions& options, std::span<const int64_t> items) {
  const auto all = static_cast<double>(std::accumulate(items.begin(), items.end(), int64_t{0}));
  const bool mean = options.outer == OuterStep::average || options.outer == OuterStep::momentum;
  Outer out;
  for (const int64_t own : items)
    out.weights.push_back(all == 0 ? 0 : mean ? options.rate * static_cast<double>(own) / all : 1);
  if (all > 0 && options.outer == OuterStep::momentum) out.momentum = options.momentum;
  out.diverse = options.outer == OuterStep::diversity;
  return out;
}

void add_change(float* to, const float* change, int64_t n, double weight) {
  add_scaled(to, change, n, static_cast<float>(weight));
}

void add_change(double* to, const double* change, int64_t n, double weight) {
  add_scaled(to, change, n, weight);
}

void add_squares(std::span<double> squares, const float* change, int64_t width) {
  add_row_squares(squares, change, width);
}

void add_squares(std::span<double> squares, const double* change, int64_t width) {
  add_row_squares(squares, change, width);
}

void scale_by_diversity(std::span<const double> squares, float* sum, int64_t width) {
  scale_rows(squares, sum, width);
}

void scale_by_diversity(std::span<const double> squares, double* sum, int64_t width) {
  scale_rows(squares, sum, width);
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
