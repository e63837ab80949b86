#pragma once
// What a Tape records into: nodes in creation order, their rules, targets and saved tensors, and an
// arena for plain numbers. A node's parts are what lies between the ends of the node before and its
// own. Buffers are kept per thread and cleared, not freed, between tapes.

#include <memory>
#include <vector>

#include <tapestry/autograd/var.h>

namespace tapestry::detail {

struct Target {  // where a rule's gradient goes: a leaf, a node, or nowhere
  static constexpr uint32_t kNone = ~uint32_t{0};
  Leaf* leaf = nullptr;  // counted
  uint32_t node = kNone;
  bool any() const { return leaf || node != kNone; }
};
struct Rule {
  void (*run)(Tape&, const Rule&, const Tensor& dy);
  const void* numbers;  // in the arena
  uint32_t target, targets, saved;
};
struct Saved {
  Tensor tensor;
  uint32_t version;
};
struct Node {
  const char* name;
  Shape shape;
  DType dtype;
  uint32_t rule_end, saved_end, target_end;
};
/// A recurrent transition that was recorded once for all time steps; see Tape::begin_transition.
struct Transition {
  uint32_t first, count;  // nodes [first, first + count) stand for the previous state
  uint32_t last = 0;      // the node whose turn starts the horizon passes
  std::vector<Target> outputs, initial;
  Tensor previous;  // (rows - first_rows) i32: the row of the same sequence one step earlier
  int64_t steps = 0;
};
/// Bytes with stable addresses, kept between tapes.
class Arena {
 public:
  void* take(size_t bytes);
  void reset() { block_ = used_ = 0; }

 private:
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    size_t size;
  };
  std::vector<Block> blocks_;
  size_t block_ = 0, used_ = 0;
};
struct Buffers {
  std::vector<Node> nodes;
  std::vector<Rule> rules;
  std::vector<Saved> saved;
  std::vector<Target> targets;
  std::vector<Tensor> grads;
  std::vector<Transition> transitions;
  bool transition_open = false;  // between begin_transition and end_transition
  size_t open_transitions = 0;   // how many of `transitions` belong to the current tape
  Arena arena;
};

}  // namespace tapestry::detail
