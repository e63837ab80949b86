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
// the weights (detail::Transition). It works for any cell. Dropout inside a step must therefore be
// the same in every evaluation of a row: draw masks for all rows before.

#include <tapestry/autograd/ops/index.h>
#include <tapestry/autograd/ops/join.h>
#include <tapestry/autograd/ops/shape.h>
#include <tapestry/autograd/record.h>
#include <tapestry/autograd/segment.h>
#include <tapestry/nn/bptt.h>
#include <tapestry/nn/packing.h>
#include <tapestry/nn/state.h>

namespace tapestry {

template <class State>
struct Unrolled {
  Var y;       // (rows, ..): the output of every row
  State last;  // (batch, ..): the state behind each sequence's last step, in slot order
};

namespace detail {

/// A step recorded once for all rows: compute the next state of every row from the states `from`,
/// which stand for the given ones, and close. While a Tape records. Transitions nest.
class Transition {
 public:
  explicit Transition(std::span<const Tensor> states);
  /// next states -> the same values, to be used from here on; each row's error flows back through
  /// at most `steps` earlier rows of its sequence. `initial` are the Vars whose values were the
  /// previous states of the first rows, `previous` holds for each other row the row one step
  /// earlier in its sequence.
  PoolVector<Var> close(std::span<const Var> next, std::span<const Var> initial,
                        const Tensor& previous, int64_t steps);

  PoolVector<Var> from;

 private:
  struct Passes;
  Graph& graph_;
  std::shared_ptr<Passes> passes_;
};

/// Throws ShapeError unless every field has one row per sequence.
template <class State>
void require_batch(const State& state, int64_t batch) {
  for (const Var& v : vars(state))
    require<ShapeError>(v.value().rank() >= 1 && v.shape()[0] == batch, "unroll: a state of shape ",
                        v.shape(), " for a batch of ", batch, " sequences");
}

/// Rows [first, first + count) of a Var, if it is defined.
inline Var rows_of(const Var& x, int64_t first, int64_t count) {
  return !x.defined() || x.shape()[0] == count ? x : narrow(x, 0, first, count);
}
/// The same of every field.
template <RecurrentState State>
State rows_of(const State& s, int64_t first, int64_t count) {
  return map_state(s, [&](const Var& v) { return rows_of(v, first, count); });
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

/// Results that come one after the other, in one tensor: none is held twice.
class Joined {
 public:
  explicit Joined(int64_t rows) : rows_(rows) {}
  void add(const Var& part) {
    if (parts_.empty()) {
      Shape shape = part.shape();
      shape[0] = rows_;
      whole_ = Tensor::empty(shape, part.dtype());
    }
    Tensor place = whole_.narrow(0, filled_, part.size(0));
    place.copy_(part.value());
    filled_ += part.size(0);
    parts_.push_back(record("place", place, wrt(part, [](const Tensor& dy) { return dy; })));
  }
  Var all() const { return joined(whole_, parts_, 0); }

 private:
  int64_t rows_, filled_ = 0;
  Tensor whole_;
  PoolVector<Var> parts_;
};

/// Where a walk over the time steps has come to.
template <class State>
struct Walk {
  State s;
  PoolVector<Var> ys;
  PoolVector<State> ended;  // latest first: the slots that end early are the last ones

  Var y() const { return ys.size() == 1 ? ys[0] : concat(ys); }
  /// The states behind the last steps, in slot order.
  State last() {
    ended.insert(ended.begin(), s);
    return join_states<State>(ended);
  }
};

/// Time steps [begin, end). offsets[t - begin + 1] is the first row of step t, and offsets[0] that
/// of the step before it. `cut(t, first row, rows, state)` may replace the state that enters step
/// t.
template <class State, class Step, class Cut>
void walk(Walk<State>& w, int64_t begin, int64_t end, std::span<const int64_t> offsets, Step&& step,
          Cut&& cut) {
  for (int64_t t = begin; t < end; ++t) {
    const int64_t* at = &offsets[static_cast<size_t>(t - begin)];
    const int64_t before = at[1] - at[0], count = at[2] - at[1];
    if (t > 0 && count < before) {
      w.ended.insert(w.ended.begin(), rows_of(w.s, count, before - count));
      w.s = rows_of(w.s, 0, count);
    }
    cut(t, at[1], count, w.s);
    w.s = step(at[1], count, w.s);
    w.ys.push_back(output(w.s));
  }
}

/// The offsets that walk() needs.
PoolVector<int64_t> walk_offsets(const Packing& p, int64_t begin, int64_t end);

/// One time step after the other.
template <class State, class Step, class Cut>
Unrolled<State> unroll_sequentially(const Packing& p, State s, Step&& step, Cut&& cut) {
  Walk<State> w{std::move(s), {}, {}};
  walk(w, 0, p.steps(), walk_offsets(p, 0, p.steps()), step, cut);
  return {w.y(), w.last()};
}

/// The same, `length` steps at a time in a checkpoint; make(first_row, rows) is the step for these
/// rows.
template <class State, class Make, class Cut>
Unrolled<State> unroll_recomputed(const Packing& p, State s, int64_t length, Make make, Cut cut) {
  Walk<State> all{std::move(s), {}, {}};
  Joined y(p.rows());
  for (int64_t begin = 0; begin < p.steps(); begin += length) {
    const int64_t end = std::min(begin + length, p.steps());
    auto stretch = [begin, end, make, cut,
                    offsets = walk_offsets(p, begin, end)](const State& from) mutable {
      Walk<State> w{from, {}, {}};
      walk(w, begin, end, offsets, make(offsets[1], offsets.back() - offsets[1]), cut);
      return std::tuple(w.y(), std::move(w.s), std::move(w.ended));
    };
    auto [part, last, ended] = checkpoint(std::move(stretch), all.s);
    y.add(part);
    all.s = std::move(last);
    all.ended.insert(all.ended.begin(), ended.begin(), ended.end());
  }
  return {y.all(), all.last()};
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
  unroll_sequentially(p, detach(initial), step,
                      [&](int64_t, int64_t first, int64_t count, const State& s) {
                        size_t f = 0;
                        for (const Var& v : vars(s))
                          fields[f++].narrow(0, first, count).copy_(v.value());
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
      s = rows_of(s, 0, count);
    }
    for (int64_t k = start; k <= t; ++k) s = step(p.offsets[static_cast<size_t>(k)], count, s);
    ys.push_back(output(s));
    const int64_t next = t + 1 < p.steps() ? p.counts[static_cast<size_t>(t) + 1] : 0;
    if (next < count) ended.insert(ended.begin(), rows_of(s, next, count - next));
  }
  return {ys.size() == 1 ? ys[0] : concat(ys), join_states<State>(ended)};
}

/// unroll() with make(first_row, rows), the step for these rows: asked once for all, or for those
/// of each checkpoint.
template <class State, class Make>
Unrolled<State> unroll_with(const Packing& p, const State& initial, const Bptt& bptt, Make make) {
  const int64_t steps = bptt.steps;
  require<ValueError>(
      bptt.mode == BpttMode::full || steps >= (bptt.mode == BpttMode::chunk ? 1 : 0),
      "bptt: ", steps, " steps, expected at least ",
      bptt.mode == BpttMode::chunk ? "1 (chunk)" : "0 (exact)");
  require<ValueError>(bptt.recompute >= 0 && (bptt.recompute == 0 || bptt.mode != BpttMode::exact),
                      "bptt: recompute is ", bptt.recompute,
                      bptt.recompute < 0
                          ? ", expected 0 (no) or a number of steps"
                          : ": exact truncation keeps all steps (use chunk or full)");
  require_batch(initial, p.batch());
  const int64_t chunk = bptt.mode == BpttMode::chunk ? steps : 0;
  const auto ends_chunk = [chunk](int64_t t) { return chunk > 0 && t > 0 && t % chunk == 0; };
  if (bptt.recompute > 0 && recording.tape && !bptt.frozen)
    return unroll_recomputed(p, initial, bptt.recompute, make,
                             [ends_chunk](int64_t t, int64_t, int64_t, State& s) {
                               if (ends_chunk(t)) s = detach(s);
                             });

  auto&& step = make(int64_t{0}, p.rows());
  std::vector<Tensor>* frozen = nullptr;
  if (bptt.frozen && bptt.mode != BpttMode::full) {
    auto& runs = bptt.frozen->runs;
    const size_t run = bptt.frozen->next++;
    if (run == runs.size()) {
      const auto fields = entering_states(p, initial, step);
      runs.emplace_back(fields.begin(), fields.end());
    }
    frozen = &runs[run];
  }
  if (bptt.mode == BpttMode::exact && frozen)
    return unroll_windows(p, initial, step, steps, *frozen);

  if (bptt.mode == BpttMode::exact && recording.tape) {
    const PoolVector<Tensor> entering = entering_states(p, initial, step);
    Transition transition(entering);
    const State next = step(0, p.rows(), with_vars(initial, transition.from));
    const PoolVector<Var> outputs =
        transition.close(vars(next), vars(initial), p.previous, std::min(steps, p.steps()));
    const State all = with_vars(next, outputs);
    // in slot order: the last rows as given, put back into slots
    const Tensor last = take_rows("unroll", p.last, Tensor::indices(p.order));
    return {output(all), map_state(all, [&](const Var& v) { return embedding(v, last); })};
  }

  return unroll_sequentially(p, initial, step,
                             [&](int64_t t, int64_t first, int64_t count, State& s) {
                               if (!ends_chunk(t)) return;
                               if (!frozen) {
                                 s = detach(s);
                                 return;
                               }
                               PoolVector<Tensor> kept;
                               for (const Tensor& f : *frozen)
                                 kept.push_back(f.narrow(0, first, count));
                               s = with_vars(s, kept);
                             });
}

}  // namespace detail

/// Runs step(first_row, row_count, state) -> state over all time steps from `initial` (batch, ..)
/// in slot order. step() narrows its own inputs to the rows it is told. Throws ValueError for a K
/// that the mode does not have (exact: >= 0, chunk: >= 1), and in exact mode when step() gives
/// other states for all rows at once than it did one time step after the other. With
/// bptt.recompute, a copy of step is called again in backward: what it captures by reference must
/// live until then.
template <class State, class Step>
Unrolled<State> unroll(const Packing& p, const State& initial, const Bptt& bptt, Step step) {
  return detail::unroll_with(
      p, initial, bptt,
      [step = std::move(step)](int64_t, int64_t) mutable -> Step& { return step; });
}

/// The same for a step of two parts: input(first_row, row_count) is what needs no state, a Var or a
/// struct with FIELDS, computed for all rows at once (with recompute: for those of a checkpoint),
/// and step(its rows, state) the rest.
template <class State, class Input, class Step>
Unrolled<State> unroll(const Packing& p, const State& initial, const Bptt& bptt, Input input,
                       Step step) {
  return detail::unroll_with(
      p, initial, bptt,
      [input = std::move(input), step = std::move(step)](int64_t start, int64_t rows) mutable {
        return
            [xs = input(start, rows), start, &step](int64_t first, int64_t count, const State& s) {
              return step(detail::rows_of(xs, first - start, count), s);
            };
      });
}

}  // namespace tapestry
