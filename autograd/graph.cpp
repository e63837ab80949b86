#include <tapestry/autograd/graph.h>

#include <algorithm>
#include <atomic>
#include <ostream>

#include <tapestry/autograd/segment.h>
#include <tapestry/tensor/reduce.h>

namespace tapestry {
namespace {

/// Makes a tensor undefined; less work than assigning one that is.
void drop(Tensor& t) { const Tensor gone = std::move(t); }

}  // namespace

void* Arena::take(size_t bytes) {
  bytes = (bytes + 15) & ~size_t{15};
  while (at_.block < blocks_.size() && at_.used + bytes > blocks_[at_.block].size)
    ++at_.block, at_.used = 0;
  if (at_.block == blocks_.size()) {
    const size_t size = std::max(bytes, size_t{1} << (14 + std::min<size_t>(at_.block, 8)));
    blocks_.push_back({std::make_unique<std::byte[]>(size), size});
  }
  void* out = blocks_[at_.block].bytes.get() + at_.used;
  at_.used += bytes;
  return out;
}

uint64_t Graph::new_serial() {
  static std::atomic<uint64_t> serials{0};
  return serials.fetch_add(1, std::memory_order_relaxed) + 1;
}

Graph::~Graph() { clear(); }

// ---- recording

Target Graph::target_of(const char* op, int input, const Origin& origin) const {
  if (origin.leaf) return origin.leaf->frozen ? Target{} : Target{origin.leaf.get(), Target::kNone};
  if (origin.serial == 0) return {};
  require<TapeError>(origin.node < nodes_.size() && nodes_[origin.node].serial == origin.serial, op,
                     ": input #", input,
                     " was recorded on a Tape that has ended or belongs to another thread (call "
                     "detach() to carry a value into the next window)");
  return {nullptr, origin.node};
}

void Graph::keep_target(const Target& t) {
  if (t.leaf) t.leaf->refs.fetch_add(1, std::memory_order_relaxed);
  targets_.push_back(t);
}

void Graph::add_node(const char* name, Var& value, uint32_t outputs) {
  value.stand_for(serial_, static_cast<uint32_t>(nodes_.size()));
  nodes_.push_back({name, serial_, value.shape(), value.dtype(),
                    static_cast<uint32_t>(rules_.size()), static_cast<uint32_t>(saved_.size()),
                    static_cast<uint32_t>(targets_.size()), outputs});
}

Var Graph::placeholder(const char* name, Tensor value) {
  Var out(std::move(value));
  add_node(name, out);
  nodes_.back().opaque = true;
  return out;
}

void Graph::add_segment(size_t first, std::shared_ptr<Segment> segment) {
  if (first < nodes_.size()) stretches_.push_back({first, nodes_.size(), std::move(segment)});
}

Graph::Mark Graph::mark() const {
  return {nodes_.size(),   rules_.size(),     saved_.size(),
          targets_.size(), stretches_.size(), arena_.mark()};
}

void Graph::shrink(size_t nodes, const Part& to) {
  nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(nodes), nodes_.end());
  rules_.erase(rules_.begin() + static_cast<std::ptrdiff_t>(to.rule), rules_.end());
  while (saved_.size() > to.saved) saved_.pop_back();
  while (targets_.size() > to.target) {
    Leaf* leaf = targets_.back().leaf;
    if (leaf && leaf->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete leaf;
    targets_.pop_back();
  }
}

void Graph::roll_back(const Mark& mark) {
  if (nodes_.size() > mark.nodes) serial_ = new_serial();
  for (size_t i = mark.nodes, n = std::min(nodes_.size(), grads_.size()); i < n; ++i)
    drop(grads_[i]);
  while (stretches_.size() > mark.segments) stretches_.pop_back();
  shrink(mark.nodes, {mark.rules, mark.saved, mark.targets});
  arena_.reset(mark.arena);
}

/// Costs what this step recorded, never what the largest step ever did.
void Graph::clear() {
  roll_back({});
  serial_ = new_serial();
  done_ = touched_held_ = touched_loose_ = false;
}

// ---- running backward

void Graph::make_room() {
  if (grads_.size() < nodes_.size()) grads_.resize(nodes_.size());
}

Tensor Graph::take(uint32_t node) {
  if (request_) answer(node);
  return std::exchange(grads_[node], {});
}

/// Keeps the gradient of a node that was asked for. A partial one is replaced by the whole later.
void Graph::answer(uint32_t node) {
  if (!flow_.leaves) return;
  if (Request::Entry* e = request_->find({nullptr, node})) e->gradient = grads_[node];
}

Grad Graph::grad_of(const Target& t) {
  if (!wanted(t)) return {};
  if (!t.leaf) return {&grads_[t.node], nullptr, nodes_[t.node].shape, nodes_[t.node].dtype};
  if (request_)
    return {&request_->find(t)->gradient, nullptr, t.leaf->value.shape(), t.leaf->value.dtype()};
  (t.leaf->held ? touched_held_ : touched_loose_) = true;
  if (!t.leaf->held) loose_ = t.leaf->value.shape();
  return t.leaf->grad();
}

void Graph::contribute(const Target& t, Tensor d) {
  const Shape& shape = t.leaf ? t.leaf->value.shape() : nodes_[t.node].shape;
  grad_of(t).add(d.shape() == shape ? std::move(d) : sum_to(d, shape));
}

void Graph::drop_gradients() {
  for (size_t i = 0, n = std::min(nodes_.size(), grads_.size()); i < n; ++i) drop(grads_[i]);
}

/// Whether a segment is one of those that nodes [first, last) may end with.
bool Graph::is_in(const Stretch& s, size_t first, size_t last) {
  return s.segment && !s.running && s.first >= first && s.last <= last;
}

void Graph::run(size_t first, size_t last, const Flow& flow) {
  struct Restore {
    Flow &now, before;
    ~Restore() { now = before; }
  } const restore{flow_, flow_};
  flow_ = {std::max(flow_.low, flow.low), flow_.leaves && flow.leaves,
           flow_.freeing && flow.freeing};
  make_room();
  size_t next = stretches_.size();  // segments up to here are yet to come
  for (size_t i = last; i-- > first;) {
    while (next > 0 && !is_in(stretches_[next - 1], first, i + 1)) --next;
    if (next > 0 && stretches_[next - 1].last == i + 1) {
      run_segment(--next);
      i = stretches_[next].first;
      if (flow_.freeing) stretches_[next].segment.reset();  // its nodes are gone
    } else if (nodes_[i].outputs == 0) {
      continue;  // its gradient waits for the first output of the op
    } else {
      run_rules(i);
    }
    if (flow_.freeing) shrink(i, begin_of(i));
  }
}

void Graph::run_segment(size_t stretch) {
  // the segment may record again and so move what stretches_ holds
  const std::shared_ptr<Segment> segment = stretches_[stretch].segment;
  const size_t first = stretches_[stretch].first, last = stretches_[stretch].last;
  stretches_[stretch].running = true;
  try {
    segment->backward(*this, first, last);
  } catch (...) {
    stretches_[stretch].running = false;
    throw;
  }
  stretches_[stretch].running = false;
}

void Graph::run_rules(size_t i) {
  const Node& node = nodes_[i];
  const std::span<Tensor> dy(&grads_[i], node.outputs);
  if (request_) [[unlikely]]
    for (size_t k = 0; k < dy.size(); ++k) answer(static_cast<uint32_t>(i + k));
  const auto given = std::find_if(dy.begin(), dy.end(), [](auto& d) { return d.defined(); });
  if (given == dy.end()) return;
  const size_t first = begin_of(i).rule;
  if (first == node.rule_end) return drop(dy[0]);
  const auto versions = [&] {  // a version never falls
    uint32_t sum = 0;
    for (const Tensor& d : dy) sum += d.version();
    return sum;
  };
  const uint32_t before = versions();
  running_ = i;
  if (recording.observer) [[unlikely]]
    recording.observer->backward_begin(node.name, i, *given);
  for (size_t k = node.rule_end; k-- > first;) rules_[k].run(*this, rules_[k], dy.data());
  require<TapeError>(versions() == before, "backward of ", node.name, " (#", i,
                     "): a rule modified the gradient ", node.shape, " it was given in place");
  if (recording.observer) [[unlikely]] {
    recording.observer->backward_end(node.name, i);
    show_gradients(i);
  }
  for (Tensor& d : dy) drop(d);
}

void Graph::show_gradients(size_t i) const {
  for (size_t k = begin_of(i).target; k < nodes_[i].target_end; ++k) {
    const Target& t = targets_[k];
    if (!wanted(t)) continue;
    const Tensor& dense = !t.leaf    ? grads_[t.node]
                          : request_ ? request_->find(t)->gradient
                                     : t.leaf->dense;
    if (dense.defined()) recording.observer->gradient(nodes_[i].name, i, dense);
    if (t.leaf && !request_ && !t.leaf->rows.empty())
      recording.observer->gradient(nodes_[i].name, i, t.leaf->rows.back().values);
  }
}

void Graph::require_all_held() const {
  require<TapeError>(!(touched_held_ && touched_loose_), "backward: a ", loose_,
                     " parameter has a gradient that nothing applies, while others of this Tape "
                     "are applied (is it part of the model that is trained?)");
}

void Graph::refuse_modified(const Saved& s) const {
  fail<TapeError>("backward of ", nodes_[running_].name, " (#", running_, "): saved tensor ",
                  s.tensor.shape(), " was modified in place after the forward pass (version ",
                  s.tensor.version(), ", saved at ", s.version, ")");
}

void Graph::serve(Request* request) {
  request_ = request;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.outputs == 0) continue;  // as the first output of its op
    bool needed = !request || node.opaque;
    for (size_t k = begin_of(i).target; k < node.target_end && !needed; ++k) {
      const Target& t = targets_[k];
      needed = t.leaf ? request->find(t) != nullptr : t.any() && !nodes_[t.node].closed;
    }
    for (size_t k = i; k < i + node.outputs; ++k)
      nodes_[k].closed = !needed && !request->find({nullptr, static_cast<uint32_t>(k)});
  }
}

// ---- what is shown

size_t Graph::bytes_saved(size_t node) const {
  size_t bytes = 0;
  for (size_t i = begin_of(node).saved; i < nodes_[node].saved_end; ++i)
    bytes += static_cast<size_t>(saved_[i].tensor.numel()) * size_of(saved_[i].tensor.dtype());
  return bytes;
}

void Graph::print_inputs(std::ostream& out, size_t node) const {
  const char* separator = " <- ";
  for (size_t k = begin_of(node).target; k < nodes_[node].target_end; ++k) {
    const Target& t = targets_[k];
    if (!t.any()) continue;
    out << std::exchange(separator, ", ");
    if (t.leaf)
      out << "parameter " << t.leaf->value.shape();
    else
      out << '#' << t.node;
  }
}

}  // namespace tapestry
