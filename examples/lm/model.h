#pragma once
// The language model: tokens -> embedding or one-hot input -> recurrent layers -> softmax.

#include <string>

#include <tapestry/examples/lm/batch.h>
#include <tapestry/nn/embedding.h>
#include <tapestry/nn/rnn.h>

namespace tapestry::lm {

/// What decides the parameters of a model; stored with every checkpoint.
struct ModelShape {
  std::string cell = "rnn";  // rnn, lstm, gru
  int64_t vocabulary = 0, hidden = 100, layers = 1;
  int64_t embed = 0;  // 0: one-hot input
  bool bias = true;
  bool tied = false;  // the softmax uses the embedding's table; needs embed == hidden
};

template <class Cell>
struct LanguageModel {
  Embedding input;  // (V, embed), or (V, gates * hidden): the one-hot input weights
  RNN<Cell> rnn;
  Parameter weight, bias;  // softmax: (V, hidden) unless tied, (V) unless there are no biases
  FIELDS(input, rnn, weight, bias)
  double dropout = 0;  // on embeddings, between layers, and before the softmax

  /// Every map is drawn from U(+-1/sqrt(n)), n its number of inputs; biases of the softmax are 0.
  LanguageModel(const ModelShape& shape, Rng& rng, DType dtype)
      : input(shape.vocabulary, shape.embed ? shape.embed : Cell::gates * shape.hidden, rng,
              shape.embed ? shape.embed : shape.vocabulary, dtype),
        rnn(make_rnn(shape, rng, dtype)) {
    if (!shape.tied)
      weight =
          Parameter(uniform_fan_in({shape.vocabulary, shape.hidden}, shape.hidden, rng, dtype));
    if (shape.bias) bias = Parameter(Tensor::zeros({shape.vocabulary}, dtype));
  }

  /// The loss of every token of the batch: (rows), nats. `rng` turns dropout on.
  Var token_losses(const Batch& batch, Rng* rng = nullptr) const {
    const bool one_hot = !rnn.cells[0].w_ih.defined();
    Var x = input(batch.inputs);
    if (!one_hot) x = tapestry::dropout(x, dropout, rng);
    const Var h = rnn.run(x, batch.packing, rnn.zero(batch.sentences()), rng).y;
    return cross_entropy(logits(tapestry::dropout(h, dropout, rng)), batch.targets,
                         Reduction::none);
  }

  /// What training minimises: the sum over the tokens divided by the number of sentences.
  Var loss(const Batch& batch, Rng* rng = nullptr) const {
    return sum(token_losses(batch, rng)) / static_cast<double>(batch.sentences());
  }

  /// h (rows, hidden) -> (rows, V)
  Var logits(const Var& h) const {
    const Var w = transpose(weight.defined() ? Var(weight) : Var(input.table));
    return bias.defined() ? affine(h, w, bias) : matmul(h, w);
  }

 private:
  static RNN<Cell> make_rnn(const ModelShape& shape, Rng& rng, DType dtype) {
    if constexpr (std::is_same_v<Cell, RNNCell>)
      return {shape.embed, shape.hidden, shape.layers,     rng,
              false,       shape.bias,   Activation::tanh, dtype};
    else
      return {shape.embed, shape.hidden, shape.layers, rng, false, shape.bias, dtype};
  }
};

/// Calls f.template operator()<Cell>() for the cell of that name; throws ValueError for another.
template <class F>
decltype(auto) with_cell(const std::string& cell, F&& f) {
  if (cell == "rnn") return f.template operator()<RNNCell>();
  if (cell == "gru") return f.template operator()<GRUCell>();
  require<ValueError>(cell == "lstm", "cell: ", cell, " is not rnn, lstm or gru");
  return f.template operator()<LSTMCell>();
}

}  // namespace tapestry::lm
