#pragma once
// Truncated back-propagation through time.
//
// unroll() runs a recurrent step over packed sequences (see packing.h) and defines how far errors
// flow back. With K = bptt.steps, the error of output t reaches the states t-1, ..., t-K and so
// crosses at most K recurrent transitions; K+1 time steps contribute to the weight gradients:
//   exact  every output has its own sliding window (BPTT(h; 1) of Williams & Peng, 1990)
//   chunk  windows of K steps; the state enters the next one detached (at most K-1 transitions)
//   full   no truncation
// All three compute the same outputs.
//
// exact costs little more than one step: the sum over windows is linear in the errors and the
// Jacobians of a transition are the same in every window, so the step is recorded ONCE for all rows
// (from detached previous states) and its backward pass runs K times for the states and once for
// the weights (Tape::begin_transition). It works for any cell. Dropout inside a step must therefore
// be the same in every evaluation of a row: draw masks for all rows before.

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/packing.h>
#include <tapestry/nn/state.h>

namespace tapestry {

enum class BpttMode { exact, chunk, full };

/// Takes finite differences of a truncated gradient: the states that truncation freezes are kept
/// from the first evaluation and used in later ones, whatever the parameters are then. Set
/// Bptt::frozen, evaluate once, change a parameter, rewind() and evaluate again.
struct FrozenStates {
  std::vector<std::vector<Tensor>> runs;  // for each unroll() of an evaluation, its state fields
  size_t next = 0;
  void rewind() { next = 0; }
};

struct Bptt {
  BpttMode mode = BpttMode::exact;
  int64_t steps = 4;
  FrozenStates* frozen = nullptr;  // only for gradient checks
};

template <class State>
struct Unrolled {
  Var y;       // (rows, ..): the output of every row
  State last;  // (batch, ..): the state behind each sequence's last step, in slot order
};

namespace detail {

/// Throws ShapeError unless every field has one row per sequence.
template <class State>
void require_batch(const State& state, int64_t batch) {
  for (const Var& v : vars(state))
    require<ShapeError>(v.value().rank() >= 1 && v.shape()[0] == batch, "unroll: a state of shape ",
                        v.shape(), " for a batch of ", batch, " sequences");
}

/// Rows [start, start + count) of every field.
template <class State>
State state_rows(const State& s, int64_t start, int64_t count) {
  return map_state(
      s, [&](const Var& v) { return v.shape()[0] == count ? v : narrow(v, 0, start, count); });
}

template <class State>
State join_states(std::span<const State> parts) {
  if (parts.size() == 1) return parts[0];
  PoolVector<PoolVector<Var>> fields;
  for (const State& part : parts) fields.push_back(vars(part));
  State out = parts[0];
  size_t f = 0;
  auto join = [&](Var& v) {
    PoolVector<Var> pieces;
    for (const auto& field : fields) pieces.push_back(field[f]);
    v = concat(pieces);
    ++f;
  };
  for_each_leaf(out, join);
  return out;
}

/// `like` with its Vars replaced by `values`.
template <class State, class Values>
State with_vars(State like, const Values& values) {
  size_t i = 0;
  auto set = [&](Var& v) { v = values[i++]; };
  for_each_leaf(like, set);
  return like;
}

/// One time step after the other. `cut(t, state)` may replace the state that enters step t.
template <class State, class Step, class Cut>
Unrolled<State> unroll_sequentially(const Packing& p, State s, Step&& step, Cut&& cut) {
  PoolVector<Var> ys;
  PoolVector<State> ended;  // latest first: the slots that end early are the last ones
  for (int64_t t = 0; t < p.steps(); ++t) {
    const int64_t count = p.counts[static_cast<size_t>(t)];
    if (t > 0 && count < p.counts[static_cast<size_t>(t) - 1]) {
      const int64_t before = p.counts[static_cast<size_t>(t) - 1];
      ended.insert(ended.begin(), state_rows(s, count, before - count));
      s = state_rows(s, 0, count);
    }
    cut(t, s);
    s = step(p.offsets[static_cast<size_t>(t)], count, s);
    ys.push_back(output(s));
  }
  ended.insert(ended.begin(), s);
  return {ys.size() == 1 ? ys[0] : concat(ys), join_states<State>(ended)};
}

/// The states that enter each row, computed without recording.
template <class State, class Step>
PoolVector<Tensor> entering_states(const Packing& p, const State& initial, Step&& step) {
  const Tape::Pause pause;
  PoolVector<Tensor> fields;
  for (const Var& v : vars(initial)) {
    Shape shape = v.shape();
    shape[0] = p.rows();
    fields.push_back(Tensor::empty(shape, v.dtype()));
  }
  unroll_sequentially(p, detach(initial), step, [&](int64_t t, const State& s) {
    const int64_t first = p.offsets[static_cast<size_t>(t)],
                  count = p.counts[static_cast<size_t>(t)];
    size_t f = 0;
    for (const Var& v : vars(s)) fields[f++].narrow(0, first, count).copy_(v.value());
  });
  return fields;
}

/// The same outputs from one small window per output: the definition, and the slow way.
template <class State, class Step>
Unrolled<State> unroll_windows(const Packing& p, const State& initial, Step&& step, int64_t steps,
                               std::span<const Tensor> entering) {
  PoolVector<Var> ys;
  PoolVector<State> ended;
  for (int64_t t = 0; t < p.steps(); ++t) {
    const int64_t count = p.counts[static_cast<size_t>(t)], start = std::max<int64_t>(0, t - steps);
    State s = initial;
    if (t >= steps) {  // the initial state is one transition further back than the first step
      PoolVector<Tensor> frozen;
      for (const Tensor& f : entering)
        frozen.push_back(f.narrow(0, p.offsets[static_cast<size_t>(start)], count));
      s = with_vars(s, frozen);
    } else {
      s = state_rows(s, 0, count);
    }
    for (int64_t k = start; k <= t; ++k) s = step(p.offsets[static_cast<size_t>(k)], count, s);
    ys.push_back(output(s));
    const int64_t next = t + 1 < p.steps() ? p.counts[static_cast<size_t>(t) + 1] : 0;
    if (next < count) ended.insert(ended.begin(), state_rows(s, next, count - next));
  }
  return {ys.size() == 1 ? ys[0] : concat(ys), join_states<State>(ended)};
}

}  // namespace detail

/// Runs step(first_row, row_count, state) -> state over all time steps from `initial` (batch, ..)
/// in slot order. step() narrows its own inputs to the rows it is told. Throws ValueError for a K
/// that the mode does not have (exact: >= 0, chunk: >= 1).
template <class State, class Step>
Unrolled<State> unroll(const Packing& p, const State& initial, const Bptt& bptt, Step&& step) {
  const int64_t steps = bptt.steps;
  require<ValueError>(
      bptt.mode == BpttMode::full || steps >= (bptt.mode == BpttMode::chunk ? 1 : 0),
      "bptt: ", steps, " steps, expected at least ",
      bptt.mode == BpttMode::chunk ? "1 (chunk)" : "0 (exact)");
  detail::require_batch(initial, p.batch());

  std::vector<Tensor>* frozen = nullptr;
  if (bptt.frozen && bptt.mode != BpttMode::full) {
    auto& runs = bptt.frozen->runs;
    const size_t run = bptt.frozen->next++;
    if (run == runs.size()) {
      const auto fields = detail::entering_states(p, initial, step);
      runs.emplace_back(fields.begin(), fields.end());
    }
    frozen = &runs[run];
  }
  if (bptt.mode == BpttMode::exact && frozen)
    return detail::unroll_windows(p, initial, step, steps, *frozen);

  if (bptt.mode == BpttMode::exact && recording.tape) {
    const PoolVector<Tensor> entering = detail::entering_states(p, initial, step);
    const PoolVector<Var> previous = Tape::begin_transition(entering);
    const State next = step(0, p.rows(), detail::with_vars(initial, previous));
    const PoolVector<Var> outputs =
        Tape::end_transition(vars(next), vars(initial), p.previous, std::min(steps, p.steps()));
    const State all = detail::with_vars(next, outputs);
    // in slot order: the last rows as given, put back into slots
    const Tensor last = take_rows("unroll", p.last, Tensor::indices(p.order));
    return {output(all), map_state(all, [&](const Var& v) { return embedding(v, last); })};
  }

  return detail::unroll_sequentially(p, initial, step, [&](int64_t t, State& s) {
    if (bptt.mode != BpttMode::chunk || t == 0 || t % steps != 0) return;
    if (frozen) {
      PoolVector<Tensor> kept;
      for (const Tensor& f : *frozen)
        kept.push_back(
            f.narrow(0, p.offsets[static_cast<size_t>(t)], p.counts[static_cast<size_t>(t)]));
      s = detail::with_vars(s, kept);
    } else {
      s = detach(s);
    }
  });
}

}  // namespace tapestry
