#pragma once
// A recurrent state is a struct whose FIELDS lists its Vars, (batch, ..) each, and the states
// inside it. The first is what the cell shows: its output.

#include <tapestry/nn/fields.h>

namespace tapestry {

/// FIELDS lists Vars, states, and ranges of these, and nothing else.
template <class T>
concept RecurrentState = HasFields<T> && detail::lists_only<detail::FieldsOf<T>, Var>;

/// The Vars of a state, in FIELDS order; the first is the cell's output.
template <RecurrentState State>
PoolVector<Var> vars(const State& state) {
  PoolVector<Var> out;
  auto add = [&](const Var& v) { out.push_back(v); };
  detail::for_each_leaf(state, add);
  return out;
}

/// What a cell shows to the next layer: the first field of its state.
template <RecurrentState State>
Var output(const State& state) {
  return std::get<0>(state.fields());
}

/// A state like `state` whose Vars are f(the old ones).
template <RecurrentState State, class F>
State map_state(State state, F f) {
  auto change = [&](Var& v) { v = f(v); };
  detail::for_each_leaf(state, change);
  return state;
}

/// Carries a state into the next window: the same values, nothing flows back.
template <RecurrentState State>
State detach(const State& state) {
  return map_state(state, [](const Var& v) { return v.detach(); });
}

}  // namespace tapestry
