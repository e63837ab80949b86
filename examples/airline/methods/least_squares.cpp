#include <tapestry/examples/airline/methods/least_squares.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// One row per parameter; a parameter that cannot be moved both ways counts as having no effect.
std::vector<Vector> jacobian(const Residuals& residuals, const Vector& x) {
  constexpr double h = 1e-5;
  std::vector<Vector> rows;
  for (size_t i = 0; i < x.size(); ++i) {
    Vector shifted = x;
    shifted[i] = x[i] + h;
    Vector row = residuals(shifted);
    shifted[i] = x[i] - h;
    const Vector below = residuals(shifted);
    for (size_t k = 0; k < row.size(); ++k) row[k] = (row[k] - below[k]) / (2 * h);
    if (!std::isfinite(dot(row, row))) row.assign(row.size(), 0.0);
    rows.push_back(std::move(row));
  }
  return rows;
}

// x of A x = b for a symmetric positive definite A, by Cholesky; nothing if A is not.
std::optional<Vector> solve(std::vector<Vector> a, Vector b) {
  const size_t n = b.size();
  for (size_t j = 0; j < n; ++j) {
    for (size_t i = j; i < n; ++i) {
      for (size_t k = 0; k < j; ++k) a[i][j] -= a[i][k] * a[j][k];
      if (i == j && !(a[j][j] > 0)) return std::nullopt;
      a[i][j] = i == j ? std::sqrt(a[j][j]) : a[i][j] / a[j][j];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= a[k][i] * b[k];
    b[i] /= a[i][i];
  }
  return b;
}

}  // namespace

Vector least_squares(const Residuals& residuals, Vector x) {
  Vector r = residuals(x);
  double cost = dot(r, r), damping = 1;
  require<NonFiniteError>(std::isfinite(cost), "least_squares: not finite at the start");
  for (int iteration = 0; iteration < 200; ++iteration) {
    const std::vector<Vector> j = jacobian(residuals, x);
    std::vector<Vector> normal(x.size(), Vector(x.size()));
    Vector descent(x.size());
    double largest = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t k = 0; k <= i; ++k) normal[i][k] = normal[k][i] = dot(j[i], j[k]);
      descent[i] = -dot(j[i], r);
      largest = std::max(largest, normal[i][i]);
    }
    if (largest == 0) return x;

    double gain = 0;
    for (int attempt = 0; attempt < 25 && gain == 0; ++attempt) {
      // The floor keeps a parameter without effect where it is.
      std::vector<Vector> damped = normal;
      for (size_t i = 0; i < x.size(); ++i)
        damped[i][i] += damping * std::max(normal[i][i], 1e-6 * largest);
      const auto step = solve(std::move(damped), descent);
      Vector next = x;
      if (step)
        for (size_t i = 0; i < x.size(); ++i) next[i] += (*step)[i];
      Vector next_r = residuals(next);
      const double next_cost = dot(next_r, next_r);  // NaN is not less
      if (next_cost < cost) {
        gain = (cost - next_cost) / cost;
        x = std::move(next), r = std::move(next_r), cost = next_cost;
        damping = std::max(damping / 5, 1e-9);
      } else {
        damping *= 4;
      }
    }
    if (gain < 1e-10) break;
  }
  return x;
}

}  // namespace tapestry::airline
