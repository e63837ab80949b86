#include <fmt/format.h>
#include <tapestry/examples/lm/training/cluster_plan.h>
#include <tapestry/examples/lm/training/items.h>
#include <tapestry/examples/lm/training/rule.h>
#include <tapestry/examples/lm/training/train_batch.h>
#include <tapestry/optim/server/parameter_server.h>
#include <tapestry/optim/server/row_sum.h>
#include <tapestry/optim/server/thread_ranks.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace tapestry::lm {
namespace {

/// One worker on the first items; they are those of an interval, or what takes two seconds.
double train_some(const TrainSettings& s, Items& items, LanguageModel& model) {
  TrainSettings alone = s;
  alone.parallel = {};
  alone.parallel.max_item_tokens = s.parallel.max_item_tokens;
  ParameterServer<LanguageModel> server(model, make_rule(s), server_options(alone, model),
                                        make_groups(s, model));
  const auto wanted = static_cast<int64_t>(static_cast<double>(s.parallel.exchange_every) /
                                           std::max(1.0, items.tokens()));
  const double start = seconds_now();
  int64_t tokens = 0;
  items.begin(0);
  const int64_t n = std::clamp<int64_t>(wanted, 1, items.size());
  std::atomic<int> stop{0};
  ServerStats stats = server.run(n, [&](LanguageModel& m, Worker& w, int64_t item) {
    if (stop) return;
    const Batch batch = items.batch(item);
    Carried at{0, {}, items.rng(item)};
    train_batch(m, w, batch, piece_tokens(s.parallel, batch.packing), at,
                [&](double, int64_t count, bool) {
                  tokens += count;
                  return true;
                });
    if (seconds_now() - start > 2) stop = 1;
  });
  return static_cast<double>(tokens) / std::max(1e-9, stats.total().service.seconds);
}

/// Two ranks here exchange what training has changed: the seconds of a rank that are no waiting,
/// and the bytes that it sends.
void measure_exchange(LanguageModel& before, LanguageModel& after, NodeCosts& costs) {
  run_ranks(2, [&](Communicator& ranks) {
    std::vector<RowSum::Table> tables;
    const auto from = parameters(before), to = parameters(after);
    for (size_t i = 0; i < to.size(); ++i)
      tables.push_back({as_rows(to[i].parameter->value()), as_rows(from[i].parameter->value())});
    RowSum sum(ranks, tables);
    double busy = 0;
    const auto timed = [&](auto&& action) {
      const double start = seconds_now();
      const bool done = action();
      busy += seconds_now() - start;
      return done;
    };
    for (int round = 0; round < 3; ++round) {
      busy = 0;
      timed([&] {
        for (const RowSum::Table& t : tables) (void)t.now.clone();
        sum.start({});
        return true;
      });
      sleep_until([&] {
        return timed([&] { return sum.step([](const auto&) { return Outer{{0.5, 0.5}, 0}; }); });
      });
      timed([&] {
        sum.visit([&](size_t i, int64_t first, int64_t rows, const void*) {
          Tensor to_add = tables[i].base.narrow(0, first, rows).clone();
          to_add.add_(tables[i].now.narrow(0, first, rows));
        });
        return true;
      });
    }
    if (ranks.rank() != 0) return;
    costs.pack_seconds = busy;
    costs.bytes = static_cast<double>(ranks.bytes_out()) / 3;
  });
}

}  // namespace

Network parse_network(const std::string& text) {
  char* end = nullptr;
  const double rate = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  if (!(rate > 0) || !std::isfinite(rate) || (unit != "g" && unit != "m"))
    throw app::UserError(app::ExitCode::usage, "--network " + text + " is no rate",
                         "give bits per second: 1g, 10g, 100m");
  return {.beta = 0.94 / 8 * rate * (unit == "g" ? 1e9 : 1e6)};
}

NodeCosts measure_node(const TrainSettings& s, const Data& data) {
  NodeCosts costs;
  Items items(s, data.train);
  LanguageModel before = initial_model(s, data.vocabulary),
                after = initial_model(s, data.vocabulary);
  costs.tokens_per_second = train_some(s, items, after) * static_cast<double>(s.parallel.workers);
  costs.tokens_per_item = items.tokens();
  measure_exchange(before, after, costs);
  return costs;
}

double RoundPlan::seconds() const {
  return std::max(train_seconds, exchange_seconds) + pack_seconds;
}

RoundPlan plan_round(const NodeCosts& costs, int64_t nodes, const Network& network, double tokens) {
  const double others = static_cast<double>(nodes - 1) / static_cast<double>(nodes);
  return {.train_seconds = tokens / costs.tokens_per_second,
          .exchange_seconds = 2 * network.seconds(costs.bytes * others),
          .pack_seconds = costs.pack_seconds};
}

double sync_exchange_seconds(const NodeCosts& costs, int64_t nodes, const Network& network) {
  return costs.pack_seconds + 3 * network.alpha +
         network.seconds(costs.bytes * static_cast<double>(nodes - 1));
}

double shortest_interval(const NodeCosts& costs, int64_t nodes, const Network& network,
                         double share) {
  const RoundPlan plan = plan_round(costs, nodes, network, 1);
  return costs.tokens_per_second *
         std::max(plan.pack_seconds / share,
                  (plan.exchange_seconds + plan.pack_seconds) / (1 + share));
}

void print_cluster_plan(const TrainSettings& s, const Data& data) {
  const Network network = parse_network(s.parallel.network);
  const NodeCosts costs = measure_node(s, data);
  const int64_t nodes = s.parallel.nodes;
  const auto every = static_cast<double>(s.parallel.exchange_every);
  const auto speed = [&](double tokens, double seconds) {
    const double all = static_cast<double>(nodes) * tokens / seconds;
    return fmt::format("{:.0f} tokens/s, {:.2f}x one node", all, all / costs.tokens_per_second);
  };
  const RoundPlan plan = plan_round(costs, nodes, network, every);
  fmt::print("{:<22}{:>10}  on {}, each {:.0f} tokens/s (measured here)\n", "nodes", nodes,
             s.parallel.network, costs.tokens_per_second);
  fmt::print("{:<22}{:>10}  {:.1f} MB change, in {:.3f} s; packing and adding up {:.3f} s\n",
             "an exchange", "", costs.bytes / 1e6, plan.exchange_seconds, plan.pack_seconds);
  fmt::print("{:<22}{:>10}  tokens, {:.2f} s of training: costs {:.1f} %, {}\n", "local, every",
             s.parallel.exchange_every, plan.train_seconds, 100 * plan.cost(),
             speed(every, plan.seconds()));
  fmt::print("{:<22}{:>10.0f}  tokens (the loss is the better the shorter)\n", "under 5 % from",
             std::ceil(shortest_interval(costs, nodes, network, 0.05)));
  const double item = costs.tokens_per_item * static_cast<double>(s.parallel.workers);
  const double sync = item / costs.tokens_per_second + sync_exchange_seconds(costs, nodes, network);
  fmt::print("{:<22}{:>10}  {}\n", "sync", "", speed(item, sync));
}

}  // namespace tapestry::lm
