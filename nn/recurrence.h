#pragma once
// Runs whole sequences of the library's own cells as one op (autograd/ops/recurrence.h) where that
// says the same as step() after step(), and pays. RNN uses it by itself.

#include <tapestry/autograd/ops/recurrence.h>
#include <tapestry/nn/noise.h>
#include <tapestry/nn/unroll.h>

namespace tapestry::detail {

/// The states behind all rows.
inline RNNCell::State all_steps(const RNNCell& cell, const Var& xw, const Var& w,
                                const RNNCell::State& s, const Tensor& offsets, int64_t chunk) {
  const bool is_tanh = cell.activation == Activation::tanh;
  return {rnn_recurrence(xw, w, s.h, offsets, chunk, is_tanh)};
}
inline LSTMCell::State all_steps(const LSTMCell&, const Var& xw, const Var& w,
                                 const LSTMCell::State& s, const Tensor& offsets, int64_t chunk) {
  const auto [h, c] = lstm_recurrence(xw, w, s.h, s.c, offsets, chunk);
  return {h, c};
}
inline GRUCell::State all_steps(const GRUCell& cell, const Var& xw, const Var& w,
                                const GRUCell::State& s, const Tensor& offsets, int64_t chunk) {
  const Var bias = cell.bias_hh.defined() ? Var(cell.bias_hh) : Var();
  return {gru_recurrence(xw, w, bias, s.h, offsets, chunk)};
}

/// Of these very types: the step of a cell derived from them may be another.
template <class Cell>
inline constexpr bool kHasAllSteps = false;
template <>
inline constexpr bool kHasAllSteps<RNNCell> = true;
template <>
inline constexpr bool kHasAllSteps<LSTMCell> = true;
template <>
inline constexpr bool kHasAllSteps<GRUCell> = true;
template <class Cell>
inline constexpr bool kHasAllSteps<WeightDrop<Cell>> = kHasAllSteps<Cell>;
template <class Cell>
inline constexpr bool kHasAllSteps<Zoneout<Cell>> = kHasAllSteps<Cell>;  // where it is the cell

/// The weights that these draws put in the place of w_hh; undefined: none.
template <class Noise>
Var drawn_weights(const Noise& noise) {
  if constexpr (requires { noise.w_hh; }) return noise.w_hh;
  if constexpr (requires { noise.cell; }) return drawn_weights(noise.cell);
  return {};
}

/// Whether run_at_once() does for this cell, one of kHasAllSteps. Small weights stay with step(),
/// where BLAS copies them quickly, and models of them keep their results to the bit.
template <class Cell>
bool runs_at_once(const Cell& cell, const Bptt& bptt) {
  constexpr int64_t kSmall = 16384;
  if constexpr (requires { cell.zones_out(); })
    if (cell.zones_out()) return false;
  const bool truncates = bptt.mode == BpttMode::exact && recording.tape;
  const bool valid = bptt.mode != BpttMode::chunk || bptt.steps >= 1;
  return cell.w_hh.shape().numel() > kSmall && !truncates && valid && !bptt.frozen &&
         bptt.recompute == 0;
}

/// What unroll() returns for step(); `xw` are the inputs' parts of all rows.
template <class Cell>
Unrolled<typename Cell::State> run_at_once(const Cell& cell, const Var& xw, const Packing& p,
                                           const typename Cell::State& initial, const Bptt& bptt,
                                           const tapestry::NoiseOf<Cell>& noise) {
  require_batch(initial, p.batch());
  const Var drawn = drawn_weights(noise), w = drawn.defined() ? drawn : Var(cell.w_hh);
  Tensor offsets = Tensor::empty({p.steps() + 1}, i32);
  std::copy(p.offsets.begin(), p.offsets.end(), offsets.data<int32_t>());
  const auto all =
      all_steps(cell, xw, w, initial, offsets, bptt.mode == BpttMode::chunk ? bptt.steps : 0);
  const Tensor last =
      p.is_uniform ? Tensor() : take_rows("unroll", p.last, Tensor::indices(p.order));
  return {output(all), map_state(all, [&](const Var& v) {
            return last.defined() ? embedding(v, last)
                                  : rows_of(v, p.rows() - p.batch(), p.batch());
          })};
}

}  // namespace tapestry::detail
