#pragma once
// How far errors flow back through time; unroll.h says what each mode does.

#include <cstdint>
#include <vector>

#include <tapestry/tensor/tensor.h>

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
  int64_t recompute = 0;           // chunk, full: checkpoint this many steps at a time; 0: none
};

}  // namespace tapestry
