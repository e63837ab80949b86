#include <tapestry/autograd/tape.h>

#include <algorithm>
#include <atomic>

#include <tapestry/tensor/reduce.h>

namespace tapestry {

using detail::Buffers;
using detail::Node;
using detail::Transition;

namespace {

std::atomic<uint64_t> serials{0};

/// The buffers of ended tapes of this thread: usually one.
std::vector<std::unique_ptr<Buffers>>& spare_buffers() {
  static thread_local std::vector<std::unique_ptr<Buffers>> spare;
  return spare;
}

}  // namespace

void* detail::Arena::take(size_t bytes) {
  bytes = (bytes + 15) & ~size_t{15};
  while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size) ++block_, used_ = 0;
  if (block_ == blocks_.size()) {
    const size_t size = std::max(bytes, size_t{1} << (14 + std::min<size_t>(block_, 8)));
    blocks_.push_back({std::make_unique<std::byte[]>(size), size});
  }
  void* out = blocks_[block_].bytes.get() + used_;
  used_ += bytes;
  return out;
}

Tape::Tape() : serial_(++serials) {
  require<TapeError>(!recording.tape,
                     "Tape: another Tape is recording on this thread (end its scope, or suspend it "
                     "with Tape::Pause)");
  auto& spare = spare_buffers();
  if (spare.empty()) {
    buffers_ = std::make_unique<Buffers>();
  } else {
    buffers_ = std::move(spare.back());
    spare.pop_back();
  }
  recording.tape = this;
}

Tape::~Tape() {
  clear();
  recording.tape = nullptr;
  spare_buffers().push_back(std::move(buffers_));
}

/// Costs what this step recorded, never what the largest step ever did.
void Tape::clear() {
  Buffers& b = *buffers_;
  release_targets(0);
  for (size_t i = 0, n = std::min(b.nodes.size(), b.grads.size()); i < n; ++i)
    b.grads[i] = Tensor();
  for (size_t i = 0; i < b.open_transitions; ++i) b.transitions[i].previous = Tensor();
  b.open_transitions = 0;
  b.transition_open = false;
  b.saved.clear();
  b.rules.clear();
  b.nodes.clear();
  b.arena.reset();
}

detail::Target Tape::target_of(const char* name, int input, const Var& v) const {
  if (v.leaf_) return v.leaf_->frozen ? Target{} : Target{v.leaf_.get(), Target::kNone};
  if (v.serial_ == 0) return {};
  require<TapeError>(v.serial_ == serial_, name, ": input #", input,
                     " was recorded on a Tape that has ended or belongs to another thread (call "
                     "detach() to carry a value into the next window)");
  return {nullptr, v.node_};
}

void Tape::keep_target(const Target& t) {
  if (t.leaf) t.leaf->refs.fetch_add(1, std::memory_order_relaxed);
  buffers_->targets.push_back(t);
}

void Tape::release_targets(size_t begin) {
  auto& targets = buffers_->targets;
  while (targets.size() > begin) {
    Leaf* leaf = targets.back().leaf;
    if (leaf && leaf->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete leaf;
    targets.pop_back();
  }
}

void Tape::roll_back(size_t rules, size_t saved, size_t targets) {
  Buffers& b = *buffers_;
  b.rules.resize(rules);
  while (b.saved.size() > saved) b.saved.pop_back();
  release_targets(targets);
}

void Tape::add_node(Var& out, const char* name) {
  Buffers& b = *buffers_;
  b.nodes.push_back({name, out.shape(), out.dtype(), static_cast<uint32_t>(b.rules.size()),
                     static_cast<uint32_t>(b.saved.size()),
                     static_cast<uint32_t>(b.targets.size())});
  out.serial_ = serial_;
  out.node_ = static_cast<uint32_t>(b.nodes.size() - 1);
}

const Tensor& Tape::saved(uint32_t index) const {
  const detail::Saved& s = buffers_->saved[index];
  require<TapeError>(s.tensor.version() == s.version, "backward of ", running_, " (#",
                     running_node_, "): saved tensor ", s.tensor.shape(),
                     " was modified in place after the forward pass (version ", s.tensor.version(),
                     ", saved at ", s.version, ")");
  return s.tensor;
}

Grad Tape::grad_of(const Target& t) {
  if (!wanted(t)) return {};
  if (t.leaf) return t.leaf->grad();
  const Node& node = buffers_->nodes[t.node];
  return {&buffers_->grads[t.node], nullptr, node.shape, node.dtype};
}

const Shape& Tape::shape_of(const Target& t) const {
  return t.leaf ? t.leaf->value.shape() : buffers_->nodes[t.node].shape;
}

void Tape::add_contribution(const Target& t, Tensor d) {
  const Shape& shape = shape_of(t);
  grad_of(t).add(d.shape() == shape ? std::move(d) : sum_to(d, shape));
}

void Tape::run_rules(size_t i, const Tensor& dy) {
  const Buffers& b = *buffers_;
  const Node& node = b.nodes[i];
  running_ = node.name;
  running_node_ = i;
  if (recording.observer) [[unlikely]]
    recording.observer->backward_begin(node.name, i, dy);
  const uint32_t version = dy.version();
  for (size_t k = node.rule_end; k-- > (i ? b.nodes[i - 1].rule_end : 0);)
    b.rules[k].run(*this, b.rules[k], dy);
  require<TapeError>(dy.version() == version, "backward of ", node.name, " (#", i,
                     "): a rule modified the gradient ", node.shape, " it was given in place");
  if (recording.observer) [[unlikely]] {
    recording.observer->backward_end(node.name, i);
    show_gradients(i);
  }
}

void Tape::show_gradients(size_t i) {
  const Buffers& b = *buffers_;
  for (size_t k = i ? b.nodes[i - 1].target_end : 0; k < b.nodes[i].target_end; ++k) {
    const Target& t = b.targets[k];
    if (!wanted(t)) continue;
    const Tensor& dense = t.leaf ? t.leaf->dense : b.grads[t.node];
    if (dense.defined()) recording.observer->gradient(b.nodes[i].name, i, dense);
    if (t.leaf && !t.leaf->rows.empty())
      recording.observer->gradient(b.nodes[i].name, i, t.leaf->rows.back().values);
  }
}

void Tape::backward(const Var& loss) {
  require<TapeError>(!done_, "backward: this Tape has already run backward");
  require<ShapeError>(loss.defined() && loss.value().numel() == 1, "backward: loss has shape ",
                      loss.shape(), ", expected a scalar (use sum or mean)");
  require<TapeError>(
      loss.serial_ == serial_,
      "backward: the loss was not recorded on this Tape (it depends on no parameter, "
      "or was computed outside the Tape's scope)");
  require<TapeError>(
      recording.tape == this,
      "backward: call it on the thread that recorded the Tape, outside of Tape::Pause");
  done_ = true;
  Buffers& b = *buffers_;
  if (b.grads.size() < b.nodes.size()) b.grads.resize(b.nodes.size());
  b.grads[loss.node_] = Tensor::full(loss.shape(), 1, loss.dtype());
  size_t transition = b.open_transitions;
  for (size_t i = b.nodes.size(); i-- > 0;) {
    if (transition > 0 && b.transitions[transition - 1].last == i)
      horizon_passes(b.transitions[--transition]);
    if (b.grads[i].defined()) {
      const Tensor dy = std::move(b.grads[i]);
      run_rules(i, dy);
      for (size_t k = i ? b.nodes[i - 1].target_end : 0; k < b.nodes[i].target_end; ++k)
        if (const Leaf* leaf = b.targets[k].leaf) {
          (leaf->tracked ? touched_tracked_ : touched_untracked_) = true;
          if (!leaf->tracked) untracked_shape_ = leaf->value.shape();
        }
    }
    const size_t saved_begin = i ? b.nodes[i - 1].saved_end : 0;
    while (b.saved.size() > saved_begin) b.saved.pop_back();
    release_targets(i ? b.nodes[i - 1].target_end : 0);
  }
  require<TapeError>(
      !(touched_tracked_ && touched_untracked_), "optimizer: a ", untracked_shape_,
      " parameter has a gradient but belongs to no optimizer (is it listed in FIELDS?)");
}

PoolVector<Var> Tape::begin_transition(std::span<const Tensor> states) {
  PoolVector<Var> out(states.begin(), states.end());
  Tape* tape = recording.tape;
  if (!tape) return out;
  Buffers& b = *tape->buffers_;
  require<TapeError>(
      !std::exchange(b.transition_open, true),
      "unroll: an exact truncation inside the step of another (use chunk or full there)");
  if (b.transitions.size() == b.open_transitions) b.transitions.emplace_back();
  Transition& t = b.transitions[b.open_transitions];
  t.first = static_cast<uint32_t>(b.nodes.size());
  t.count = static_cast<uint32_t>(states.size());
  for (Var& state : out) tape->add_node(state, "previous_state");
  return out;
}

PoolVector<Var> Tape::end_transition(std::span<const Var> next, std::span<const Var> initial,
                                     const Tensor& previous, int64_t steps) {
  Tape* tape = recording.tape;
  if (!tape) return {next.begin(), next.end()};
  PoolVector<Var> out;
  Buffers& b = *tape->buffers_;
  Transition& t = b.transitions[b.open_transitions++];
  b.transition_open = false;
  t.previous = previous;
  t.steps = steps;
  t.outputs.clear();
  t.initial.clear();
  for (const Var& state : initial) {  // counted with the targets of the node below
    t.initial.push_back(tape->target_of("initial state", 1, state));
    tape->keep_target(t.initial.back());
  }
  for (const Var& state : next) {
    out.push_back(
        record("next_state", state.value(), wrt(state, [](const Tensor& dy) { return dy; })));
    t.outputs.push_back({nullptr, out.back().serial_ ? out.back().node_ : Target::kNone});
  }
  t.last = static_cast<uint32_t>(b.nodes.size() - 1);
  return out;
}

// The error that reaches row r of the previous state belongs to the next state of row previous[r].
// Each pass moves the errors one transition back, without touching anything outside the transition;
// their sum is then sent through the transition once, for the weights and the inputs.
void Tape::horizon_passes(const Transition& t) {
  Buffers& b = *buffers_;
  const size_t fields = t.outputs.size();
  PoolVector<Tensor> error(fields);
  for (size_t f = 0; f < fields; ++f)
    if (t.outputs[f].node != Target::kNone) error[f] = b.grads[t.outputs[f].node];
  PoolVector<Tensor> total = error;
  for (int64_t step = 0; step < t.steps; ++step) {
    inside_ = true;
    low_ = t.first;
    for (size_t f = 0; f < fields; ++f)
      if (t.outputs[f].node != Target::kNone)
        b.grads[t.outputs[f].node] = std::exchange(error[f], {});
    for (size_t i = t.last + 1; i-- > t.first + t.count;)
      if (b.grads[i].defined()) {
        const Tensor dy = std::move(b.grads[i]);
        run_rules(i, dy);
      }
    inside_ = false;
    low_ = 0;
    for (size_t f = 0; f < fields; ++f) {
      const Tensor reached = std::move(b.grads[t.first + f]);
      if (!reached.defined()) continue;
      const int64_t rows = reached.shape()[0], later = t.previous.numel();
      if (f < t.initial.size() && wanted(t.initial[f]))
        add_contribution(t.initial[f], reached.narrow(0, 0, rows - later));
      if (later == 0 || t.outputs[f].node == Target::kNone) continue;
      error[f] = Tensor::zeros(reached.shape(), reached.dtype());
      add_rows_(error[f], t.previous, reached.narrow(0, rows - later, later));
      Grad(&total[f], nullptr, reached.shape(), reached.dtype()).add(error[f]);
    }
  }
  hidden_ = t.first;
  hidden_count_ = t.count;
  for (size_t f = 0; f < fields; ++f)
    if (t.outputs[f].node != Target::kNone) b.grads[t.outputs[f].node] = std::move(total[f]);
}

std::vector<std::string> Tape::names() const {
  std::vector<std::string> out;
  for (const Node& node : buffers_->nodes) out.emplace_back(node.name);
  return out;
}

void Tape::print(std::ostream& out) const {
  const Buffers& b = *buffers_;
  uint32_t rule = 0, saved = 0;
  for (size_t i = 0; i < b.nodes.size(); ++i) {
    const Node& node = b.nodes[i];
    out << '#' << i << ' ' << node.name << ' ' << node.shape << ' ' << node.dtype;
    const char* separator = " <- ";
    for (; rule < node.rule_end; ++rule)
      for (uint32_t k = 0; k < b.rules[rule].targets && !done_; ++k) {
        const Target& t = b.targets[b.rules[rule].target + k];
        if (!t.any()) continue;
        out << std::exchange(separator, ", ");
        if (t.leaf)
          out << "parameter " << t.leaf->value.shape();
        else
          out << '#' << t.node;
      }
    size_t bytes = 0;
    for (; saved < node.saved_end && !done_; ++saved)
      bytes += static_cast<size_t>(b.saved[saved].tensor.numel()) *
               size_of(b.saved[saved].tensor.dtype());
    if (bytes) out << "  saves " << bytes << " B";
    out << '\n';
  }
}

void Observer::notify(const char* name, const Var& out) {
  recording.observer->forward(name, out.value(),
                              recording.tape ? recording.tape->saved_by(out) : 0);
}

size_t Tape::saved_by(const Var& last) const {
  if (last.serial_ != serial_) return 0;
  const Buffers& b = *buffers_;
  size_t bytes = 0;
  for (size_t i = last.node_ ? b.nodes[last.node_ - 1].saved_end : 0; i < b.saved.size(); ++i)
    bytes += static_cast<size_t>(b.saved[i].tensor.numel()) * size_of(b.saved[i].tensor.dtype());
  return bytes;
}

}  // namespace tapestry
