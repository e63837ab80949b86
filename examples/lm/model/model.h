#pragma once
// The language model: tokens -> embedding or one-hot input -> recurrent layers -> softmax.
// Its functions are compiled in model.cpp, once for each cell.

#include <string>

#include <tapestry/examples/lm/model/batch.h>
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

  /// Every map is drawn from U(+-1/sqrt(n)), n its number of inputs; biases of the softmax are 0,
  /// those of an LSTM's forget gates 1, so that it remembers until it learns to forget
  /// (Jozefowicz, Zaremba & Sutskever, 2015).
  LanguageModel(const ModelShape& shape, Rng& rng, DType dtype);

  using State = typename RNN<Cell>::State;
  /// The loss of every token of the batch: (rows), nats. `rng` turns dropout on. The batch begins
  /// in `*state`, where the state behind it is left; null: at zero.
  Var token_losses(const Batch& batch, Rng* rng = nullptr, State* state = nullptr) const;

  /// What training minimises: the sum over the tokens divided by the number of sentences.
  Var loss(const Batch& batch, Rng* rng = nullptr) const {
    return loss(batch, batch.sentences(), nullptr, rng);
  }
  /// The same for a piece of a batch of `sentences`, which begins in `*state` and leaves there the
  /// state in which the next piece begins.
  Var loss(const Batch& piece, int64_t sentences, State* state, Rng* rng) const;

  /// h (rows, hidden) -> (rows, V)
  Var logits(const Var& h) const;

  /// One token of each sentence of a batch: ids i32 (B) -> logits (B, V) of what comes next.
  /// Advances `state`, which starts as rnn.zero(B).
  Var step(const Tensor& ids, typename RNN<Cell>::State& state) const;

 private:
  /// What the softmax sees: (rows, hidden).
  Var hidden(const Batch& batch, Rng* rng, State* state = nullptr) const;
  Var softmax_weight() const { return weight.defined() ? weight : input.table; }
  Var softmax_bias() const { return bias.defined() ? Var(bias) : Var(); }
};

extern template struct LanguageModel<RNNCell>;
extern template struct LanguageModel<LSTMCell>;
extern template struct LanguageModel<GRUCell>;

/// Calls f.template operator()<Cell>() for the cell of that name; throws ValueError for another.
template <class F>
decltype(auto) with_cell(const std::string& cell, F&& f) {
  if (cell == "rnn") return f.template operator()<RNNCell>();
  if (cell == "gru") return f.template operator()<GRUCell>();
  require<ValueError>(cell == "lstm", "cell: ", cell, " is not rnn, lstm or gru");
  return f.template operator()<LSTMCell>();
}

}  // namespace tapestry::lm
