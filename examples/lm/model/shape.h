#pragma once
// What decides the parameters of a language model; stored with every run.

#include <cstdint>
#include <string>
#include <vector>

#include <tapestry/tensor/shape.h>

namespace tapestry::lm {

struct ModelShape {
  std::string cell = "rnn";  // rnn, lstm, gru
  int64_t vocabulary = 0, hidden = 100, layers = 1;
  int64_t embed = 0;  // 0: one-hot input
  bool bias = true;
  bool tied = false;  // the softmax uses the embedding's table; needs embed == hidden
  // The words with which the tails of an adaptive softmax begin (nn/adaptive_softmax.h); empty: the
  // softmax has no tails.
  std::vector<int64_t> cutoffs = {};
};

/// What a cell computes at a time, as multiples of `hidden`: 1, 4, 3. Throws ValueError for a name
/// that is none.
int64_t gates(const std::string& cell);

struct ShapedParameter {
  std::string name;
  Shape shape;
  bool rows = false;  // one for each word, or for a group of them
};

/// For so many words: few enough in the head that it is cheap, few enough in each tail.
std::vector<int64_t> default_cutoffs(int64_t vocabulary);

/// The parameters of a model of this shape in their order, without making one.
std::vector<ShapedParameter> parameter_shapes(const ModelShape& shape);

}  // namespace tapestry::lm
