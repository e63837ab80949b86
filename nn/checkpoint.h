#pragma once
// Checkpoints: the parameters of a model as named tensors, alone in a file or beside the optimizer,
// counters and generators of a training program:
//
//   save(model, "model.safetensors");                // and load(model, "model.safetensors")
//
//   NamedTensors state;                              // everything that a resumed run needs
//   to_tensors(model, state, "model.");
//   optimizer.save(state);  state.put("epoch", epoch);  state.put("shuffle", rng);
//   write_safetensors("checkpoint.safetensors", state);
//
// Loading is strict: names, shapes and element types must be those of the model, and every mismatch
// is listed. It copies into the model's own leaves, so optimizers and servers stay valid, and a
// load that fails leaves the model as it was.

#include <tapestry/nn/module.h>
#include <tapestry/tensor/safetensors.h>

namespace tapestry {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// Copies in.tensors[prefix + name] into each target. Throws FormatError with a table of what is
/// missing, unexpected (under the prefix) or different, before anything is copied.
void copy_tensors(const NamedTensors& in, const std::string& prefix,
                  std::span<const NamedTensor> targets);

/// Adds clones of the model's parameters, each as prefix + its name.
template <Module Model>
void to_tensors(const Model& model, NamedTensors& out, const std::string& prefix = "") {
  for (const auto& [name, p] : parameters(const_cast<Model&>(model)))
    out.tensors[prefix + name] = p->value().clone();
}

/// The same with the parameters themselves: for what is written before they change.
template <Module Model>
void share_tensors(const Model& model, NamedTensors& out, const std::string& prefix = "") {
  for (const auto& [name, p] : parameters(const_cast<Model&>(model)))
    out.tensors[prefix + name] = p->value();
}

/// Copies what to_tensors() made back into the model; throws FormatError and changes nothing unless
/// all tensors under `prefix` are the model's.
template <Module Model>
void from_tensors(Model& model, const NamedTensors& in, const std::string& prefix = "") {
  std::vector<NamedTensor> targets;
  for (const auto& [name, p] : parameters(model)) targets.push_back({name, p->value()});
  copy_tensors(in, prefix, targets);
}

/// Writes the parameters to a file, atomically. Throws FileError.
template <Module Model>
void save(const Model& model, const std::string& path) {
  NamedTensors contents;
  share_tensors(model, contents);
  write_safetensors(path, contents);
}

/// Reads what save() wrote. Throws FileError or FormatError; the model is then unchanged.
template <Module Model>
void load(Model& model, const std::string& path) {
  from_tensors(model, read_safetensors(path));
}

}  // namespace tapestry
