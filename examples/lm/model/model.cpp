#include <tapestry/examples/lm/model/model.h>

namespace tapestry::lm {
template <class Cell>
LanguageModel<Cell>::LanguageModel(const ModelShape& shape, Rng& rng, DType dtype)
    : input(shape.vocabulary, shape.embed ? shape.embed : Cell::gates * shape.hidden, rng,
            {.fan_in = shape.embed ? shape.embed : shape.vocabulary, .dtype = dtype}),
      rnn(shape.embed, shape.hidden, rng,
          {.layers = shape.layers, .cell = {.bias = shape.bias, .dtype = dtype}}) {
  if constexpr (std::is_same_v<Cell, LSTMCell>)
    for (LSTMCell& cell : rnn.cells)
      if (shape.bias) cell.bias.value().narrow(0, shape.hidden, shape.hidden).fill_(1);
  if (!shape.tied)
    weight = Parameter(uniform_fan_in({shape.vocabulary, shape.hidden}, shape.hidden, rng, dtype));
  if (shape.bias) bias = Parameter(Tensor::zeros({shape.vocabulary}, dtype));
}

template <class Cell>
Var LanguageModel<Cell>::hidden(const Batch& batch, Rng* rng, State* state) const {
  const bool one_hot = !rnn.cells[0].w_ih.defined();
  Var x = input(batch.inputs);
  if (!one_hot) x = tapestry::dropout(x, dropout, rng);
  // A later piece has fewer sentences: the longest ones, which come first.
  const int64_t alive = batch.sentences();
  const State initial =
      state ? map_state(*state, [&](const Var& v) { return narrow(v, 0, 0, alive).detach(); })
            : rnn.zero(alive);
  const auto out = rnn.run(x, batch.packing, initial, rng);
  if (state) *state = detach(out.state);
  const Var& h = out.y;
  return tapestry::dropout(h, dropout, rng);
}

template <class Cell>
Var LanguageModel<Cell>::token_losses(const Batch& batch, Rng* rng, State* state) const {
  return linear_cross_entropy(hidden(batch, rng, state), softmax_weight(), softmax_bias(),
                              batch.targets);
}

template <class Cell>
Var LanguageModel<Cell>::loss(const Batch& piece, int64_t sentences, State* state, Rng* rng) const {
  return linear_cross_entropy_sum(hidden(piece, rng, state), softmax_weight(), softmax_bias(),
                                  piece.targets, 1 / static_cast<double>(sentences));
}

template <class Cell>
Var LanguageModel<Cell>::logits(const Var& h) const {
  const Var w = transpose(softmax_weight());
  return bias.defined() ? affine(h, w, bias) : matmul(h, w);
}

template <class Cell>
Var LanguageModel<Cell>::step(const Tensor& ids, typename RNN<Cell>::State& state) const {
  auto out = rnn.step(input(ids), state);
  state = std::move(out.state);
  return logits(out.y);
}

template struct LanguageModel<RNNCell>;
template struct LanguageModel<LSTMCell>;
template struct LanguageModel<GRUCell>;

}  // namespace tapestry::lm
