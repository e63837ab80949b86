#pragma once
// What a recurrent cell is. Any struct with these members is as good as the library's own:
//
//   struct State { Var h, ...; FIELDS(h, ...) };     // each (B, ...); the first is the output
//   Cell(int64_t in, int64_t hidden, Rng& rng);      // and an Options, if there is Cell::Options
//   Var input(const Var& x) const;                   // x w + bias for all time steps at once
//   State step(const Var& xw, const State& s) const;
//   State zero(int64_t batch) const;
//
// input() receives packed rows (rows, in): those of all sequences of a time step, then those of the
// next (see packing.h). It must treat each row by itself: what looks at several time steps, such as
// a convolution, belongs before the RNN, where time is a dim.
//
// step() must give the same when it is evaluated again: truncation relies on it. A cell that needs
// random numbers has them drawn before, for all rows of a run at once:
//
//   struct Noise { Var mask; FIELDS(mask) };         // a default one evaluates, without noise
//   Noise noise(const Packing& p, Rng& rng) const;   // where the RNN is given a generator
//   State step(const Var& xw, const State& s, const Noise& n) const;
//
// Vars that its FIELDS lists are undefined or have one row for each packed row, and step() gets
// those of its rows. Other members arrive as they are: a matrix with some weights dropped, say.

#include <concepts>

#include <tapestry/nn/module.h>
#include <tapestry/nn/packing.h>
#include <tapestry/nn/state.h>
#include <tapestry/tensor/random.h>

namespace tapestry {

template <class C>
concept HasNoise = requires {
  typename C::Noise;
};

template <class C>
concept StepsWithNoise = requires(const C& cell, const Var& xw, const typename C::State& s,
                                  const typename C::Noise& noise, const Packing& p, Rng& rng) {
  requires RecurrentState<typename C::Noise> && std::default_initializable<typename C::Noise>;
  { cell.noise(p, rng) } -> std::same_as<typename C::Noise>;
  { cell.step(xw, s, noise) } -> std::same_as<typename C::State>;
};

template <class C>
concept Steps = requires(const C& cell, const Var& xw, const typename C::State& s) {
  { cell.step(xw, s) } -> std::same_as<typename C::State>;
};

template <class C>
concept RecurrentCell = Module<C> && RecurrentState<typename C::State> &&
    (HasNoise<C> ? StepsWithNoise<C> : Steps<C>)&&requires(const C& cell, const Var& x) {
  { cell.input(x) } -> std::same_as<Var>;
  { cell.zero(int64_t{1}) } -> std::same_as<typename C::State>;
};

namespace detail {

struct NoNoise {
  FIELDS()
};
template <class Cell>
struct NoiseOf {
  using type = NoNoise;
};
template <HasNoise Cell>
struct NoiseOf<Cell> {
  using type = typename Cell::Noise;
};

struct NoOptions {};
template <class Cell>
struct OptionsOf {
  using type = NoOptions;
};
template <class Cell>
requires requires { typename Cell::Options; }
struct OptionsOf<Cell> {
  using type = typename Cell::Options;
};

}  // namespace detail

/// Cell::Noise, or an empty struct.
template <class Cell>
using NoiseOf = typename detail::NoiseOf<Cell>::type;
/// Cell::Options, or an empty struct.
template <class Cell>
using OptionsOf = typename detail::OptionsOf<Cell>::type;

/// A cell with its options, if it has any.
template <class Cell>
Cell make_cell(int64_t in, int64_t hidden, Rng& rng, const OptionsOf<Cell>& options = {}) {
  if constexpr (requires { typename Cell::Options; })
    return Cell(in, hidden, rng, options);
  else
    return Cell(in, hidden, rng);
}

/// The noise of a run, for any cell; without a generator none.
template <RecurrentCell Cell>
NoiseOf<Cell> draw_noise(const Cell& cell, const Packing& p, Rng* rng) {
  if constexpr (HasNoise<Cell>)
    if (rng) return cell.noise(p, *rng);
  return {};
}

/// A step of any cell.
template <RecurrentCell Cell>
typename Cell::State step_cell(const Cell& cell, const Var& xw, const typename Cell::State& s,
                               const NoiseOf<Cell>& noise) {
  if constexpr (HasNoise<Cell>)
    return cell.step(xw, s, noise);
  else
    return cell.step(xw, s);
}

}  // namespace tapestry
