#pragma once
// What training on several nodes would take: what an item and an exchange cost is measured here,
// what the network takes is alpha + bytes / beta.

#include <tapestry/examples/lm/text/data.h>

namespace tapestry::lm {

/// Seconds of a message, from end to end, by its bytes.
struct Network {
  double alpha = 100e-6, beta = 0;  // latency, bytes per second
  double seconds(double bytes) const { return alpha + bytes / beta; }
};
/// "1g", "100m": so many bits per second, of which TCP leaves 94 %. Throws UserError (usage).
Network parse_network(const std::string& text);

/// Measured on this machine, for the settings' interval.
struct NodeCosts {
  double tokens_per_second = 0, tokens_per_item = 0;  // of one worker times --workers
  double pack_seconds = 0;  // of an exchange: copying, packing, adding up, unpacking
  double bytes = 0;         // of what changes in an interval
};
NodeCosts measure_node(const TrainSettings& settings, const Data& data);

/// A round of local ranks.
struct RoundPlan {
  double train_seconds = 0, exchange_seconds = 0, pack_seconds = 0;
  /// Of a round: training and the exchange overlap, whichever takes longer; packing is before and
  /// after.
  double seconds() const;
  double cost() const { return seconds() / train_seconds - 1; }
};
RoundPlan plan_round(const NodeCosts& costs, int64_t nodes, const Network& network, double tokens);

/// What the exchange of a synchronous round takes: two agreements and the gradients, all to all.
double sync_exchange_seconds(const NodeCosts& costs, int64_t nodes, const Network& network);

/// The shortest interval, in tokens, that costs less than a share of the time.
double shortest_interval(const NodeCosts& costs, int64_t nodes, const Network& network,
                         double share);

/// Of `lm train --dry-run --nodes N --network RATE`, on stdout.
void print_cluster_plan(const TrainSettings& settings, const Data& data);

}  // namespace tapestry::lm
