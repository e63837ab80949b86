#pragma once
// Trainings by virtual nodes of one worker each: the losses are those of that many, trained here
// one after another; the times are those of items and of packing measured here, and of the network
// by training/cluster_plan.h.

#include <tapestry/examples/lm/experiments/experiment.h>
#include <tapestry/examples/lm/training/cluster_plan.h>

namespace tapestry::lm {

/// What is measured once, and the same for all numbers of nodes.
struct NodeModel {
  Network network;
  NodeCosts costs = {};
  DelayLaw law = {};  // seconds of an update by its tokens
};

/// What so many nodes reached.
struct NodeCourse {
  int64_t nodes = 1;
  Between between = Between::local;
  bool diverged = false;
  int64_t tokens = 0, rounds = 0;
  double nats = 0;                              // of the losses that were computed for updates
  std::vector<double> seconds = {}, loss = {};  // held out, of the model that all agree on

  double tokens_per_second() const { return static_cast<double>(tokens) / seconds.back(); }
};

/// Called after a stretch with the course so far.
using Look = std::function<void(NodeCourse& course, LanguageModel& model)>;

/// Trains on `sentences`; looks about twenty times. One node is plain training, as long as it takes
/// here: that sets the law and the speed in `model` that several need. A loss that is not finite
/// ends a course, which says so.
NodeCourse train_nodes(const TrainSettings& settings, const Data& data, int64_t sentences,
                       NodeCourse course, NodeModel& model, const Look& look);

}  // namespace tapestry::lm
