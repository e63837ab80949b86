#pragma once
// Embedding: one row per id. A one-hot vector times an input matrix is a row of that matrix, so an
// Embedding as wide as a cell's gates IS the one-hot input layer of a cell built with in = 0.
// Weights are tied by using `table` in two places of a model.

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/fields.h>
#include <tapestry/nn/init.h>

namespace tapestry {

struct Embedding {
  Parameter table;  // (rows, width)
  FIELDS(table)

  /// U(+-1/sqrt(fan_in)); as one-hot input weights the number of inputs is `rows`.
  Embedding(int64_t rows, int64_t width, Rng& rng, int64_t fan_in, DType dtype = f32)
      : table(uniform_fan_in({rows, width}, fan_in, rng, dtype)) {}

  /// ids i32 (..) -> (.., width)
  Var operator()(const Tensor& ids) const { return embedding(table, ids); }
};

}  // namespace tapestry
