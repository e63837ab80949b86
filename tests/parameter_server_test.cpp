// The parameter server: equal to sequential training where it must be, deterministic where it says
// so, and safe when workers fail.

#include <doctest/doctest.h>

#include <mutex>

#include "server_model.h"

using namespace tapestry;
using namespace tapestry::test;

namespace {

void train_sequentially(Model& model, const UpdateRule& rule, const std::vector<Tensor>& items) {
  Optimizer optimizer(model, rule);
  for (const Tensor& ids : items) {
    {
      Tape tape;
      tape.backward(model.loss(ids));
    }
    optimizer.step();
  }
}

const UpdateRule kRules[] = {SGD{.lr = 0.1}, SGD{.lr = 0.1, .momentum = 0.9}, Adam{.lr = 0.01}};

}  // namespace

TEST_CASE("one worker gives the bits of sequential training under every policy") {
  const auto items = make_items();
  for (const UpdateRule& rule : kRules)
    for (const UpdatePolicy policy :
         {UpdatePolicy::async, UpdatePolicy::sync, UpdatePolicy::ssp, UpdatePolicy::hogwild,
          UpdatePolicy::critical, UpdatePolicy::critical_push}) {
      Model sequential, served;
      train_sequentially(sequential, rule, items);
      ParameterServer<Model> server(
          served, rule, {.update = policy, .shared = {&served.weight, &served.input.table}});
      const ServerStats stats = server.run(kItems, body_over(items));
      CHECK(distance(sequential, served) == 0);
      CHECK(stats.total().updates == kItems);
      CHECK(stats.mean_staleness() == 0);
      CHECK(server.optimizer().steps() == kItems);
    }
}

TEST_CASE(
    "synchronous workers equal one worker with their items as one batch, and repeat exactly") {
  const auto items = make_items(13);  // the last round is not full
  for (const UpdatePolicy policy : {UpdatePolicy::sync, UpdatePolicy::ssp})
    for (const int workers : {2, 3, 4}) {
      Model batched, served, again;
      Optimizer optimizer(batched, SGD{.lr = 0.1});
      for (size_t first = 0; first < items.size(); first += static_cast<size_t>(workers)) {
        const size_t last = std::min(items.size(), first + static_cast<size_t>(workers));
        double weights = 0;
        for (size_t i = first; i < last; ++i) weights += static_cast<double>(i + 1);
        {
          Tape tape;
          Var loss;
          for (size_t i = first; i < last; ++i) {
            const Var one = batched.loss(items[i]) * (static_cast<double>(i + 1) / weights);
            loss = loss.defined() ? loss + one : one;
          }
          tape.backward(loss);
        }
        optimizer.step();
      }
      for (Model* model : {&served, &again}) {
        ParameterServer<Model> server(*model, SGD{.lr = 0.1},
                                      {.workers = workers, .update = policy});
        server.run(13, [&](Model& m, Worker& w, int64_t i) {
          w.update([&] { return m.loss(items[static_cast<size_t>(i)]); }, 1,
                   static_cast<double>(i + 1));
        });
      }
      CAPTURE(workers);
      CHECK(distance(batched, served) < 1e-12);
      CHECK(distance(served, again) == 0);
    }
}

TEST_CASE("a recorded asynchronous run is replayed to the same bits") {
  const auto items = make_items(60);
  for (const UpdateRule& rule : kRules)
    for (const bool shared : {false, true}) {
      Model recorded, replayed;
      LockLog log;
      const auto options = [&](Model& m) {
        ServerOptions o{.workers = 3, .shards = 5};
        if (shared) o.shared = {&m.weight, &m.bias, &m.input.table};
        return o;
      };
      ParameterServer<Model>(recorded, rule, options(recorded)).record(60, body_over(items), log);
      ParameterServer<Model>(replayed, rule, options(replayed)).replay(60, body_over(items), log);
      CHECK(log.size() > 60);
      CHECK(distance(recorded, replayed) == 0);
    }
}

TEST_CASE("simulation is deterministic, and with one worker it is sequential training") {
  const auto items = make_items(60);
  Model sequential, one, a, b;
  train_sequentially(sequential, SGD{.lr = 0.1}, items);
  ParameterServer<Model>(one, SGD{.lr = 0.1}, {}).simulate(60, body_over(items));
  CHECK(distance(sequential, one) == 0);
  ServerStats stats;
  for (Model* model : {&a, &b})
    stats = ParameterServer<Model>(*model, SGD{.lr = 0.1}, {.workers = 12})
                .simulate(60, body_over(items));
  CHECK(distance(a, b) == 0);
  CHECK(distance(a, sequential) > 0);
  CHECK(stats.simulated);
  CHECK(stats.mean_staleness() > 5);  // about N - 1
  CHECK(stats.mean_staleness() < 11);
  double tokens = 0;
  for (const Tensor& ids : items) tokens += static_cast<double>(ids.numel() - 1);
  CHECK(stats.seconds > tokens / 12);
  CHECK(stats.seconds < tokens / 6);
  CHECK(stats.simulated_speedup() == doctest::Approx(tokens / stats.seconds));
}

TEST_CASE("asynchronous workers learn under every policy that is free of races") {
  const auto items = make_items(40);
  for (const UpdatePolicy policy :
       {UpdatePolicy::async, UpdatePolicy::sync, UpdatePolicy::ssp, UpdatePolicy::critical})
    for (const int workers : {2, 5}) {
      Model model;
      const auto total = [&] {
        double sum = 0;
        for (const Tensor& ids : items) sum += model.loss(ids).value().item();
        return sum;
      };
      const double before = total();
      ParameterServer<Model> server(model, SGD{.lr = 0.05},
                                    {.workers = workers,
                                     .update = policy,
                                     .shards = 7,
                                     .staleness = policy == UpdatePolicy::ssp ? 1 : 0,
                                     .shared = {&model.weight, &model.bias, &model.input.table}});
      for (int epoch = 0; epoch < 3; ++epoch) {
        const ServerStats stats = server.run(40, body_over(items));
        CHECK(stats.total().items == 40);
      }
      CHECK(total() < before);
      for (auto& [name, p] : parameters(model)) CHECK(p->grad().empty());
    }
}

TEST_CASE("bounded staleness is bounded") {
  const auto items = make_items(90);
  Model model;
  const ServerStats stats =
      ParameterServer<Model>(model, SGD{.lr = 0.05},
                             {.workers = 3, .update = UpdatePolicy::ssp, .staleness = 2})
          .run(90, body_over(items));
  // While I work on item c, each of the 2 others can push its items c - 2 to c + 2.
  CHECK(stats.staleness.size() <= 2 * 5 + 1);
}

TEST_CASE("more workers than items, no items, and 64 workers") {
  const auto items = make_items(70);
  for (const UpdatePolicy policy : {UpdatePolicy::async, UpdatePolicy::sync, UpdatePolicy::ssp})
    for (const auto& [workers, n] : {std::pair{5, 3}, {5, 0}, {64, 70}}) {
      Model model;
      const ServerStats stats =
          ParameterServer<Model>(model, SGD{.lr = 0.01},
                                 {.workers = workers, .update = policy, .staleness = 3})
              .run(n, body_over(items));
      CHECK(stats.total().items == n);
    }
}

TEST_CASE("a worker's exception stops all workers and is rethrown") {
  const auto items = make_items(60);
  for (const UpdatePolicy policy :
       {UpdatePolicy::async, UpdatePolicy::sync, UpdatePolicy::ssp, UpdatePolicy::critical})
    for (const int workers : {1, 3}) {
      Model model;
      ParameterServer<Model> server(model, SGD{.lr = 0.01},
                                    {.workers = workers, .update = policy, .staleness = 1});
      CHECK_THROWS_WITH_AS(server.run(60,
                                      [&](Model& m, Worker& w, int64_t i) {
                                        if (i == 7) fail<IndexError>("item seven is bad");
                                        body_over(items)(m, w, i);
                                      }),
                           "item seven is bad", IndexError);
    }
  Model model;
  ParameterServer<Model> server(model, SGD{.lr = 0.01}, {.workers = 3});
  const auto bad = [&](Model& m, Worker& w, int64_t i) {
    if (i == 7) fail<IndexError>("item seven is bad");
    body_over(items)(m, w, i);
  };
  CHECK_THROWS_AS(server.simulate(60, bad), IndexError);
}

TEST_CASE("nothing that is not finite reaches the master") {
  const auto items = make_items(30);
  for (const UpdatePolicy policy : {UpdatePolicy::async, UpdatePolicy::sync})
    for (const int workers : {1, 2}) {
      Model model;
      ParameterServer<Model> server(model, SGD{.lr = 0.01}, {.workers = workers, .update = policy});
      const auto poisoned = [&](Model& m, Worker& w, int64_t i) {
        w.update([&] {
          Var loss = m.loss(items[static_cast<size_t>(i)]);
          return i == 9 ? loss * log(Var(Tensor::scalar(-1, f64))) : loss;
        });
      };
      std::string message;
      try {
        server.run(30, poisoned);
      } catch (const NonFiniteError& e) {
        message = e.what();
      }
      CHECK(message.find("item 9") != std::string::npos);
      CHECK(message.find("worker") != std::string::npos);
      CHECK(message.find("log") != std::string::npos);
      for (auto& [name, p] : parameters(model)) CHECK(all_finite(p->value()));
    }
}

TEST_CASE("a stop request ends the run after the running items") {
  const auto items = make_items(60);
  for (const UpdatePolicy policy : {UpdatePolicy::async, UpdatePolicy::sync, UpdatePolicy::ssp}) {
    std::atomic<int> stop{0};
    Model model;
    ParameterServer<Model> server(model, SGD{.lr = 0.01},
                                  {.workers = 2, .update = policy, .staleness = 1, .stop = &stop});
    const ServerStats stats = server.run(60, [&](Model& m, Worker& w, int64_t i) {
      body_over(items)(m, w, i);
      if (i == 10) stop = 1;
    });
    CHECK(stats.interrupted);
    CHECK(stats.total().items >= 10);
    CHECK(stats.total().items < 60);
  }
}

TEST_CASE("clipping bounds every pushed update and counts") {
  const auto items = make_items(20);
  Model model, before = model;
  const ServerStats stats =
      ParameterServer<Model>(model, SGD{.lr = 1}, {.clip_norm = 0.01}).run(1, body_over(items));
  CHECK(distance(model, before) == doctest::Approx(0.01));
  CHECK(stats.clipped == 1);
}

TEST_CASE("a shared parameter may only be read under its locks") {
  Model model;
  ParameterServer<Model> server(model, SGD{.lr = 0.1},
                                {.workers = 2, .shared = {&model.rnn.cells[0].w_hh}});
  const auto items = make_items(4);
  CHECK_THROWS_AS(server.run(4, body_over(items)), TapeError);
}

TEST_CASE("the state of the rule is saved and resumed") {
  const auto items = make_items(20);
  Model whole, halves, resumed;
  ParameterServer<Model>(whole, Adam{.lr = 0.01}).run(20, body_over(items));
  NamedTensors state;
  {
    ParameterServer<Model> server(halves, Adam{.lr = 0.01});
    server.run(10, body_over(items));
    to_tensors(halves, state, "model.");
    server.optimizer().save(state);
  }
  ParameterServer<Model> server(resumed, Adam{.lr = 0.5});
  from_tensors(resumed, state, "model.");
  server.optimizer().load(state);
  server.run(10, [&](Model& m, Worker& w, int64_t i) { body_over(items)(m, w, i + 10); });
  CHECK(distance(whole, resumed) == 0);
}

TEST_CASE("options out of range are refused") {
  Model model;
  const auto items = make_items(1);
  CHECK_THROWS_AS(ParameterServer<Model>(model, SGD{}, {.workers = 0}).run(1, body_over(items)),
                  ValueError);
  CHECK_THROWS_AS(ParameterServer<Model>(model, SGD{}, {.shards = 0}).run(1, body_over(items)),
                  ValueError);
  CHECK_THROWS_AS(ParameterServer<Model>(model, SGD{}, {.clip_norm = -1}).run(1, body_over(items)),
                  ValueError);
}

TEST_CASE("a pointer in `shared` that is none of the model's parameters is refused") {
  Model model, other;
  const Parameter absent;
  for (const Parameter* p : {static_cast<const Parameter*>(&other.weight), &absent})
    CHECK_THROWS_WITH_AS(ParameterServer<Model>(model, SGD{}, {.shared = {&model.weight, p}}),
                         "ParameterServer: `shared` has a parameter that is none of the model's "
                         "(give &model.NAME of this model)",
                         ValueError);
  CHECK_THROWS_WITH_AS(ParameterServer<Model>(model, SGD{}, {.shared = {nullptr}}),
                       "ParameterServer: a null pointer in `shared`", ValueError);
}

TEST_CASE("a model that was moved into the server's is refused") {
  const auto items = make_items(4);
  Model model;
  ParameterServer<Model> server(model, SGD{.lr = 0.1});
  model = Model();
  CHECK_THROWS_WITH_AS(server.run(4, body_over(items)),
                       doctest::Contains("the model changed since the server was made"), Error);
}

TEST_CASE("a body that trains another model than it is given is refused") {
  const auto items = make_items(4);
  Model model;
  ParameterServer<Model> server(model, SGD{.lr = 0.1});
  CHECK_THROWS_WITH_AS(
      server.run(4,
                 [&](Model&, Worker& w, int64_t i) {
                   w.update([&] { return model.loss(items[static_cast<size_t>(i)]); });
                 }),
      doctest::Contains("depends on no parameter of the worker's model"), Error);
  zero_grad(model);
}

TEST_CASE("a loss that is another one when it is evaluated again is told from a bad op") {
  const auto items = make_items(1);
  Model model;
  ParameterServer<Model> server(model, SGD{.lr = 0.1});
  int calls = 0;
  const auto body = [&](Model& m, Worker& w, int64_t) {
    w.update([&] { return m.loss(items[0]) * (calls++ == 0 ? std::nan("") : 1.0); });
  };
  CHECK_THROWS_WITH_AS(server.run(1, body), doctest::Contains("evaluated once more"),
                       NonFiniteError);
  CHECK(calls == 2);
}

TEST_CASE("simulated rounds take as long as their longest items") {
  const auto items = make_items(5);
  const double tokens[] = {3, 5, 2, 2, 4};
  for (const UpdatePolicy policy : {UpdatePolicy::sync, UpdatePolicy::ssp}) {
    Model model, real;
    const auto body = [&](Model& m, Worker& w, int64_t i) {
      w.update([&] { return m.loss(items[static_cast<size_t>(i)]); }, tokens[i]);
    };
    const ServerOptions options{.workers = 2, .update = policy};
    const ServerStats stats = ParameterServer<Model>(model, SGD{.lr = 0.1}, options)
                                  .simulate(5, body, {.per_update = 1, .per_token = 2});
    CHECK(stats.simulated);
    CHECK(stats.seconds == (1 + 2 * 5) + (1 + 2 * 2) + (1 + 2 * 4));
    CHECK(stats.simulated_speedup() == doctest::Approx(37.0 / 25));
    ParameterServer<Model>(real, SGD{.lr = 0.1}, options).run(5, body);
    CHECK(distance(model, real) == 0);
  }
}

TEST_CASE("simulated bounded staleness waits in virtual time") {
  // Worker 0 has the long items; worker 1 may begin its second when worker 0 is at its first.
  const auto items = make_items(6);
  const double tokens[] = {10, 1, 10, 1, 10, 1};
  Model model;
  std::vector<int64_t> order;
  const ServerStats stats =
      ParameterServer<Model>(model, SGD{.lr = 0.1},
                             {.workers = 2, .update = UpdatePolicy::ssp, .staleness = 1})
          .simulate(6, [&](Model& m, Worker& w, int64_t i) {
            order.push_back(i);
            w.update([&] { return m.loss(items[static_cast<size_t>(i)]); }, tokens[i]);
          });
  CHECK(stats.seconds == 30);
  // Without the bound, item 5 would begin at time 2; it waits until item 2 does, at time 10.
  CHECK(order == std::vector<int64_t>{0, 1, 3, 2, 5, 4});
}

TEST_CASE("a log of another run is refused, and ends") {
  const auto items = make_items(20);
  LockLog log;
  const ServerOptions options{.workers = 2};
  {
    Model model;
    ParameterServer<Model>(model, SGD{.lr = 0.1}, options).record(20, body_over(items), log);
  }
  const auto replay = [&](ServerOptions o, int64_t n, const LockLog& schedule) {
    Model model;
    ParameterServer<Model>(model, SGD{.lr = 0.1}, o).replay(n, body_over(items), schedule);
  };
  CHECK_NOTHROW(replay(options, 20, log));
  CHECK_THROWS_WITH_AS(replay(options, 12, log), doctest::Contains("took fewer locks"), ValueError);
  LockLog half(log.begin(), log.begin() + static_cast<int64_t>(log.size() / 2));
  CHECK_THROWS_WITH_AS(replay(options, 20, half), doctest::Contains("does not give it"),
                       ValueError);
  CHECK_THROWS_AS(
      replay({.workers = 2, .update = UpdatePolicy::ssp, .staleness = 1}, 20, LockLog(400, 1)),
      ValueError);
  CHECK_THROWS_WITH_AS(replay(options, 20, LockLog(400, 2)),
                       "replay: a schedule of more than 2 workers", ValueError);
}

TEST_CASE("a warm update takes no memory from the system") {
  const auto items = make_items(1);
  for (const UpdatePolicy policy : {UpdatePolicy::async, UpdatePolicy::sync})
    for (const UpdateRule& rule : kRules) {
      Model model;
      ParameterServer<Model> server(model, rule, {.update = policy, .clip_norm = 0.1});
      uint64_t warm = 0, end = 0;
      server.run(40, [&](Model& m, Worker& w, int64_t i) {
        body_over(items)(m, w, 0);
        if (i == 9) warm = storage_stats().allocations;
        if (i == 39) end = storage_stats().allocations;
      });
      Tensor probe = Tensor::empty({1});
      probe = Tensor();
      const uint64_t before = static_cast<uint64_t>(storage_stats().allocations);
      probe = Tensor::empty({1});
      if (static_cast<uint64_t>(storage_stats().allocations) > before) return;  // the pool is off
      CHECK(end == warm);
    }
}
