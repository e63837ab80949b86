#include <tapestry/nn/init.h>

#include <algorithm>
#include <cmath>

namespace tapestry {
namespace {

template <class F>
Tensor drawn(const Shape& shape, DType dtype, F f) {
  Tensor out = Tensor::empty(shape, dtype);
  dispatch("init", dtype, [&](auto zero) {
    using T = decltype(zero);
    for (T& x : out.write<T>()) x = static_cast<T>(f());
  });
  return out;
}

double inputs_of(const char* op, const Shape& shape) {
  require<ShapeError>(shape.rank() >= 2 && shape.numel() > 0, op, ": ", shape,
                      " has no inputs (expected (inputs, outputs))");
  return static_cast<double>(shape.numel() / shape[shape.rank() - 1]);
}

}  // namespace

Tensor uniform(const Shape& shape, double bound, Rng& rng, DType dtype) {
  return drawn(shape, dtype, [&] { return rng.uniform(-bound, bound); });
}

Tensor uniform_fan_in(const Shape& shape, int64_t inputs, Rng& rng, DType dtype) {
  require<ValueError>(inputs > 0, "uniform_fan_in: ", inputs, " inputs, expected at least 1");
  return uniform(shape, 1 / std::sqrt(static_cast<double>(inputs)), rng, dtype);
}

Tensor xavier(const Shape& shape, Rng& rng, DType dtype) {
  require<ShapeError>(shape.rank() == 2, "xavier: ", shape, " is not a matrix");
  return uniform(shape, std::sqrt(6 / static_cast<double>(shape[0] + shape[1])), rng, dtype);
}

Tensor gaussian(const Shape& shape, double deviation, Rng& rng, DType dtype) {
  return drawn(shape, dtype, [&] { return deviation * rng.normal(); });
}

Tensor kaiming_uniform(const Shape& shape, Rng& rng, DType dtype) {
  return uniform(shape, std::sqrt(6 / inputs_of("kaiming_uniform", shape)), rng, dtype);
}

Tensor kaiming_normal(const Shape& shape, Rng& rng, DType dtype) {
  return gaussian(shape, std::sqrt(2 / inputs_of("kaiming_normal", shape)), rng, dtype);
}

Tensor bernoulli(const Shape& shape, double p, Rng& rng) {
  require<ValueError>(p >= 0 && p <= 1, "bernoulli: p is ", p, ", expected 0 <= p <= 1");
  Tensor out = Tensor::empty(shape, i32);
  for (int32_t& x : out.write<int32_t>()) x = rng.uniform() < p;
  return out;
}

// Gram-Schmidt on the rows of the wider orientation, twice for accuracy.
Tensor orthogonal(const Shape& shape, Rng& rng, DType dtype) {
  require<ShapeError>(shape.rank() == 2, "orthogonal: ", shape, " is not a matrix");
  const bool tall = shape[0] > shape[1];
  const int64_t rows = std::min(shape[0], shape[1]), cols = std::max(shape[0], shape[1]);
  Tensor q = gaussian({rows, cols}, 1, rng, f64);
  double* x = q.data<double>();
  for (int64_t i = 0; i < rows; ++i) {
    double* row = x + i * cols;
    for (int pass = 0; pass < 2; ++pass)
      for (int64_t j = 0; j < i; ++j) {
        const double* other = x + j * cols;
        double dot = 0;
        for (int64_t k = 0; k < cols; ++k) dot += row[k] * other[k];
        for (int64_t k = 0; k < cols; ++k) row[k] -= dot * other[k];
      }
    double norm = 0;
    for (int64_t k = 0; k < cols; ++k) norm += row[k] * row[k];
    for (int64_t k = 0; k < cols; ++k) row[k] /= std::sqrt(norm);
  }
  return (tall ? q.transpose().clone() : q).cast(dtype);
}

}  // namespace tapestry
