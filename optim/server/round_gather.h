#pragma once
// RoundGather: of a synchronous round, the gradients of the workers of all ranks, on every rank.

#include <tapestry/optim/parameter_state.h>
#include <tapestry/optim/server/communicator.h>
#include <tapestry/optim/server/stats.h>

namespace tapestry {

/// What a worker adds to a round.
struct RoundPart {
  GradientSet* gradients = nullptr;
  double weight = 1, tokens = 0;
  bool contributes = false;  // otherwise it had no item
};

class RoundGather {
 public:
  /// Each rank has so many workers, whose gradients are of these parameters.
  RoundGather(Communicator& ranks, int workers, std::span<const ParameterState> states);

  /// Whether it is true on any rank.
  bool any(bool here);
  /// Fills in the parts of the other ranks. All gradients are scaled by their share of the weight
  /// then, and rows merged.
  void gather(std::span<RoundPart> parts, RankStats& stats);

 private:
  void pack(std::span<const RoundPart> own, Bytes& to) const;
  void unpack(std::span<RoundPart> parts, const Bytes& from);

  Communicator& ranks_;
  const size_t workers_;
  std::vector<LeafRef> leaves_;    // of the other ranks' gradients
  std::vector<GradientSet> sets_;  // of each worker of each rank; empty for our own
  std::vector<Bytes> out_, in_;
};

}  // namespace tapestry
