#pragma once
// FIELDS names the members of a module or a state once; everything that walks over them comes from
// that line: parameter names, copies, gradients, and the handling of recurrent states.
//
//   struct Model { Embedding embed; RNN<LSTMCell> rnn; Linear out; FIELDS(embed, rnn, out) };
//   for (auto& [name, p] : parameters(model)) ...            // "rnn.cells.0.w_ih"
//
// FIELDS lists Parameters, Vars, structs with FIELDS, parts that list their parameters themselves
// (a part behind an interface), and ranges of these. Absent (default constructed) Parameters are
// skipped. Models are values: a copy is a replica with its own
// parameters.

#include <concepts>
#include <iosfwd>
#include <ranges>
#include <string_view>

#include <tapestry/autograd/gradcheck.h>
#include <tapestry/autograd/tape.h>

#define FIELDS(...)                                                        \
  static constexpr std::string_view field_names() { return #__VA_ARGS__; } \
  auto fields() { return std::tie(__VA_ARGS__); }                          \
  auto fields() const { return std::tie(__VA_ARGS__); }

namespace tapestry {

template <class T>
concept HasFields = requires(T& t) {
  t.fields();
  std::remove_cvref_t<T>::field_names();
};

/// A part of a model whose type is chosen at run time: its parameters with their paths in it.
template <class T>
concept ListsParameters = requires(const T& t) {
  { t.named_parameters() } -> std::same_as<std::vector<NamedParameter>>;
};

namespace detail {

template <class T>
inline constexpr bool is_leaf = std::is_same_v<std::remove_const_t<T>, Parameter> ||
                                std::is_same_v<std::remove_const_t<T>, Var>;

/// As const as the part that lists it.
template <class T>
auto& like(Parameter& p) {
  if constexpr (std::is_const_v<T>)
    return std::as_const(p);
  else
    return p;
}

template <class T, class F>
void for_each_leaf(T& x, F& f) {
  if constexpr (is_leaf<T>) {
    f(x);
  } else if constexpr (HasFields<T>) {
    std::apply([&](auto&... field) { (for_each_leaf(field, f), ...); }, x.fields());
  } else if constexpr (ListsParameters<T>) {
    for (const NamedParameter& p : x.named_parameters()) f(like<T>(*p.parameter));
  } else {
    static_assert(std::ranges::range<T>,
                  "FIELDS lists only Parameters, Vars, structs with FIELDS, and ranges of these");
    for (auto& element : x) for_each_leaf(element, f);
  }
}

/// The same with the path of each leaf; allocates.
template <class T, class F>
void for_each_named(const std::string& path, T& x, F& f) {
  const auto child = [&](std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
  };
  if constexpr (is_leaf<T>) {
    f(path, x);
  } else if constexpr (HasFields<T>) {
    std::string_view names = std::remove_const_t<T>::field_names();
    const auto next = [&] {
      const size_t end = std::min(names.find(','), names.size());
      const std::string_view name = names.substr(0, end);
      names.remove_prefix(std::min(end + 1, names.size()));
      names.remove_prefix(std::min(names.find_first_not_of(' '), names.size()));
      return name;
    };
    std::apply([&](auto&... field) { (for_each_named(child(next()), field, f), ...); }, x.fields());
  } else if constexpr (ListsParameters<T>) {
    for (const auto& [name, p] : x.named_parameters()) f(child(name), like<T>(*p));
  } else {
    size_t i = 0;
    for (auto& element : x) for_each_named(child(std::to_string(i++)), element, f);
  }
}

}  // namespace detail

// ---- modules

/// Every parameter with its path, in FIELDS order.
template <class Model>
std::vector<NamedParameter> parameters(Model& model) {
  std::vector<NamedParameter> out;
  auto add = [&](const std::string& name, auto& p) {
    if (p.defined()) out.push_back({name, &p});
  };
  detail::for_each_named("", model, add);
  return out;
}

template <class Model>
void zero_grad(Model& model) {
  auto clear = [](Parameter& p) {
    if (p.defined()) p.grad().clear();
  };
  detail::for_each_leaf(model, clear);
}

/// A copy of the model with every parameter in another element type.
template <class Model>
Model cast(const Model& model, DType dtype) {
  Model out = model;
  auto convert = [&](Parameter& p) {
    if (p.defined()) p.value() = p.value().cast(dtype);
  };
  detail::for_each_leaf(out, convert);
  return out;
}

/// A model over the same values with gradients of its own: for workers that do not copy values.
template <class Model>
Model share(const Model& model) {
  Model out = model;
  std::vector<Tensor> values;
  auto collect = [&](const Parameter& p) { values.push_back(p.defined() ? p.value() : Tensor()); };
  detail::for_each_leaf(model, collect);
  size_t i = 0;
  auto use = [&](Parameter& p) {
    if (p.defined()) p.value() = values[i];
    ++i;
  };
  detail::for_each_leaf(out, use);
  return out;
}

/// The number of trainable numbers.
template <class Model>
int64_t count(const Model& model) {
  int64_t n = 0;
  auto add = [&](const Parameter& p) { n += p.defined() ? p.value().numel() : 0; };
  detail::for_each_leaf(model, add);
  return n;
}

/// One line per parameter: name, type, shape, number; and the sum.
void print_summary(std::ostream& out, std::span<const NamedParameter> parameters);
template <class Model>
void summary(std::ostream& out, const Model& model) {
  print_summary(out, parameters(const_cast<Model&>(model)));
}

/// Checks the gradients of loss(model) (f64) at random elements of each parameter; see gradcheck.h.
/// `surrogate` is what the differences are taken of when the gradient is a truncated one.
template <class Model, class Loss, class Surrogate>
GradReport gradcheck(Model& model, Loss&& loss, Surrogate&& surrogate, int64_t elements = 20,
                     double tolerance = 1e-6,
                     uint64_t seed = 1) requires std::is_invocable_v<Surrogate&, Model&> {
  zero_grad(model);
  {
    Tape tape;
    tape.backward(loss(model));
  }
  GradReport report = gradcheck_parameters(
      parameters(model), [&] { return surrogate(model).value().item(); }, elements, tolerance,
      seed);
  zero_grad(model);
  return report;
}
template <class Model, class Loss>
GradReport gradcheck(
    Model& model, Loss&& loss, int64_t elements = 20, double tolerance = 1e-6,
    uint64_t seed = 1) requires(!std::is_invocable_v<Model, std::span<const Var>>) {
  return gradcheck(model, loss, loss, elements, tolerance, seed);
}

// ---- states of recurrent cells

/// The Vars of a state, in FIELDS order; the first is the cell's output.
template <class State>
PoolVector<Var> vars(const State& state) {
  PoolVector<Var> out;
  auto add = [&](const Var& v) { out.push_back(v); };
  detail::for_each_leaf(state, add);
  return out;
}

/// What a cell shows to the next layer: the first field of its state.
template <class State>
Var output(const State& state) {
  return std::get<0>(state.fields());
}

/// A state like `state` whose Vars are f(the old ones).
template <class State, class F>
State map_state(State state, F f) {
  auto change = [&](Var& v) { v = f(v); };
  detail::for_each_leaf(state, change);
  return state;
}

/// Carries a state into the next window: the same values, nothing flows back.
template <class State>
State detach(const State& state) {
  return map_state(state, [](const Var& v) { return v.detach(); });
}

}  // namespace tapestry
