#pragma once
// A module is a struct whose FIELDS lists its parameters and the modules inside it. Absent (default
// constructed) Parameters are skipped. Models are values: a copy is a replica with its own
// parameters.
//
//   for (auto& [name, p] : parameters(model)) ...            // "rnn.cells.0.w_ih"

#include <iosfwd>
#include <span>
#include <vector>

#include <tapestry/nn/fields.h>

namespace tapestry {

/// FIELDS lists Parameters, modules, and ranges of these, and nothing else.
template <class T>
concept Module = HasFields<T> && detail::lists_only<detail::FieldsOf<T>, Parameter>;

/// Every parameter with its path, in FIELDS order.
template <Module Model>
std::vector<NamedParameter> parameters(Model& model) {
  std::vector<NamedParameter> out;
  auto add = [&](const std::string& name, auto& p) {
    if (p.defined()) out.push_back({name, &p});
  };
  detail::for_each_named("", model, add);
  return out;
}

template <Module Model>
void zero_grad(Model& model) {
  auto clear = [](Parameter& p) {
    if (p.defined()) p.grad().clear();
  };
  detail::for_each_leaf(model, clear);
}

/// A copy of the model with every parameter in another element type.
template <Module Model>
Model cast(const Model& model, DType dtype) {
  Model out = model;
  auto convert = [&](Parameter& p) {
    if (p.defined()) p.value() = p.value().cast(dtype);
  };
  detail::for_each_leaf(out, convert);
  return out;
}

/// A model over the same values with gradients of its own: for workers that do not copy values.
template <Module Model>
Model share(const Model& model) {
  const SharedValues scope;
  return model;
}

/// The number of trainable numbers.
template <Module Model>
int64_t count(const Model& model) {
  int64_t n = 0;
  auto add = [&](const Parameter& p) { n += p.defined() ? p.value().numel() : 0; };
  detail::for_each_leaf(model, add);
  return n;
}

/// One line per parameter: name, type, shape, number; and the sum.
void print_summary(std::ostream& out, std::span<const NamedParameter> parameters);
template <Module Model>
void summary(std::ostream& out, const Model& model) {
  print_summary(out, parameters(const_cast<Model&>(model)));
}

}  // namespace tapestry
