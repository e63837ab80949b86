#pragma once
// Models as other programs name and lay out their tensors.
//   PyTorch's names: encoder.weight (V, embed; absent for one-hot input), rnn.weight_ih_l0
//     (gates * H, inputs), rnn.weight_hh_l0 (gates * H, H), rnn.bias_ih_l0, rnn.bias_hh_l0, the
//     same for l1, l2, ..., decoder.weight (V, H), decoder.bias (V), as in the module {encoder:
//     Embedding, rnn: RNN, LSTM or GRU, decoder: Linear}. Gates have the same order there. PyTorch
//     has two biases where one is enough (RNN, LSTM): ours is the first, the second is 0; read,
//     they are added. A GRU has both.
//   The reference's names (Britz, 2015), for one tanh layer with one-hot input and no biases:
//     U (H, V), V (V, H), W (H, H).

#include <tapestry/examples/lm/model/shape.h>
#include <tapestry/tensor/safetensors.h>

#include <map>
#include <span>
#include <string>

namespace tapestry::lm {

using Tensors = std::map<std::string, Tensor>;

/// A model by the names of its checkpoints ("rnn.cells.0.w_ih"), and what makes one of its shape.
struct ModelTensors {
  ModelShape shape;
  DType dtype = f32;
  Tensors tensors;
};

Tensors to_pytorch(const ModelTensors& model);
/// Throws ValueError for a model that has other parts.
Tensors to_reference(const ModelTensors& model);

/// Makes row rows[i] the row of id i, wherever a row belongs to a token; a row may be there twice.
void reorder(ModelTensors& model, std::span<const int64_t> rows);
/// Sees to it that the token is never predicted, by its bias, which the model gets if it has none.
void forbid(ModelTensors& model, int32_t token);

/// Whether the name of a file says npz, else safetensors. Throws UserError for another.
bool is_npz(const std::string& path);
/// Knows the two kinds by their names. Throws FormatError that names the tensor.
ModelTensors from_other(const Tensors& tensors);

}  // namespace tapestry::lm
