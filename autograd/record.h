#pragma once
// record: how an op is written. An op is one function: its value, and for each input a rule for its
// gradient.
//
//   inline Var sigmoid(const Var& a) {
//     const Tensor y = sigmoid(a.value());
//     return record("sigmoid", y, from_output(a, y, [](auto dy, auto y) { return dy * y * (1 - y);
//     }));
//   }
//
// The rule comes last and is a lambda that captures nothing (checked). What it needs stands before
// it: tensors are saved and version-checked when read back, anything else must be trivially
// destructible and is copied. What the rule of an input that needs no gradient would save is not
// saved. Forms of a rule:
//   (const Tensor& dy, listed...) -> Tensor        the contribution; broadcasting is undone
//   (Grad& dx, const Tensor& dy, listed...)        adds to the gradient by itself
//   (const Tensor& dy, Grad&..., listed...)        of wrt(jointly(a, b, ...), listed..., rule)
//   (auto dy, auto x, auto numbers...) -> number   of each element: from_input, from_output
// An op with several outputs (record_all) has joint rules that get a dy for each output, undefined
// where no gradient arrived.

#include <array>
#include <span>
#include <tuple>

#include <tapestry/autograd/tape.h>
#include <tapestry/tensor/loops.h>

namespace tapestry {

namespace detail {

template <class T>
inline constexpr bool is_tensor = std::is_same_v<std::remove_cvref_t<T>, Tensor>;

/// The last of `Listed` is the rule.
template <size_t N, class... Listed>
struct Wrt {
  std::array<const Var*, N> inputs;
  std::tuple<const Listed&...> listed;
};
template <class F, class Extra>
struct WrtEach {
  std::span<const Var> inputs;
  std::span<const Extra> extras;
};
template <size_t N>
struct Jointly {
  std::array<const Var*, N> inputs;
};
template <class... Listed>
constexpr void check_rule() {
  static_assert(sizeof...(Listed) > 0, "wrt: the rule is missing");
  static_assert(
      std::is_empty_v<std::tuple_element_t<sizeof...(Listed) - 1, std::tuple<Listed...>>>,
      "wrt: a gradient rule comes last and captures nothing; list what it needs before it "
      "(tensors are saved and version-checked, numbers are copied)");
}

}  // namespace detail

/// With respect to one input: what its rule needs, and the rule.
template <class... Listed>
auto wrt(const Var& input, const Listed&... listed) {
  detail::check_rule<Listed...>();
  return detail::Wrt<1, Listed...>{{&input}, std::tie(listed...)};
}
/// Several inputs whose gradients share work; the joint rule sees one Grad each (see wanted()).
template <class... V>
detail::Jointly<sizeof...(V)> jointly(const V&... inputs) {
  return {{&inputs...}};
}
template <size_t N, class... Listed>
auto wrt(detail::Jointly<N> inputs, const Listed&... listed) {
  detail::check_rule<Listed...>();
  return detail::Wrt<N, Listed...>{inputs.inputs, std::tie(listed...)};
}
/// Any number of inputs, each with one plain struct: rule (dy, extra) -> Tensor.
template <class Extra, class F>
auto wrt_each(std::span<const Var> inputs, std::span<const Extra> extras, F) {
  detail::check_rule<F>();
  return detail::WrtEach<F, Extra>{inputs, extras};
}

namespace detail {
/// f(dy, saved, numbers...) of each element; the numbers become elements first.
template <class F, class... Numbers>
struct Elementwise {
  Tensor operator()(const Tensor& dy, const Tensor& saved, const Numbers&... numbers) const {
    return zip("gradient", dy, saved, [=](auto d, auto v) -> decltype(d) {
      return F{}(d, v, static_cast<decltype(d)>(numbers)...);
    });
  }
};
template <class... Numbers, class... V>
auto elementwise(const Var& a, const Tensor& saved, const V&... numbers_and_f) {
  using All = std::tuple<V...>;
  using F = std::tuple_element_t<sizeof...(V) - 1, All>;
  return [&]<size_t... I>(std::index_sequence<I...>) {
    static constexpr Elementwise<F, std::tuple_element_t<I, All>...> rule{};
    [[maybe_unused]] const auto all = std::tie(numbers_and_f...);
    return wrt(a, saved, std::get<I>(all)..., rule);
  }
  (std::make_index_sequence<sizeof...(V) - 1>{});
}
}  // namespace detail

/// With respect to the input of an elementwise op: numbers..., f(dy, x, numbers...) of each
/// element.
template <class... V>
auto from_input(const Var& a, const V&... numbers_and_f) {
  return detail::elementwise(a, a.value(), numbers_and_f...);
}
/// The same from the output y: numbers..., f(dy, y, numbers...) of each element.
template <class... V>
auto from_output(const Var& a, const Tensor& y, const V&... numbers_and_f) {
  return detail::elementwise(a, y, numbers_and_f...);
}

// ------------------------------------------------------------------------------------------------

namespace detail {

template <class... Listed>
using NumbersOf =
    std::tuple<std::conditional_t<is_tensor<Listed> || std::is_empty_v<Listed>, char, Listed>...>;

/// Runs the rule of Wrt<N, Listed...> of an op with M outputs.
template <size_t M, size_t N, class... Listed>
void run_rule(Graph& graph, const Graph::Rule& rule, const Tensor* dy) {
  using All = std::tuple<Listed...>;
  constexpr size_t kListed = sizeof...(Listed) - 1;
  using F = std::tuple_element_t<kListed, All>;
  using Numbers = NumbersOf<Listed...>;
  [&]<size_t... I, size_t... J, size_t... K>(std::index_sequence<I...>, std::index_sequence<J...>,
                                             std::index_sequence<K...>) {
    // listed<I>: the next saved tensor, or the I-th number
    constexpr auto rank = [](size_t i) {
      [[maybe_unused]] size_t k = 0, n = 0;
      ((k++ < i ? n += is_tensor<Listed> : n), ...);
      return static_cast<uint32_t>(n);
    };
    [[maybe_unused]] const auto listed = [&]<size_t L>() -> decltype(auto) {
      if constexpr (is_tensor<std::tuple_element_t<L, All>>)
        return graph.saved(rule.saved + rank(L));
      else
        return (std::get<L>(*static_cast<const Numbers*>(rule.numbers)));
    };
    const Target* targets = graph.targets(rule);
    if constexpr (N > 1 || M > 1) {
      static_assert(std::is_invocable_v<F, decltype((void)K, std::declval<const Tensor&>())...,
                                        decltype((void)J, std::declval<Grad&>())...,
                                        const std::tuple_element_t<I, All>&...>,
                    "jointly: the rule is (dy per output, Grad& per input..., what is listed...)");
      std::array<Grad, N> grads{graph.grad_of(targets[J])...};
      if ((grads[J].wanted() || ...))
        F{}(dy[K]..., grads[J]..., listed.template operator()<I>()...);
    } else if constexpr (std::is_invocable_v<F, Grad&, const Tensor&,
                                             const std::tuple_element_t<I, All>&...>) {
      Grad grad = graph.grad_of(*targets);
      if (grad.wanted()) F{}(grad, *dy, listed.template operator()<I>()...);
    } else {
      static_assert(
          std::is_invocable_r_v<Tensor, F, const Tensor&, const std::tuple_element_t<I, All>&...>,
          "wrt: the rule is (dy, what is listed...) -> Tensor, or (Grad&, dy, what is "
          "listed...)");
      if (graph.wanted(*targets))
        graph.contribute(*targets, F{}(*dy, listed.template operator()<I>()...));
    }
  }
  (std::make_index_sequence<kListed>{}, std::make_index_sequence<N>{},
   std::make_index_sequence<M>{});
}

template <class F, class Extra>
void run_each(Graph& graph, const Graph::Rule& rule, const Tensor* dy) {
  const Target& to = *graph.targets(rule);
  if (graph.wanted(to)) graph.contribute(to, F{}(*dy, *static_cast<const Extra*>(rule.numbers)));
}

template <size_t M, size_t N, class... Listed>
bool add_rules(Graph& graph, const char* name, int& input, const Wrt<N, Listed...>& w) {
  using Numbers = NumbersOf<Listed...>;
  static_assert(std::is_trivially_destructible_v<Numbers>,
                "wrt: list tensors and plain numbers only");
  std::array<Target, N> targets;
  bool any = false;
  for (size_t i = 0; i < N; ++i) {
    targets[i] = graph.target_of(name, ++input, w.inputs[i]->origin());
    any |= targets[i].any();
  }
  if (!any) return false;  // dropped, with what it would have saved
  Graph::Rule rule = graph.new_rule();
  rule.run = &run_rule<M, N, Listed...>;
  for (const Target& t : targets) graph.keep_target(t);
  std::apply(
      [&](const auto&... listed) {
        [[maybe_unused]] const auto save = [&](const auto& x) {
          if constexpr (is_tensor<decltype(x)>) graph.save(x);
        };
        (save(listed), ...);
        if constexpr (!((is_tensor<Listed> || std::is_empty_v<Listed>)&&...)) {
          const auto number = [](const auto& x) {
            using X = std::remove_cvref_t<decltype(x)>;
            if constexpr (is_tensor<X> || std::is_empty_v<X>)
              return char{};
            else
              return x;
          };
          rule.numbers = new (graph.take_bytes(sizeof(Numbers))) Numbers(number(listed)...);
        }
      },
      w.listed);
  graph.add_rule(rule);
  return true;
}

template <size_t M, class F, class Extra>
bool add_rules(Graph& graph, const char* name, int& input, const WrtEach<F, Extra>& w) {
  static_assert(std::is_trivially_destructible_v<Extra>, "wrt_each: the extra is a plain struct");
  static_assert(M == 1, "wrt_each: the op has one output");
  bool any = false;
  for (size_t i = 0; i < w.inputs.size(); ++i) {
    const Target target = graph.target_of(name, ++input, w.inputs[i].origin());
    if (!target.any()) continue;
    any = true;
    Graph::Rule rule = graph.new_rule();
    rule.run = &run_each<F, Extra>;
    graph.keep_target(target);
    rule.numbers = new (graph.take_bytes(sizeof(Extra))) Extra(w.extras[i]);
    graph.add_rule(rule);
  }
  return any;
}

/// Adds the rules of an op with M outputs; false when it depends on nothing that wants a gradient.
template <size_t M, class... W>
bool add_all_rules(Graph& graph, const char* name, const W&... w) {
  graph.require_recording(name);
  [[maybe_unused]] int input = 0;
  try {
    [[maybe_unused]] bool any = false;
    ((any |= add_rules<M>(graph, name, input, w)), ...);
    return any;
  } catch (...) {  // else the next op would inherit these rules
    graph.drop_unowned();
    throw;
  }
}

}  // namespace detail

/// The result of an op: its value, and, while a Tape records, how to run it backward.
template <class... W>
Var record(const char* name, Tensor value, const W&... w) {
  Var out(std::move(value));  // a constant, unless
  if (recording.tape && detail::add_all_rules<1>(recording.tape->graph(), name, w...))
    recording.tape->graph().add_node(name, out);
  if (recording.observer) [[unlikely]]
    Observer::notify(name, out);
  return out;
}

/// The results of an op with several outputs.
template <size_t M, class... W>
std::array<Var, M> record_all(const char* name, const std::array<Tensor, M>& values,
                              const W&... w) {
  std::array<Var, M> out;
  for (size_t i = 0; i < M; ++i) out[i] = values[i];
  if (recording.tape && detail::add_all_rules<M>(recording.tape->graph(), name, w...)) {
    uint32_t outputs = M;  // the first node has the rules
    for (Var& v : out) recording.tape->graph().add_node(name, v, std::exchange(outputs, 0));
  }
  if (recording.observer) [[unlikely]]
    for (const Var& v : out) Observer::notify(name, v);
  return out;
}

}  // namespace tapestry
