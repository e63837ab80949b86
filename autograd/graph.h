#pragma once
// Graph: what a Tape records into and runs backward. For record.h and for segments; models use
// Tape.
//
// Nodes stand in creation order, so running backward is a descending loop. An op with n outputs is
// n nodes behind each other, and its rules belong to the first. Rules, what they saved and where
// their gradients go lie in flat arrays, of which a node owns the part between the ends of the node
// before and its own. Running backward takes them off the end again. Nothing is freed between
// tapes: a thread keeps its graphs, so a warm step allocates nothing. Output values are not kept: a
// temporary that no rule saved is freed at its semicolon.

#include <iosfwd>
#include <memory>
#include <vector>

#include <tapestry/autograd/observer.h>

namespace tapestry {

class Graph;
class Segment;

/// Where a gradient goes: a leaf, a node, or nowhere.
struct Target {
  static constexpr uint32_t kNone = ~uint32_t{0};
  Leaf* leaf = nullptr;  // counted when kept in a graph
  uint32_t node = kNone;
  bool any() const { return leaf || node != kNone; }
};

/// How far gradients flow while rules run.
struct Flow {
  uint32_t low = 0;     // nodes before this one get none
  bool leaves = true;   // whether parameters get theirs
  bool freeing = true;  // nothing runs a second time: nodes are taken off, what they saved is freed
};

/// The gradients that Tape::gradients asks for: they are kept here and reach no Parameter.
struct Request {
  struct Entry {
    Target input;
    Tensor gradient;
  };
  PoolVector<Entry> entries;
  Entry* find(const Target& t) {
    for (Entry& e : entries)
      if (e.input.leaf == t.leaf && e.input.node == t.node) return &e;
    return nullptr;
  }
};

/// Bytes with stable addresses, kept between tapes.
class Arena {
 public:
  struct Mark {
    size_t block = 0, used = 0;
  };
  void* take(size_t bytes);
  const Mark& mark() const { return at_; }
  void reset(const Mark& mark) { at_ = mark; }

 private:
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    size_t size;
  };
  std::vector<Block> blocks_;
  Mark at_;
};

class Graph {
 public:
  struct Rule {
    void (*run)(Graph&, const Rule&, const Tensor* dy);  // one dy per output of the op
    const void* numbers;                                 // in the arena
    uint32_t target, saved;                              // the first of its own
  };
  struct Saved {
    Tensor tensor;
    uint32_t version;
  };
  struct Node {
    const char* name;
    uint64_t serial;  // of the Vars that stand for it
    Shape shape;
    DType dtype;
    uint32_t rule_end, saved_end, target_end;
    uint32_t outputs;     // of the op, at its first node; 0 at the others
    bool opaque = false;  // its rules do not say what it depends on
    bool closed = false;  // gets no gradient
  };
  /// What had been recorded at some time.
  struct Mark {
    size_t nodes, rules, saved, targets, segments;
    Arena::Mark arena;
  };

  Graph() = default;
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // ---- recording

  /// Throws TapeError when the graph has run backward.
  void require_recording(const char* op) const {
    require<TapeError>(!done_, op, ": this Tape has already run backward (end its scope first)");
  }
  /// Throws TapeError for a Var that another graph recorded, or this one before it was cleared.
  Target target_of(const char* op, int input, const Origin& v) const;
  void keep_target(const Target& t);
  void save(const Tensor& t) { saved_.push_back({t, t.version()}); }
  void* take_bytes(size_t bytes) { return arena_.take(bytes); }
  /// A rule over what is kept and saved from here on; hand it to add_rule.
  Rule new_rule() const {
    return {nullptr, nullptr, static_cast<uint32_t>(targets_.size()),
            static_cast<uint32_t>(saved_.size())};
  }
  void add_rule(const Rule& rule) { rules_.push_back(rule); }
  /// A node that owns what was added since the one before; `value` stands for it then.
  void add_node(const char* name, Var& value, uint32_t outputs = 1);
  /// Forgets what was added since the last node.
  void drop_unowned() { shrink(nodes_.size(), begin_of(nodes_.size())); }
  /// A node without rules: its gradient is what a segment takes.
  Var placeholder(const char* name, Tensor value);
  /// Nodes [first, size()) are run backward by `segment`.
  void add_segment(size_t first, std::shared_ptr<Segment> segment);

  Mark mark() const;
  /// Forgets what was recorded since; Vars that stand for it are refused from then on.
  void roll_back(const Mark& mark);
  void clear();

  // ---- running backward

  /// Runs the rules of nodes [first, last) in descending order, segments by themselves. Gradients
  /// flow as far as `flow` and the flow of the run around it allow.
  void run(size_t first, size_t last, const Flow& flow = {});
  /// Before a gradient is given to a node outside of run().
  void make_room();
  /// The gradient that has reached a node; it has none afterwards.
  Tensor take(uint32_t node);
  void put(uint32_t node, Tensor d) { grads_[node] = std::move(d); }
  bool wanted(const Target& t) const {
    if (t.leaf) return flow_.leaves && (!request_ || request_->find(t));
    return t.node != Target::kNone && t.node >= flow_.low && !nodes_[t.node].closed;
  }
  /// The slot of a target; empty when it is not wanted.
  Grad grad_of(const Target& t);
  /// Adds d to the gradient of t, summed to its shape.
  void contribute(const Target& t, Tensor d);
  void drop_gradients();
  void close(uint32_t node, bool closed = true) { nodes_[node].closed = closed; }

  // ---- what rules read

  const Target* targets(const Rule& rule) const { return targets_.data() + rule.target; }
  /// Throws TapeError when the tensor was modified since it was saved.
  const Tensor& saved(uint32_t index) const {
    const Saved& s = saved_[index];
    if (s.tensor.version() != s.version) [[unlikely]]
      refuse_modified(s);
    return s.tensor;
  }

  // ---- for Tape

  const std::vector<Node>& nodes() const { return nodes_; }
  bool done() const { return done_; }
  void set_done(bool done) { done_ = done; }
  /// Marks which nodes no input of `request` flows into, and redirects what parameters get; null
  /// undoes it.
  void serve(Request* request);
  /// Throws TapeError when some parameters that got a gradient are held and others are not.
  void require_all_held() const;
  size_t bytes_saved(size_t node) const;
  void print_inputs(std::ostream& out, size_t node) const;

 private:
  struct Stretch {
    size_t first, last;
    std::shared_ptr<Segment> segment;
    bool running = false;
  };
  struct Part {  // of rules, saved tensors and targets: those of one node
    size_t rule = 0, saved = 0, target = 0;
  };
  Part begin_of(size_t node) const {
    if (node == 0) return {};
    const Node& before = nodes_[node - 1];
    return {before.rule_end, before.saved_end, before.target_end};
  }
  void answer(uint32_t node);
  void run_rules(size_t node);
  static bool is_in(const Stretch& s, size_t first, size_t last);
  void run_segment(size_t stretch);
  void shrink(size_t nodes, const Part& to);
  void show_gradients(size_t node) const;
  [[noreturn]] void refuse_modified(const Saved& s) const;

  std::vector<Node> nodes_;
  std::vector<Rule> rules_;
  std::vector<Saved> saved_;
  std::vector<Target> targets_;
  std::vector<Tensor> grads_;
  std::vector<Stretch> stretches_;  // in the order of their ends
  Arena arena_;
  uint64_t serial_ = new_serial();  // of the nodes recorded from here on
  bool done_ = false;

  // while rules run
  Flow flow_;
  Request* request_ = nullptr;
  size_t running_ = 0;
  bool touched_held_ = false, touched_loose_ = false;
  Shape loose_;

  static uint64_t new_serial();
};

}  // namespace tapestry
