// Every policy in every mode with every mishap: each run ends, as documented.

#include <doctest/doctest.h>
#include <tapestry/tensor/interruption.h>

#include "sanitizers.h"
#include "server_model.h"

using namespace tapestry;
using namespace tapestry::test;

namespace {

constexpr int64_t kCount = 12, kBad = 5;

enum class Mode { run, record, replay, simulate };
enum class Mishap { none, exception, not_finite, stop, rule, interrupted };

/// SGD that throws once, in its last call but for those of other threads.
struct FailingRule {
  double lr = 0.05;
  std::atomic<int>* calls_left = nullptr;

  static constexpr const char* name = "FailingRule";
  static int slots() { return 0; }
  static void check() {}
  template <class T>
  void update(std::span<T> w, std::span<const T> g, std::span<T* const>, int64_t) const {
    if (calls_left->fetch_sub(1) == 1) fail<ValueError>("the rule failed");
    for (size_t i = 0; i < w.size(); ++i) w[i] -= static_cast<T>(lr) * g[i];
  }
};

struct Case {
  UpdatePolicy policy;
  int shared;  // 0: nothing, 1: the weight, 2: bias and table, too
  Mode mode;
  bool uneven;
  Mishap mishap;

  bool replayable() const {
    return policy != UpdatePolicy::hogwild && policy != UpdatePolicy::critical_push;
  }
};

const std::vector<Tensor>& items_of(const Case& c) {
  static const std::vector<Tensor> uneven = make_items(kCount),
                                   even(static_cast<size_t>(kCount), make_items(1)[0]);
  return c.uneven ? uneven : even;
}

struct Outcome {
  std::string error;
  ServerStats stats;
  std::unique_ptr<Model> model = std::make_unique<Model>();
};

Outcome train(const Case& c, Mode mode, Mishap mishap, LockLog& log, int64_t count = kCount) {
  Outcome out;
  std::atomic<int> stop{0};
  Model& model = *out.model;
  ServerOptions options{.workers = 3,
                        .update = c.policy,
                        .shards = 4,
                        .staleness = c.policy == UpdatePolicy::ssp ? 1 : 0,
                        .stop = &stop};
  if (c.shared > 0) options.shared = {&model.weight};
  if (c.shared > 1) options.shared = {&model.weight, &model.bias, &model.input.table};
  const auto body = [&](Model& m, Worker& w, int64_t i) {
    const Tensor& ids = items_of(c)[static_cast<size_t>(i)];
    if (i == kBad && mishap == Mishap::exception) fail<IndexError>("item five is bad");
    if (i == kBad && mishap == Mishap::stop) stop = 1;
    const bool bad = i == kBad && mishap == Mishap::not_finite;
    const auto loss = [&] {
      const Var value = m.loss(ids);
      if (i == kBad && mishap == Mishap::interrupted) throw Interrupted();
      return bad ? value * tapestry::log(Var(Tensor::scalar(-1, f64))) : value;
    };
    try {
      w.update(loss, static_cast<double>(ids.numel() - 1));
    } catch (const Interrupted&) {
      stop = 1;
    }
  };
  std::atomic<int> calls{20};
  const UpdateRule rule = mishap == Mishap::rule ? UpdateRule(FailingRule{.calls_left = &calls})
                                                 : UpdateRule(SGD{.lr = 0.05});
  ParameterServer<Model> server(model, rule, options);
  try {
    out.stats = mode == Mode::simulate ? server.simulate(count, body)
                : mode == Mode::run    ? server.run(count, body)
                : mode == Mode::record ? server.record(count, body, log)
                                       : server.replay(count, body, log);
  } catch (const std::exception& e) {
    out.error = e.what();
  }
  return out;
}

void check_mishap(const Case& c, const Outcome& got) {
  switch (c.mishap) {
    case Mishap::none:
      CHECK(got.error == "");
      CHECK(got.stats.total().items == kCount);
      CHECK(got.stats.total().updates == kCount);
      break;
    case Mishap::exception:
      CHECK(got.error == "item five is bad");
      break;
    case Mishap::not_finite:
      CHECK(got.error.find("item 5: ") != std::string::npos);
      break;
    case Mishap::stop:
      CHECK(got.error == "");
      CHECK(got.stats.interrupted);
      CHECK(got.stats.total().items < kCount);
      break;
    case Mishap::rule:
      CHECK(got.error == "the rule failed");
      break;
    case Mishap::interrupted:
      CHECK(got.error == "");
      CHECK(got.stats.interrupted);
      CHECK(got.stats.total().updates < kCount);
      if (c.policy != UpdatePolicy::sync) break;
      LockLog none;  // the second round is not made, by no worker
      CHECK(got.stats.total().updates == 3);
      CHECK(distance(*got.model, *train(c, Mode::run, Mishap::none, none, 3).model) == 0);
      break;
  }
  for (auto& [name, p] : parameters(*got.model)) {
    CHECK(all_finite(p->value()));
    CHECK(p->grad().empty());
  }
}

void check_case(const Case& c) {
  LockLog log;
  if (c.mode == Mode::replay) {
    const Outcome recorded = train(c, Mode::record, Mishap::none, log);
    if (!c.replayable()) {
      CHECK(recorded.error.find("cannot be recorded or replayed") != std::string::npos);
      return;
    }
    REQUIRE(recorded.error == "");
    CHECK((c.policy == UpdatePolicy::sync) == log.empty());
    const Outcome again = train(c, Mode::replay, c.mishap, log);
    if (c.mishap == Mishap::none) CHECK(distance(*recorded.model, *again.model) == 0);
    return check_mishap(c, again);
  }
  const Outcome got = train(c, c.mode, c.mishap, log);
  check_mishap(c, got);
  if (c.mode != Mode::simulate || c.mishap != Mishap::none) return;
  const Outcome again = train(c, c.mode, c.mishap, log);
  CHECK(distance(*got.model, *again.model) == 0);
  CHECK(got.stats.seconds == again.stats.seconds);
  CHECK(got.stats.seconds >= got.stats.work / 3);
  CHECK(got.stats.seconds < got.stats.work);
}

}  // namespace

TEST_CASE("every policy, mode, sharing, unevenness and mishap ends as documented") {
  constexpr const char* kModes[] = {"run", "record", "replay", "simulate"};
  constexpr const char* kMishaps[] = {"none", "exception", "not finite",
                                      "stop", "rule",      "interrupted"};
  for (const UpdatePolicy policy :
       {UpdatePolicy::async, UpdatePolicy::sync, UpdatePolicy::ssp, UpdatePolicy::critical,
        UpdatePolicy::hogwild, UpdatePolicy::critical_push})
    for (const int shared : {0, 1, 2})
      for (const Mode mode : {Mode::run, Mode::replay, Mode::simulate})
        for (const bool uneven : {false, true})
          for (const Mishap mishap : {Mishap::none, Mishap::exception, Mishap::not_finite,
                                      Mishap::stop, Mishap::rule, Mishap::interrupted}) {
#ifdef TAPESTRY_TSAN
            if (policy == UpdatePolicy::hogwild || policy == UpdatePolicy::critical_push)
              continue;  // races by design
#endif
            const Case c{policy, shared, mode, uneven, mishap};
            CAPTURE(std::string(name_of(policy)));
            CAPTURE(shared);
            CAPTURE(uneven);
            CAPTURE(std::string(kModes[static_cast<int>(mode)]));
            CAPTURE(std::string(kMishaps[static_cast<int>(mishap)]));
            check_case(c);
          }
}
