#pragma once
// Parameters of one value, and their gradients as numbers, for tests of the tape.

#include <doctest/doctest.h>

#include <tapestry/autograd/parameter.h>

namespace tapestry::test {

inline Parameter parameter(const Shape& shape, double value, DType dtype = f64) {
  return Parameter(Tensor::full(shape, value, dtype));
}
inline std::vector<double> gradient(const Parameter& p) {
  REQUIRE_FALSE(p.grad().empty());
  return p.grad().dense().to_vector<double>();
}

}  // namespace tapestry::test
