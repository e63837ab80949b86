#pragma once
// Embedding: one row per id. A one-hot vector times an input matrix is a row of that matrix, so an
// Embedding as wide as a cell's gates IS the one-hot input layer of a cell built with in = 0.
// Weights are tied by using `table` in two places of a model.

#include <tapestry/autograd/ops/index.h>
#include <tapestry/nn/init.h>
#include <tapestry/nn/module.h>

namespace tapestry {

struct EmbeddingOptions {
  int64_t fan_in = 0;  // 0: the width; as one-hot input weights the number of inputs is `rows`
  DType dtype = f32;
};

struct Embedding {
  Parameter table;  // (rows, width)
  FIELDS(table)

  /// U(+-1/sqrt(fan_in)). Throws ValueError unless there is a width or a fan_in.
  Embedding(int64_t rows, int64_t width, Rng& rng, EmbeddingOptions options = {})
      : table(uniform_fan_in({rows, width}, options.fan_in ? options.fan_in : width, rng,
                             options.dtype)) {}

  /// ids i32 (..) -> (.., width)
  Var operator()(const Tensor& ids) const { return embedding(table, ids); }
};

}  // namespace tapestry
