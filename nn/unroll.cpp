#include <tapestry/nn/unroll.h>

#include <tapestry/autograd/record.h>
#include <tapestry/autograd/segment.h>

namespace tapestry::detail {

/// The recurrent step that was recorded once for all rows. The error that reaches row r of the
/// previous state belongs to the next state of row previous[r]. Each pass moves the errors one
/// transition back, without touching anything outside; their sum is then sent through the step
/// once, for the weights and the inputs.
struct Transition::Passes : Segment {
  uint32_t placeholders = 0;   // the first: they stand for the previous state
  PoolVector<Target> outputs;  // the nodes of the next state
  PoolVector<Origin> initial;  // whose values were the previous states of the first rows
  Tensor previous;             // (rows - first rows): the row of the same sequence one step earlier
  int64_t steps = 0;

  void backward(Graph& graph, size_t first, size_t last) override {
    const size_t fields = outputs.size();
    PoolVector<Tensor> error(fields);
    for (size_t f = 0; f < fields; ++f)
      if (outputs[f].any()) error[f] = graph.take(outputs[f].node);
    PoolVector<Tensor> total = error;
    for (int64_t step = 0; step < steps; ++step) {
      for (size_t f = 0; f < fields; ++f)
        if (outputs[f].any()) graph.put(outputs[f].node, std::exchange(error[f], {}));
      graph.run(first, last, {.low = placeholders, .leaves = false, .freeing = false});
      for (size_t f = 0; f < fields; ++f) {
        const Tensor reached = graph.take(placeholders + static_cast<uint32_t>(f));
        if (reached.defined()) move_back(graph, f, reached, error[f], total[f]);
      }
    }
    for (size_t f = 0; f < fields; ++f)
      if (outputs[f].any()) graph.put(outputs[f].node, std::move(total[f]));
    close_placeholders(graph, true);
    graph.run(first, last);
    close_placeholders(graph, false);
  }

 private:
  void move_back(Graph& graph, size_t f, const Tensor& reached, Tensor& error, Tensor& total) {
    const int64_t rows = reached.shape()[0], later = previous.numel();
    const Target start = graph.target_of("unroll", static_cast<int>(f) + 1, initial[f]);
    if (graph.wanted(start)) graph.contribute(start, reached.narrow(0, 0, rows - later));
    if (later == 0 || !outputs[f].any()) return;
    error = Tensor::zeros(reached.shape(), reached.dtype());
    add_rows_(error, previous, reached.narrow(0, rows - later, later));
    Grad(&total, nullptr, reached.shape(), reached.dtype()).add(error);
  }
  void close_placeholders(Graph& graph, bool closed) {
    for (size_t f = 0; f < outputs.size(); ++f)
      graph.close(placeholders + static_cast<uint32_t>(f), closed);
  }
};

PoolVector<int64_t> walk_offsets(const Packing& p, int64_t begin, int64_t end) {
  PoolVector<int64_t> out;
  for (int64_t t = begin - 1; t <= end; ++t)
    out.push_back(t < 0 ? 0 : p.offsets[static_cast<size_t>(t)]);
  return out;
}

/// Throws ValueError when `next`, computed for all rows at once, is not what entered the rows
/// later. One that is not finite is let through: that is for others to find.
void require_same_step(const Tensor& entered, const Tensor& next, const Tensor& previous) {
  const int64_t rows = entered.shape()[0], later = previous.numel();
  if (later == 0 || entered.dtype() == i32 || next.shape() != entered.shape()) return;
  double difference = 0, size = 0;
  dispatch("unroll", entered.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor a = next.to_contiguous(), b = entered.to_contiguous();
    const int64_t width = a.numel() / rows;
    const int32_t* from = previous.data<int32_t>();
    for (int64_t r = 0; r < later; ++r) {
      const T *x = a.data<T>() + from[r] * width, *y = b.data<T>() + (rows - later + r) * width;
      T d = 0, s = 0;
      for (int64_t k = 0; k < width; ++k) d += (x[k] - y[k]) * (x[k] - y[k]), s += y[k] * y[k];
      difference += static_cast<double>(d);
      size += static_cast<double>(s);
    }
    size += 1e-6 * static_cast<double>(later * width);  // values near 0 hold rounding errors alone
  });
  const double tolerance = entered.dtype() == f32 ? 1e-3 : 1e-9;
  require<ValueError>(
      !(difference > tolerance * tolerance * size),
      "unroll: the step gave other states for all rows at once than it did one time step after the "
      "other, which exact truncation needs to be the same (draw masks for all rows before, and "
      "narrow them in the step to the rows that it is told)");
}

Transition::Transition(std::span<const Tensor> states)
    : graph_(recording.tape->graph()),
      passes_(std::allocate_shared<Passes>(PoolAllocator<Passes>())) {
  graph_.require_recording("unroll");
  passes_->placeholders = static_cast<uint32_t>(graph_.nodes().size());
  for (const Tensor& state : states) from.push_back(graph_.placeholder("previous_state", state));
}

PoolVector<Var> Transition::close(std::span<const Var> next, std::span<const Var> initial,
                                  const Tensor& previous, int64_t steps) {
  for (size_t f = 0; f < std::min(next.size(), from.size()); ++f)
    require_same_step(from[f].value(), next[f].value(), previous);
  passes_->previous = previous;
  passes_->steps = steps;
  for (const Var& state : initial) passes_->initial.push_back(state.origin());
  PoolVector<Var> out;
  for (const Var& state : next) {
    out.push_back(
        record("next_state", state.value(), wrt(state, [](const Tensor& dy) { return dy; })));
    const Origin& origin = out.back().origin();
    passes_->outputs.push_back(origin.serial ? Target{nullptr, origin.node} : Target{});
  }
  graph_.add_segment(passes_->placeholders + from.size(), passes_);
  return out;
}

}  // namespace tapestry::detail
