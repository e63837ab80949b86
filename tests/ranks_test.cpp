// Ranks that train together, here as threads: sync is one process with all the workers, local ends
// with equal models on all ranks, whatever the policy, the number of ranks and of items, and
// whoever fails.

#include <doctest/doctest.h>

#include <chrono>
#include <ctime>
#include <mutex>
#include <thread>

#include <tapestry/optim/server/policy.h>
#include <tapestry/optim/server/row_sum.h>
#include <tapestry/optim/server/shares.h>
#include <tapestry/optim/server/thread_ranks.h>

#include "sanitizers.h"
#include "server_model.h"

using namespace tapestry;
using namespace tapestry::test;

namespace {

struct Outcome {
  std::vector<std::unique_ptr<Model>> models;  // of each rank
  std::vector<ServerStats> stats;
  std::vector<NamedTensors> states;  // of the optimizers
  std::vector<int64_t> done;         // which items were trained, on whatever rank
  std::vector<std::vector<RecordedRound>> logs;
};

struct Case {
  int ranks = 2;
  int64_t items = kItems;
  UpdateRule rule = SGD{.lr = 0.05};
  ServerOptions options = {};
  int runs = 1;
  const std::vector<std::vector<RecordedRound>>* replay = nullptr;
  std::function<void(int rank, int64_t item)> before = {};
};

Outcome train(Case c) {
  Outcome out;
  const auto n = static_cast<size_t>(c.ranks);
  for (size_t r = 0; r < n; ++r) out.models.push_back(std::make_unique<Model>());
  out.stats.resize(n), out.states.resize(n), out.logs.resize(n);
  const std::vector<Tensor> items = make_items(c.items);
  std::mutex mutex;
  run_ranks(c.ranks, [&](Communicator& communicator) {
    const auto r = static_cast<size_t>(communicator.rank());
    ServerOptions options = c.options;
    options.ranks.communicator = &communicator;
    if (c.replay) options.ranks.replay = &(*c.replay)[r];
    if (options.workers == 1) options.ranks.log = &out.logs[r];
    ParameterServer<Model> server(*out.models[r], c.rule, options);
    for (int run = 0; run < c.runs; ++run)
      out.stats[r] = server.run(c.items, [&](Model& m, Worker& w, int64_t i) {
        if (c.before) c.before(communicator.rank(), i);
        const Tensor& ids = items[static_cast<size_t>(i)];
        const auto tokens = static_cast<double>(ids.numel() - 1);
        w.update([&] { return m.loss(ids); }, tokens, tokens);
        const std::lock_guard lock(mutex);
        out.done.push_back(i);
      });
    server.optimizer().save(out.states[r]);
  });
  std::sort(out.done.begin(), out.done.end());
  return out;
}

double distance(const NamedTensors& a, const NamedTensors& b) {
  double squares = 0;
  for (const auto& [name, tensor] : a.tensors) squares += squared_norm(tensor - b.tensors.at(name));
  return std::sqrt(squares);
}

void check_equal(const Outcome& out) {
  for (size_t r = 1; r < out.models.size(); ++r) {
    CHECK(distance(*out.models[0], *out.models[r]) == 0);
    CHECK(distance(out.states[0], out.states[r]) == 0);
    CHECK(out.states[0].metadata == out.states[r].metadata);
  }
}

std::vector<int64_t> first(int64_t n) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < n; ++i) out.push_back(i);
  return out;
}

const UpdateRule kRules[] = {SGD{.lr = 0.1}, SGD{.lr = 0.1, .momentum = 0.9}, Adam{.lr = 0.01}};

}  // namespace

TEST_CASE("synchronous ranks give the bits of one process with all their workers") {
  for (const UpdateRule& rule : kRules)
    for (const auto& size : {std::pair(2, 1), {4, 1}, {2, 2}, {3, 2}, {8, 1}})
      for (const int64_t items : {13, 1}) {
        const int ranks = size.first, workers = size.second;
        CAPTURE(ranks);
        CAPTURE(workers);
        const Outcome many = train({.ranks = ranks,
                                    .items = items,
                                    .rule = rule,
                                    .options = {.workers = workers,
                                                .update = UpdatePolicy::sync,
                                                .clip_norm = 3,
                                                .ranks = {.between = Between::sync}}});
        const Outcome one =
            train({.ranks = 1,
                   .items = items,
                   .rule = rule,
                   .options = {
                       .workers = ranks * workers, .update = UpdatePolicy::sync, .clip_norm = 3}});
        check_equal(many);
        CHECK(distance(*one.models[0], *many.models[0]) == 0);
        CHECK(distance(one.states[0], many.states[0]) == 0);
        CHECK(one.states[0].metadata == many.states[0].metadata);
        CHECK(many.done == first(items));
      }
}

TEST_CASE("one rank gives the bits of no communicator") {
  for (const Between between : {Between::local, Between::sync}) {
    Model alone;
    const auto items = make_items();
    ParameterServer<Model> server(alone, Adam{.lr = 0.01}, {.update = UpdatePolicy::sync});
    server.run(kItems, [&](Model& m, Worker& w, int64_t i) {
      w.update([&] { return m.loss(items[static_cast<size_t>(i)]); }, 1, 1);
    });
    Outcome one = train({.ranks = 1,
                         .rule = Adam{.lr = 0.01},
                         .options = {.update = UpdatePolicy::sync, .ranks = {.between = between}}});
    CHECK(distance(alone, *one.models[0]) == 0);
    CHECK(one.stats[0].ranks.empty());
  }
}

TEST_CASE("local ranks end equal and do every item once, under every policy and outer step") {
  for (const UpdatePolicy policy :
       {UpdatePolicy::async, UpdatePolicy::sync, UpdatePolicy::ssp, UpdatePolicy::critical,
        UpdatePolicy::critical_push, UpdatePolicy::hogwild})
    for (const OuterStep outer :
         {OuterStep::average, OuterStep::sum, OuterStep::diversity, OuterStep::momentum})
      for (const bool by_items : {false, true})
        for (const int workers : {1, 2}) {
#ifdef TAPESTRY_TSAN  // races by design
          if (workers > 1 &&
              (policy == UpdatePolicy::critical_push || policy == UpdatePolicy::hogwild))
            continue;
#endif
          CAPTURE(name_of(policy));
          CAPTURE(workers);
          CAPTURE(by_items);
          const Outcome out =
              train({.ranks = 3,
                     .rule = Adam{.lr = 0.003},
                     .options = {.workers = workers,
                                 .update = policy,
                                 .staleness = 2,
                                 .ranks = {.every = 3,
                                           .by_items = by_items,
                                           .outer = outer,
                                           .momentum = outer == OuterStep::momentum ? 0.5 : 0.0}},
                     .runs = 2});
          check_equal(out);
          std::vector<int64_t> twice;
          for (int64_t i = 0; i < kItems; ++i) twice.insert(twice.end(), {i, i});
          CHECK(out.done == twice);
          REQUIRE(out.stats[0].ranks.size() == 3);
          int64_t items = 0;
          for (const RankStats& rank : out.stats[2].ranks) items += rank.items;
          CHECK(items == kItems);
        }
}

TEST_CASE("1 to 8 ranks, uneven shares, ranks without data, one item in all, none") {
  for (const Between between : {Between::local, Between::sync})
    for (int ranks = 1; ranks <= 8; ++ranks)
      for (const int64_t items : {0, 1, 3, 17}) {
        CAPTURE(ranks);
        CAPTURE(items);
        const Outcome out =
            train({.ranks = ranks,
                   .items = items,
                   .options = {.update = between == Between::sync ? UpdatePolicy::sync
                                                                  : UpdatePolicy::async,
                               .ranks = {.between = between, .every = 2}}});
        check_equal(out);
        CHECK(out.done == first(items));
      }
}

TEST_CASE("a rank that waits sleeps") {
  // One item for two ranks, and that one sleeps: nobody computes, so nobody may use a core. A
  // spinning rank would use one or more; a crowded machine makes it less, not more.
  using std::chrono::milliseconds;
  for (const Between between : {Between::local, Between::sync}) {
    CAPTURE(static_cast<int>(between));
    const std::clock_t cpu = std::clock();
    const auto start = std::chrono::steady_clock::now();
    train({.items = 1,
           .options = {.update = UpdatePolicy::sync, .ranks = {.between = between}},
           .before = [](int, int64_t) { std::this_thread::sleep_for(milliseconds(1500)); }});
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    const double used = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
    CAPTURE(used);
    CHECK(used < 0.3 * wall.count());
  }
}

TEST_CASE("rounds by items repeat to the bit, and recorded ones by time replay") {
  Case c{.ranks = 4,
         .items = 40,
         .rule = Adam{.lr = 0.01},
         .options = {.ranks = {.every = 3, .by_items = true, .outer = OuterStep::sum}}};
  const Outcome a = train(c), b = train(c);
  CHECK(distance(*a.models[0], *b.models[0]) == 0);
  c.options.ranks.by_items = false;
  c.before = [](int rank, int64_t) {
    if (rank == 1) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // a slow one
  };
  const Outcome recorded = train(c);
  check_equal(recorded);
  c.before = {};
  c.replay = &recorded.logs;
  const Outcome again = train(c);
  CHECK(distance(*recorded.models[0], *again.models[0]) == 0);
  CHECK(distance(recorded.states[0], again.states[0]) == 0);
}

/// Of two changes of a row, what the outer step makes of their sum.
double factor(OuterStep outer, const Tensor& one, const Tensor& other) {
  if (outer == OuterStep::average) return 0.5;
  const double whole = squared_norm(one + other);
  const double parts = squared_norm(one) + squared_norm(other);
  return outer == OuterStep::diversity && parts < whole ? parts / whole : 1;
}

TEST_CASE("an exchange at the end of a round without overlap is the outer step of the changes") {
  // One item each, in one round: what each rank changes follows from the initial model alone.
  for (const OuterStep outer : {OuterStep::average, OuterStep::sum, OuterStep::diversity}) {
    const Outcome out =
        train({.ranks = 2,
               .items = 2,
               .options = {.ranks = {.every = 1, .by_items = true, .outer = outer}}});
    const auto items = make_items(2);
    Model expected, models[2];
    for (size_t r = 0; r < 2; ++r) {
      ParameterServer<Model> server(models[r], SGD{.lr = 0.05});
      server.run(1,
                 [&](Model& m, Worker& w, int64_t) { w.update([&] { return m.loss(items[r]); }); });
    }
    const auto to = parameters(expected), one = parameters(models[0]),
               other = parameters(models[1]);
    for (size_t i = 0; i < to.size(); ++i) {
      Tensor all = as_rows(to[i].parameter->value());
      for (int64_t r = 0; r < all.size(0); ++r) {
        Tensor row = all.narrow(0, r, 1);
        const Tensor a = as_rows(one[i].parameter->value()).narrow(0, r, 1) - row,
                     b = as_rows(other[i].parameter->value()).narrow(0, r, 1) - row;
        row.add_(a + b, factor(outer, a, b));
      }
    }
    CHECK(distance(expected, *out.models[0]) < 1e-12);
  }
}

TEST_CASE("diversity: equal changes become their mean, those with nothing in common their sum") {
  const std::vector<float> equal{3, 4}, along{3, 0}, across{0, 4}, back{-3, 0};
  const auto step = [](std::vector<std::vector<float>> changes) {
    std::vector<float> sum(2);
    std::vector<double> squares(1);
    for (const std::vector<float>& change : changes) {
      add_change(sum.data(), change.data(), 2, 1);
      add_squares(squares, change.data(), 2);
    }
    scale_by_diversity(squares, sum.data(), 2);
    return sum;
  };
  CHECK(step({equal, equal, equal}) == equal);
  CHECK(step({along, across}) == equal);
  CHECK(step({along, {0, 0}}) == along);
  CHECK(step({along, back}) == std::vector<float>{0, 0});
}

TEST_CASE(
    "what rules remember stays with a rank during a run, and is averaged by updates after it") {
  // Three items over two ranks in one run: Adam's means are weighted 2 : 1, counts are the longest.
  const Outcome out = train({.ranks = 2,
                             .items = 3,
                             .rule = Adam{.lr = 0.01},
                             .options = {.ranks = {.every = 100, .by_items = true}}});
  const auto items = make_items(3);
  Model first_rank, second_rank;
  NamedTensors states[2];
  const auto alone = [&](Model& model, std::vector<size_t> own, NamedTensors& state) {
    ParameterServer<Model> server(model, Adam{.lr = 0.01});
    server.run(static_cast<int64_t>(own.size()), [&](Model& m, Worker& w, int64_t i) {
      w.update([&] { return m.loss(items[own[static_cast<size_t>(i)]]); });
    });
    server.optimizer().save(state);
  };
  alone(first_rank, {0, 1}, states[0]);
  alone(second_rank, {2}, states[1]);
  for (const auto& [name, tensor] : out.states[0].tensors) {
    const Tensor mean =
        states[0].tensors.at(name) * (2.0 / 3) + states[1].tensors.at(name) * (1.0 / 3);
    CHECK(std::sqrt(squared_norm(tensor - mean)) < 1e-12);
  }
  CHECK(out.states[0].number<int64_t>("optimizer.steps") == 3);
  CHECK(out.states[0].number<int64_t>("optimizer.updates.weight") == 2);
}

TEST_CASE("rows that nobody touched are not sent") {
  // Embedding rows of eight words, of 4000 with a softmax that has no rows to leave out.
  struct Words {
    Embedding table;
    FIELDS(table)
  };
  Rng rng(3);
  const Words words{{4000, 16, rng, {.dtype = f64}}};
  std::vector<int64_t> bytes(2);
  run_ranks(2, [&](Communicator& ranks) {
    Words mine = words;
    ParameterServer<Words> server(mine, SGD{.lr = 0.1},
                                  {.ranks = {.communicator = &ranks, .every = 2}});
    const ServerStats stats = server.run(8, [&](Words& m, Worker& w, int64_t i) {
      const Tensor ids = Tensor::indices({static_cast<int32_t>(i)});
      w.update([&] { return sum(m.table(ids) * m.table(ids)); });
    });
    bytes[static_cast<size_t>(ranks.rank())] = stats.ranks[0].bytes_out;
  });
  CHECK(bytes[0] > 0);
  CHECK(bytes[0] < 4000 * 16 * 8 / 10);
}

TEST_CASE("the error of a rank ends all") {
  for (const bool by_items : {false, true})
    for (const Between between : {Between::local, Between::sync}) {
      Case c{
          .ranks = 3,
          .options = {.update = between == Between::sync ? UpdatePolicy::sync : UpdatePolicy::async,
                      .ranks = {.between = between, .every = 2, .by_items = by_items}}};
      c.before = [](int, int64_t item) {
        if (item == 7) fail<IndexError>("item seven is bad");
      };
      CHECK_THROWS_WITH_AS(train(c), "item seven is bad", IndexError);
    }
  CHECK_THROWS_WITH(run_ranks(2,
                              [](Communicator& ranks) {
                                if (ranks.rank() == 1) fail<IndexError>("gone");
                                try {
                                  gather(ranks, 1);
                                } catch (const Error& e) {
                                  CHECK(std::string(e.what()) == "rank 1 failed: gone");
                                  throw;
                                }
                              }),
                    "gone");
}

TEST_CASE("ranks must begin alike, and with options that fit") {
  run_ranks(2, [](Communicator& ranks) {
    Model model;
    if (ranks.rank() == 1) model.bias.value().fill_(1);
    ParameterServer<Model> server(model, SGD{}, {.ranks = {.communicator = &ranks}});
    CHECK_THROWS_WITH(server.run(1, [](Model&, Worker&, int64_t) {}),
                      "ParameterServer: the model of rank 1 has other values than that of rank 0 "
                      "(make them from one seed or one checkpoint)");
    LockLog log;
    CHECK_THROWS_WITH_AS(server.record(
                             1, [](Model&, Worker&, int64_t) {}, log),
                         "ParameterServer: record(), replay() and simulate() are for one rank "
                         "(rounds have RankOptions::log and replay)",
                         ValueError);
    Model other;
    CHECK_THROWS_AS(
        ParameterServer<Model>(other, SGD{},
                               {.ranks = {.communicator = &ranks, .between = Between::sync}}),
        ValueError);
    CHECK_THROWS_AS(
        ParameterServer<Model>(other, SGD{}, {.ranks = {.communicator = &ranks, .every = 0}}),
        ValueError);
  });
}

TEST_CASE("a stop that one rank is given ends the run on all, with what was granted done") {
  for (const Between between : {Between::local, Between::sync}) {
    std::mutex mutex;
    std::vector<int64_t> done;
    std::vector<char> interrupted(2);
    const auto items = make_items(kItems);
    run_ranks(2, [&](Communicator& ranks) {
      std::atomic<int> stop{0};
      Model model;
      ParameterServer<Model> server(
          model, SGD{.lr = 0.05},
          {.update = between == Between::sync ? UpdatePolicy::sync : UpdatePolicy::async,
           .stop = &stop,
           .ranks = {.communicator = &ranks, .between = between, .every = 2}});
      const ServerStats stats = server.run(2000, [&](Model& m, Worker& w, int64_t i) {
        if (ranks.rank() == 1) stop = 1;
        w.update([&] { return m.loss(items[static_cast<size_t>(i % kItems)]); });
        const std::lock_guard lock(mutex);
        done.push_back(i);
      });
      interrupted[static_cast<size_t>(ranks.rank())] = stats.interrupted;
    });
    std::sort(done.begin(), done.end());
    CHECK(done == first(static_cast<int64_t>(done.size())));
    CHECK(done.size() < 1000);
    CHECK(interrupted[1] == 1);
  }
}

TEST_CASE("an exchange that takes longer than the interval makes rounds longer, nobody waits") {
  // Messages that are 50 ms on their way, an interval of 5 items of 1 ms.
  struct Late : Communicator {
    explicit Late(Communicator& the_ranks) : ranks(the_ranks) {}
    int rank() const override { return ranks.rank(); }
    int size() const override { return ranks.size(); }
    void start(std::vector<Bytes>& out, std::vector<Bytes>& in) override {
      ranks.start(out, in), started = seconds_now();
    }
    bool done() override { return seconds_now() - started > 0.05 && ranks.done(); }
    bool called() override { return ranks.called(); }
    void abort(const std::string& why, int code) override { ranks.abort(why, code); }
    Communicator& ranks;
    double started = 0;
  };
  const auto items = make_items(kItems);
  std::vector<ServerStats> stats(2);
  run_ranks(2, [&](Communicator& ranks) {
    Late late(ranks);
    Model model;
    ParameterServer<Model> server(model, SGD{.lr = 0.01},
                                  {.ranks = {.communicator = &late, .every = 5}});
    stats[static_cast<size_t>(ranks.rank())] =
        server.run(3000, [&](Model& m, Worker& w, int64_t i) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
          w.update([&] { return m.loss(items[static_cast<size_t>(i % kItems)]); });
        });
  });
  for (const RankStats& rank : stats[0].ranks) {
    CAPTURE(rank.rounds);
    CHECK(rank.wait_seconds < stats[0].seconds / 3);
    CHECK(rank.items > 750);
  }
}

TEST_CASE("shares are granted by speed, so that all end together") {
  const std::vector<Pace> paces = {{10, 0}, {40, 0}, {10, 20}};
  CHECK(grant(1000, paces, 3) == std::vector<int64_t>{30, 120, 10});
  const std::vector<int64_t> last = grant(60, paces, 3);
  CHECK(last[0] + last[1] + last[2] == 60);
  CHECK(last[0] == doctest::Approx(12).epsilon(0.1));
  CHECK(last[2] == 0);  // it has enough
  CHECK(grant(1, std::vector<Pace>(4, {5, 0}), 2) == std::vector<int64_t>{1, 0, 0, 0});
  CHECK(grant(0, paces, 3) == std::vector<int64_t>{0, 0, 0});
}

TEST_CASE("sums are the same on all ranks, in the order of ranks") {
  for (const int n : {1, 2, 3, 5}) {
    std::vector<Tensor> results(static_cast<size_t>(n));
    run_ranks(n, [&](Communicator& ranks) {
      // Rows 0 and 2 of the first table change, all of the second; some ranks own no row.
      Tensor base = Tensor::zeros({4, 3}), now = base.clone(), small = Tensor::full({2, 1}, 1, f64);
      for (const int64_t row : {0, 2})
        now.select(0, row).fill_(0.1 * static_cast<double>(ranks.rank() + 1));
      RowSum sum(ranks, {{now, base}, {small, {}}});
      sum.start(std::as_bytes(std::span("head", 4)));
      sleep_until([&] {
        return sum.step([&](const std::vector<Bytes>& heads) {
          CHECK(heads.size() == static_cast<size_t>(n));
          return Outer{.weights = std::vector<double>(static_cast<size_t>(n), 1)};
        });
      });
      Tensor result = Tensor::full({4, 3}, -1);
      double ones = 0;
      sum.visit([&](size_t table, int64_t row, int64_t rows, const void* values) {
        if (table == 1) {
          for (int64_t k = 0; k < rows; ++k) ones += static_cast<const double*>(values)[k];
          return;
        }
        std::copy_n(static_cast<const float*>(values), rows * 3,
                    result.narrow(0, row, rows).write<float>().begin());
      });
      CHECK(ones == 2.0 * n);
      results[static_cast<size_t>(ranks.rank())] = result;
    });
    float expected = 0;
    for (int r = 0; r < n; ++r) expected += static_cast<float>(0.1 * (r + 1));
    for (const Tensor& result : results) {
      CHECK(result.at({0, 1}) == expected);
      CHECK(result.at({1, 1}) == -1);
      CHECK(result.at({2, 0}) == expected);
    }
  }
}
