#include <tapestry/autograd/segment.h>

#include <cstring>

namespace tapestry::detail {

namespace {

/// A hash of the elements' bits: equal values, NaN included, and nothing kept alive to compare
/// with.
uint64_t bits_of(const Tensor& value) {
  const Tensor t = value.to_contiguous();
  uint64_t hash = 14695981039346656037u;  // FNV-1a over words
  dispatch_any(t.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* x = t.data<T>();
    for (int64_t i = 0, n = t.numel(); i < n; ++i) {
      uint64_t word = 0;
      std::memcpy(&word, x + i, sizeof(T));
      hash = (hash ^ word) * 1099511628211u;
    }
  });
  return hash;
}

}  // namespace

void Checkpoint::forget(Graph& graph, const Graph::Mark& before, std::span<Var* const> results,
                        std::shared_ptr<Checkpoint> self) {
  for (const Var* v : results) {
    const bool recorded = v->origin().serial != 0 && v->origin().node >= before.nodes;
    self->results_.push_back({recorded, recorded ? bits_of(v->value()) : 0});
  }
  graph.roll_back(before);
  for (size_t i = 0; i < results.size(); ++i)
    if (self->results_[i].recorded)
      // A copy: a view, such as the last of many states, would keep all that it is a part of.
      *results[i] = graph.placeholder("checkpoint", results[i]->value().clone());
  graph.add_segment(before.nodes, std::move(self));
}

void Checkpoint::backward(Graph& graph, size_t first, size_t last) {
  PoolVector<Tensor> dy;
  bool any = false;
  for (size_t i = first; i < last; ++i) {
    dy.push_back(graph.take(static_cast<uint32_t>(i)));
    any |= dy.back().defined();
  }
  if (!any) return;
  struct Again {  // records behind the end, and forgets it
    Graph& graph;
    Graph::Mark before;
    bool done;
    explicit Again(Graph& g) : graph(g), before(g.mark()), done(g.done()) { g.set_done(false); }
    ~Again() {
      graph.roll_back(before);
      graph.set_done(done);
    }
  } const again(graph);
  const PoolVector<Var> results = record();
  graph.make_room();
  size_t next = 0;
  for (size_t i = 0; i < results_.size(); ++i) {
    if (!results_[i].recorded) continue;
    require<TapeError>(
        i < results.size() && bits_of(results[i].value()) == results_[i].bits,
        "checkpoint: result #", i + 1,
        " has other values when it is computed again for backward (draw masks before and capture "
        "them; a value that changes meanwhile is read before, too)");
    const Tensor& d = dy[next++];
    const Target to = graph.target_of("checkpoint", 1, results[i].origin());
    if (d.defined() && graph.wanted(to)) graph.contribute(to, d);
  }
  graph.run(again.before.nodes, graph.nodes().size());
}

}  // namespace tapestry::detail
