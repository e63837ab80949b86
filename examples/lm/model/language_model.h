#pragma once
// The language model: tokens -> embedding or one-hot input -> recurrent layers -> softmax. One
// type, whatever the cell (recurrent.h) and the objective (softmax.h).

#include <tapestry/examples/lm/model/batch.h>
#include <tapestry/examples/lm/model/recurrent.h>
#include <tapestry/examples/lm/model/shape.h>
#include <tapestry/examples/lm/model/softmax.h>
#include <tapestry/nn/embedding.h>

namespace tapestry::lm {

struct LanguageModel {
  Embedding input;  // (V, embed), or (V, gates * hidden): the one-hot input weights
  Recurrent rnn;
  Softmax softmax;

  /// As FIELDS would, without "softmax." in the names, which are those in checkpoints.
  static constexpr std::string_view field_names() {
    return "input, rnn, weight, bias, head, head_bias, tails";
  }
  auto fields() {
    return std::tie(input, rnn, softmax.weight, softmax.bias, softmax.adaptive.head,
                    softmax.adaptive.head_bias, softmax.adaptive.tails);
  }
  auto fields() const {
    return std::tie(input, rnn, softmax.weight, softmax.bias, softmax.adaptive.head,
                    softmax.adaptive.head_bias, softmax.adaptive.tails);
  }

  /// Every map is drawn from U(+-1/sqrt(n)), n its number of inputs; biases of the softmax are 0,
  /// those of an LSTM's forget gates 1, so that it remembers until it learns to forget
  /// (Jozefowicz, Zaremba & Sutskever, 2015). Throws ValueError for a cell that is not known.
  LanguageModel(const ModelShape& shape, Rng& rng, DType dtype = f32);

  /// Of units on embeddings, between layers, and before the softmax; of recurrent weights;
  /// and of steps.
  void set_dropout(const Dropouts& p);

  /// What training minimises: the sum over the tokens divided by the number of sentences. `rng`
  /// draws what is drawn in training (dropout, candidates), null: nothing is, and the loss is
  /// exact.
  Var loss(const Batch& batch, Rng* rng = nullptr) const {
    return loss(batch, batch.sentences(), nullptr, rng);
  }
  /// The same for a piece of a batch of `sentences`, which begins in `*state` and leaves there the
  /// state in which the next piece begins; null: at zero.
  Var loss(const Batch& piece, int64_t sentences, State* state, Rng* rng) const;

  /// The exact loss of every token of the batch: (rows), nats. The batch begins in `*state`, where
  /// the state behind it is left; null: at zero.
  Var token_losses(const Batch& batch, State* state = nullptr) const;

  /// One token of each sentence of a batch: ids i32 (B) -> logits (B, V) of what comes next.
  /// Advances `state`, which starts as rnn.zero(B).
  Var step(const Tensor& ids, State& state) const;
  /// The exact losses of outputs h (rows, hidden) of the layers, added.
  Var output_loss(const Var& h, const Tensor& targets) const {
    return softmax.loss(h, softmax_weight(), targets, 1, nullptr);
  }
  /// h (rows, hidden) -> (rows, V), up to a constant in each row; without gradient where the
  /// softmax is adaptive.
  Var logits(const Var& h) const { return softmax.logits(h, softmax_weight()); }

  /// The parameters of so many rows that workers should read them where they lie.
  std::vector<const Parameter*> shared() const;
  /// Those with a row for each token.
  std::vector<const Parameter*> rows() const;

 private:
  /// What the softmax sees: (rows, hidden).
  Var hidden(const Batch& batch, Rng* rng, State* state) const;
  Var drop(const Var& x, const Batch& batch, Rng* rng) const;
  Var softmax_weight() const { return softmax.weight.defined() ? softmax.weight : input.table; }

  Dropouts dropout_;
  bool one_hot_;
};

}  // namespace tapestry::lm
