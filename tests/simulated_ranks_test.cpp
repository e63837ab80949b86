// Simulated ranks give the bits of real ones, here threads, that train the same items.

#include <doctest/doctest.h>

#include <tapestry/optim/server/simulated_ranks.h>
#include <tapestry/optim/server/thread_ranks.h>

#include "server_model.h"

using namespace tapestry;
using namespace tapestry::test;

namespace {

struct Case {
  int ranks = 2;
  int64_t items = kItems, lag = 1;
  RankOptions options = {};
  UpdateRule rule = SGD{.lr = 0.05};
};

struct Simulated {
  Model agreed;
  std::vector<std::vector<int64_t>> rounds;  // items that each rank had done by the end of each
};

void simulate(const Case& c, Simulated& out) {
  const std::vector<Tensor> items = make_items(c.items);
  const auto n = static_cast<size_t>(c.ranks);
  std::vector<std::unique_ptr<Model>> models;
  std::vector<std::unique_ptr<ParameterServer<Model>>> servers;
  std::vector<SimulatedRanks::Rank> ranks;
  std::vector<int64_t> done(n);
  for (size_t r = 0; r < n; ++r) {
    models.push_back(std::make_unique<Model>());
    servers.push_back(std::make_unique<ParameterServer<Model>>(*models[r], c.rule));
    const auto train = [&, r](std::span<const int64_t> which) {
      servers[r]->run(std::ssize(which), [&](Model& m, Worker& w, int64_t j) {
        const auto item = static_cast<size_t>(which[static_cast<size_t>(j)]);
        w.update([&] { return m.loss(items[item]); });
      });
      done[r] += std::ssize(which);
    };
    ranks.push_back({servers[r]->optimizer().states(), train});
  }
  std::vector<Tensor> values;
  for (const NamedParameter& p : parameters(out.agreed)) values.push_back(p.parameter->value());
  SimulatedRanks all(values, std::move(ranks), c.options, c.lag, c.items);
  while (all.round()) out.rounds.push_back(done);
  CHECK(!all.round());
  for (const auto& model : models) CHECK(distance(out.agreed, *model) == 0);
}

/// Threads that do the same: by items, or by a log of when they exchange.
std::unique_ptr<Model> train(const Case& c, const std::vector<std::vector<RecordedRound>>& logs) {
  const std::vector<Tensor> items = make_items(c.items);
  std::vector<std::unique_ptr<Model>> models;
  for (int r = 0; r < c.ranks; ++r) models.push_back(std::make_unique<Model>());
  run_ranks(c.ranks, [&](Communicator& communicator) {
    const auto r = static_cast<size_t>(communicator.rank());
    RankOptions options = c.options;
    options.communicator = &communicator;
    if (!logs.empty()) options.replay = &logs[r];
    ParameterServer<Model> server(*models[r], c.rule, {.ranks = options});
    server.run(c.items, [&](Model& m, Worker& w, int64_t i) {
      w.update([&] { return m.loss(items[static_cast<size_t>(i)]); });
    });
  });
  return std::move(models[0]);
}

/// What ranks would write down that take a second for an item.
std::vector<std::vector<RecordedRound>> logs_of(const Case& c, const Simulated& simulated) {
  const std::vector<int64_t>& all = simulated.rounds.back();
  const int64_t rounds = *std::max_element(all.begin(), all.end()) / c.options.every + 1;
  std::vector<std::vector<RecordedRound>> logs(all.size());
  for (size_t r = 0; r < all.size(); ++r)
    for (int64_t k = 1, before = 0; k <= rounds; ++k) {
      const int64_t start = std::min(k * c.options.every, all[r]);
      logs[r].push_back({start, std::min(start + c.lag, all[r]),
                         static_cast<double>(start - before), k * c.options.every > all[r]});
      before = start;
    }
  return logs;
}

}  // namespace

TEST_CASE("simulated ranks give the bits of ranks that exchange by items") {
  for (const int ranks : {2, 3, 5})
    for (const int64_t items : {int64_t{50}, kItems, int64_t{7}, int64_t{1}})
      for (const int64_t every : {1, 3, 100})
        for (const OuterStep outer :
             {OuterStep::average, OuterStep::sum, OuterStep::diversity, OuterStep::momentum}) {
          CAPTURE(ranks);
          CAPTURE(items);
          CAPTURE(every);
          CAPTURE(static_cast<int>(outer));
          const Case c{ranks,
                       items,
                       every,
                       {.every = every,
                        .by_items = true,
                        .outer = outer,
                        .rate = 0.9,
                        .momentum = outer == OuterStep::momentum ? 0.5 : 0}};
          Simulated simulated;
          simulate(c, simulated);
          CHECK(distance(simulated.agreed, *train(c, {})) == 0);
        }
}

TEST_CASE("changes that arrive earlier give the bits of ranks by time that replay it") {
  for (const UpdateRule& rule : {UpdateRule(SGD{.lr = 0.05}), UpdateRule(Adam{.lr = 0.01})})
    for (const int64_t lag : {1, 2, 4}) {
      const Case c{3, 50, lag, {.every = 4}, rule};
      CAPTURE(lag);
      Simulated simulated;
      simulate(c, simulated);
      CHECK(distance(simulated.agreed, *train(c, logs_of(c, simulated))) == 0);
    }
}

TEST_CASE("a simulation of no several ranks, or with changes that come before or after a round") {
  for (const auto& [ranks, lag] : {std::pair(1, 1), {2, 0}, {2, 5}}) {
    Simulated simulated;
    CHECK_THROWS_AS(simulate({ranks, kItems, lag, {.every = 4}}, simulated), ValueError);
  }
}
