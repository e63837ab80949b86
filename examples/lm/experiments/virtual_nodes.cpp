#include <tapestry/examples/lm/experiments/virtual_nodes.h>
#include <tapestry/optim/server/simulated_ranks.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace tapestry::lm {
namespace {

/// A training that is looked at after every so many batches.
struct NodeTraining {
  const TrainSettings& settings;
  const Data& data;
  int64_t sentences;
  NodeModel& model;
  const Look& look;
  NodeCourse& course;

  /// Batches between two looks: whole rounds.
  int64_t stretch(int64_t batches, int64_t round) const {
    constexpr int64_t kLooks = 20;
    return std::max(round, batches / kLooks / round * round);
  }
  void add(const Experiment& e) {
    course.nats += e.nats();
    course.tokens += e.tokens();
  }
};

void train_one(NodeTraining c) {
  Experiment e(c.settings, c.data.train);
  const Batches batches = e.next(c.sentences);
  const auto n = std::ssize(batches), most = c.stretch(n, 1);
  ServerStats stats;
  for (int64_t at = 0; at < n; at += most) {
    const auto count = static_cast<size_t>(std::min(most, n - at));
    stats += e.train(std::span(batches).subspan(static_cast<size_t>(at), count));
    c.add(e);
    c.course.seconds.push_back(stats.seconds);
    c.look(c.course, e.model);
  }
  c.model.law = stats.delay_law();
  c.model.costs.tokens_per_second = c.course.tokens_per_second();
}

void train_sync(NodeTraining c) {
  TrainSettings s = c.settings;
  s.parallel.workers = c.course.nodes, s.parallel.update = UpdatePolicy::sync;
  Experiment e(s, c.data.train);
  const Batches batches = e.next(c.sentences);
  const auto n = std::ssize(batches), most = c.stretch(n, c.course.nodes);
  double seconds = 0;
  for (int64_t at = 0; at < n; at += most) {
    const int64_t count = std::min(most, n - at);
    const int64_t rounds = (count + c.course.nodes - 1) / c.course.nodes;
    seconds +=
        e.train(std::span(batches).subspan(static_cast<size_t>(at), static_cast<size_t>(count)),
                &c.model.law)
            .seconds;
    seconds += static_cast<double>(rounds) *
               sync_exchange_seconds(c.model.costs, c.course.nodes, c.model.network);
    c.add(e);
    c.course.rounds += rounds;
    c.course.seconds.push_back(seconds);
    c.look(c.course, e.model);
  }
}

/// Items of a node in the time of an exchange.
int64_t lag_of(const NodeTraining& c) {
  const NodeCosts& costs = c.model.costs;
  const RoundPlan plan = plan_round(costs, c.course.nodes, c.model.network, costs.tokens_per_item);
  return std::max<int64_t>(1, std::llround(std::ceil(plan.exchange_seconds / plan.train_seconds)));
}

void train_local(NodeTraining c) {
  Experiment agreed(c.settings, c.data.train);
  const Batches batches = agreed.next(c.sentences);
  std::vector<std::unique_ptr<Experiment>> nodes;
  std::vector<SimulatedRanks::Rank> ranks;
  int64_t done = 0, looked = 0, before = 0;  // batches, and tokens
  for (int64_t r = 0; r < c.course.nodes; ++r) {
    Experiment& node = *nodes.emplace_back(std::make_unique<Experiment>(c.settings, c.data.train));
    ranks.push_back({node.states(), [&](std::span<const int64_t> items) {
                       Batches own;
                       for (const int64_t i : items) own.push_back(batches[static_cast<size_t>(i)]);
                       node.train(own);
                       c.add(node);
                       done += std::ssize(items);
                     }});
  }
  std::vector<Tensor> values;
  for (const NamedParameter& p : parameters(agreed.model)) values.push_back(p.parameter->value());
  RankOptions options = rank_options(c.settings, Cluster(), c.model.costs.tokens_per_item);
  const int64_t lag = lag_of(c);
  options.every = std::max(options.every, lag);  // an exchange that takes longer delays the next
  SimulatedRanks all(std::move(values), std::move(ranks), options, lag, std::ssize(batches));
  double seconds = 0;
  for (bool more = true; more; before = c.course.tokens) {
    more = all.round();  // the last one only waits for what is under way
    c.course.rounds += more;
    const auto tokens = static_cast<double>(c.course.tokens - before);
    seconds += plan_round(c.model.costs, c.course.nodes, c.model.network,
                          tokens / static_cast<double>(c.course.nodes))
                   .seconds();
    if (more && done - looked < c.stretch(std::ssize(batches), 1)) continue;
    c.course.seconds.push_back(seconds);
    c.look(c.course, agreed.model);
    looked = done;
  }
}

}  // namespace

NodeCourse train_nodes(const TrainSettings& settings, const Data& data, int64_t sentences,
                       NodeCourse course, NodeModel& model, const Look& look) {
  TrainSettings s = settings;
  s.parallel.between = course.between;
  resolve_ranks(s, static_cast<int>(course.nodes));
  const NodeTraining c{s, data, sentences, model, look, course};
  try {
    course.nodes == 1                 ? train_one(c)
    : course.between == Between::sync ? train_sync(c)
                                      : train_local(c);
  } catch (const NonFiniteError&) {
    course.diverged = true;
  }
  return course;
}

}  // namespace tapestry::lm
