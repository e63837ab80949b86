#pragma once
// FIELDS names the members of a struct once; everything that walks over them comes from that line:
// the parameters of a module (module.h) and the Vars of a recurrent state (state.h).
//
//   struct Model { Embedding embed; RNN<LSTMCell> rnn; Linear out; FIELDS(embed, rnn, out) };
//
// A module lists Parameters, a state Vars; both may list structs with FIELDS of the same kind, and
// ranges of these. A module may also hold parts behind an interface, which list their parameters
// themselves.

#include <concepts>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <tapestry/autograd/var.h>

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
using FieldsOf = decltype(std::declval<T&>().fields());

/// Whether T is a Leaf, a struct with FIELDS of these, or a range of these.
template <class T, class Leaf>
constexpr bool consists_of();

template <class Tuple, class Leaf>
inline constexpr bool lists_only = false;
template <class... Member, class Leaf>
inline constexpr bool lists_only<std::tuple<Member...>, Leaf> =
    (consists_of<std::remove_cvref_t<Member>, Leaf>() && ...);

template <class T, class Leaf>
constexpr bool consists_of() {
  if constexpr (std::is_same_v<T, Leaf>)
    return true;
  else if constexpr (HasFields<T>)
    return lists_only<FieldsOf<T>, Leaf>;
  else if constexpr (ListsParameters<T>)
    return std::is_same_v<Leaf, Parameter>;
  else if constexpr (std::ranges::range<T>)
    return consists_of<std::ranges::range_value_t<T>, Leaf>();
  else
    return false;
}

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
}  // namespace tapestry
