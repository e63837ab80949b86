#pragma once
// Segment: a stretch of the tape that runs itself backward: several times, in parts, or after it
// was recorded again. Its users are checkpoint() here and exact truncation (nn/unroll.h).
//
// A segment takes the gradients that reached its nodes, and may run rules with Graph::run as often
// as it likes; what may leave it meanwhile is said by a Flow. Segments nest.

#include <ranges>
#include <tuple>

#include <tapestry/autograd/tape.h>

namespace tapestry {

class Segment {
 public:
  virtual ~Segment() = default;
  /// In place of the rules of nodes [first, last), whose gradients are complete now.
  virtual void backward(Graph& graph, size_t first, size_t last) = 0;
};

namespace detail {

/// Calls f for each Var of a result: a Var, a struct with fields(), or a tuple or range of these.
template <class T, class F>
void for_each_result(T& x, F& f) {
  if constexpr (std::is_same_v<T, Var>)
    f(x);
  else if constexpr (requires { x.fields(); })
    std::apply([&](auto&... field) { (for_each_result(field, f), ...); }, x.fields());
  else if constexpr (requires { std::tuple_size<T>::value; })
    std::apply([&](auto&... element) { (for_each_result(element, f), ...); }, x);
  else {
    static_assert(
        std::ranges::range<T>,
        "checkpoint: f returns a Var, a struct with FIELDS, or a tuple or range of these");
    for (auto& element : x) for_each_result(element, f);
  }
}

class Checkpoint : public Segment {
 public:
  void backward(Graph& graph, size_t first, size_t last) final;
  /// Forgets what was recorded since `before`; results that came from it stand for placeholders.
  static void forget(Graph& graph, const Graph::Mark& before, std::span<Var* const> results,
                     std::shared_ptr<Checkpoint> self);

 private:
  /// Calls f again.
  virtual PoolVector<Var> record() = 0;

  struct Result {
    bool recorded;  // else a constant, or a Var of before
    uint64_t bits;  // a hash of the value
  };
  PoolVector<Result> results_;
};

template <class F, class... Inputs>
struct CheckpointOf final : Checkpoint {
  F f;
  std::tuple<Inputs...> inputs;
  CheckpointOf(F g, const Inputs&... in) : f(std::move(g)), inputs(in...) {}
  auto call() { return std::apply(f, std::as_const(inputs)); }
  PoolVector<Var> record() override {
    auto result = call();
    PoolVector<Var> out;
    auto add = [&](Var& v) { out.push_back(v); };
    for_each_result(result, add);
    return out;
  }
};

}  // namespace detail

/// f(inputs...) for less memory: what its ops saved is forgotten, and recorded again when backward
/// comes to it, at the cost of one more evaluation. f returns a Var, a struct with FIELDS (a
/// state), or a tuple or range of these; it may capture Vars and parameters, and what it captures
/// by reference must live until backward. It must give the same values again: backward throws
/// TapeError where it does not, as when it draws from a generator (draw before, and capture the
/// mask). Checkpoints nest.
template <class F, class... Inputs>
auto checkpoint(F f, const Inputs&... inputs) {
  using Made = detail::CheckpointOf<F, Inputs...>;
  if (!recording.tape) return f(inputs...);
  Graph& graph = recording.tape->graph();
  const Graph::Mark before = graph.mark();
  const auto made = std::allocate_shared<Made>(PoolAllocator<Made>(), std::move(f), inputs...);
  auto result = made->call();
  PoolVector<Var*> vars;
  auto add = [&](Var& v) { vars.push_back(&v); };
  detail::for_each_result(result, add);
  detail::Checkpoint::forget(graph, before, vars, made);
  return result;
}

}  // namespace tapestry
