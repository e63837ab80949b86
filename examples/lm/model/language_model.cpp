#include <tapestry/autograd/ops/mask.h>
#include <tapestry/autograd/ops/shape.h>
#include <tapestry/examples/lm/model/language_model.h>
#include <tapestry/nn/regularize.h>

namespace tapestry::lm {

LanguageModel::LanguageModel(const ModelShape& shape, Rng& rng, DType dtype)
    : input(shape.vocabulary, shape.embed ? shape.embed : gates(shape.cell) * shape.hidden, rng,
            {.fan_in = shape.embed ? shape.embed : shape.vocabulary, .dtype = dtype}),
      rnn(shape, rng, dtype),
      one_hot_(shape.embed == 0) {
  if (!shape.cutoffs.empty()) {
    softmax.adaptive =
        AdaptiveSoftmax(shape.hidden, shape.vocabulary, rng,
                        {.cutoffs = shape.cutoffs, .bias = shape.bias, .dtype = dtype});
    return;
  }
  if (!shape.tied)
    softmax.weight =
        Parameter(uniform_fan_in({shape.vocabulary, shape.hidden}, shape.hidden, rng, dtype));
  if (shape.bias) softmax.bias = Parameter(Tensor::zeros({shape.vocabulary}, dtype));
}

void LanguageModel::set_dropout(const Dropouts& p) {
  dropout_ = p;
  rnn.set_dropout(p);
}

std::vector<const Parameter*> LanguageModel::rows() const {
  std::vector<const Parameter*> out = softmax.rows();
  out.insert(out.begin(), &input.table);
  return out;
}

std::vector<const Parameter*> LanguageModel::shared() const {
  std::vector<const Parameter*> out = rows();
  if (!softmax.sampled())  // an exact loss reads all of a bias
    std::erase_if(out, [](const Parameter* p) { return p->shape().rank() == 1; });
  return out;
}

Var LanguageModel::hidden(const Batch& batch, Rng* rng, State* state) const {
  Var x = input(batch.inputs);
  if (!one_hot_) x = drop(x, batch, rng);
  // A later piece has fewer sentences: the longest ones, which come first.
  const int64_t alive = batch.sentences();
  const State initial =
      state ? map_state(*state, [&](const Var& v) { return narrow(v, 0, 0, alive).detach(); })
            : rnn.zero(alive);
  const Recurrent::Output out = rnn.run(x, batch.packing, initial, rng);
  if (state) *state = detach(out.state);
  return drop(out.y, batch, rng);
}

Var LanguageModel::drop(const Var& x, const Batch& batch, Rng* rng) const {
  return dropout_.locked ? locked_dropout(x, batch.packing, dropout_.units, rng)
                         : dropout(x, dropout_.units, rng);
}

Var LanguageModel::loss(const Batch& piece, int64_t sentences, State* state, Rng* rng) const {
  return softmax.loss(hidden(piece, rng, state), softmax_weight(), piece.targets,
                      1 / static_cast<double>(sentences), rng);
}

Var LanguageModel::token_losses(const Batch& batch, State* state) const {
  return softmax.token_losses(hidden(batch, nullptr, state), softmax_weight(), batch.targets);
}

Var LanguageModel::step(const Tensor& ids, State& state) const {
  Recurrent::Output out = rnn.step(input(ids), state);
  state = std::move(out.state);
  return logits(out.y);
}

}  // namespace tapestry::lm
