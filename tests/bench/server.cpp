// The asynchronous parameter server on the reference workload: what workers gain and what locks
// cost. What a row compares is timed in turns.

#include <cmath>
#include <functional>
#include <limits>

#include <tapestry/examples/common/options.h>
#include <tapestry/examples/lm/experiments/experiment.h>
#include <tapestry/tensor/threads.h>

#include "bench.h"
#include "steps.h"

using namespace tapestry;

namespace {

DType dtype = f32;  // --double

lm::TrainSettings reference(int64_t batch, int64_t workers, UpdatePolicy update) {
  lm::TrainSettings s;
  s.model.vocabulary = 8000;
  s.model.bias = false;
  s.batch = batch;
  s.lr = 0.005;
  s.dtype = dtype;
  s.parallel.workers = workers;
  s.parallel.update = update;
  return s;
}

/// A server that trains on, `sentences` at a time.
class Trained {
 public:
  Trained(const lm::EncodedCorpus& corpus, int64_t batch, int64_t workers,
          UpdatePolicy update = UpdatePolicy::async)
      : experiment_(reference(batch, workers, update), corpus) {}
  double seconds(int64_t sentences) {
    const ServerStats stats = experiment_.run(sentences);
    all += stats;
    return stats.seconds;
  }
  ServerStats all;

 private:
  lm::Experiment experiment_;
};

/// The same training without a server.
class Sequential {
 public:
  Sequential(const lm::EncodedCorpus& corpus, int64_t batch)
      : step_(corpus, static_cast<size_t>(batch), dtype, {BpttMode::exact, 4}), batch_(batch) {}
  double seconds(int64_t sentences) {
    return bench::seconds([&] {
      for (int64_t i = 0; i < sentences; i += batch_)
        step_.learn(step_.batches[next_++ % step_.batches.size()]);
    });
  }

 private:
  bench::ReferenceStep step_;
  int64_t batch_;
  size_t next_ = 0;
};

/// Two GEMMs on two threads at once over two on one: what a second core is worth.
double second_core(int rounds) {
  std::vector<bench::Peak> peaks(2, bench::Peak(dtype));
  std::vector<double> ratios;
  for (int r = 0; r < rounds; ++r) {
    const double one = bench::seconds([&] { peaks[0].multiply(), peaks[1].multiply(); });
    const double two = bench::seconds([&] {
#pragma omp parallel for num_threads(2) schedule(static, 1)
      for (int i = 0; i < 2; ++i) peaks[static_cast<size_t>(i)].multiply();
    });
    ratios.push_back(one / two);
  }
  return bench::median(ratios);
}

void one_worker(const lm::EncodedCorpus& corpus) {
  bench::ReferenceStep plain(corpus, 1, dtype, {BpttMode::exact, 4});
  auto model = bench::ReferenceStep::initial(dtype);
  model.rnn.set_bptt(plain.model.rnn.bptt());
  ParameterServer<lm::LanguageModel> server(
      model, SGD{.lr = 0.005}, {.shared = {&model.input.table, &model.softmax.weight}});
  const auto body = [&](lm::LanguageModel& m, Worker& w, int64_t item) {
    const lm::Batch& b = plain.batches[static_cast<size_t>(item)];
    w.update([&] { return m.loss(b); }, static_cast<double>(b.tokens()));
  };
  std::vector<double> ratios;
  for (int i = -1; i < 21; ++i) {
    const double sequential = bench::seconds(plain);
    const double one =
        bench::seconds([&] { server.run(static_cast<int64_t>(plain.batches.size()), body); });
    if (i >= 0) ratios.push_back(one / sequential);
  }
  bench::row("one worker over sequential training, time, 21 pairs",
             fmt::format("{:.3f}", bench::median(ratios)), "1.03");
}

void two_workers(const lm::EncodedCorpus& corpus, int64_t batch, const char* goal) {
  Sequential one(corpus, batch);
  Trained two(corpus, batch, 2);
  std::vector<double> ratios, cores;
  for (int i = -1; i < 9; ++i) {
    const int64_t n = 200;
    const double a = one.seconds(n), b = two.seconds(n);
    cores.push_back(second_core(3));
    if (i >= 0) ratios.push_back(a / b);
  }
  const double g = bench::median(cores), speedup = bench::median(ratios);
  bench::row(fmt::format("two workers, {} sentence{} per update: speedup over g", batch,
                         batch == 1 ? "" : "s"),
             fmt::format("{:.3f}", speedup / g), goal);
  fmt::print("  {:.2f}x, and g = {:.2f}x for a GEMM on each of two threads\n", speedup, g);
  bench::row("  lock wait over compute", fmt::format("{:.4f}", two.all.lock_wait_share()), "0.005");
}

void many_workers(const lm::EncodedCorpus& corpus) {
  std::vector<std::unique_ptr<Trained>> servers;
  const std::vector<int64_t> counts = {2, 12, 16, 64};
  for (const int64_t workers : counts)
    servers.push_back(std::make_unique<Trained>(corpus, 1, workers));
  std::vector<std::vector<double>> ratios(counts.size());
  for (int i = -1; i < 5; ++i) {
    std::vector<double> t;
    for (auto& server : servers) t.push_back(server->seconds(1024));
    for (size_t k = 0; i >= 0 && k < counts.size(); ++k) ratios[k].push_back(t[0] / t[k]);
  }
  for (size_t k = 1; k < counts.size(); ++k)
    bench::row(fmt::format("{} workers on this machine: throughput over that of two", counts[k]),
               fmt::format("{:.3f}", bench::median(ratios[k])), counts[k] < 64 ? "0.9" : "");
}

/// The reference's critical section with the pull inside and outside.
void critical_sections(const lm::EncodedCorpus& corpus) {
  Trained inside(corpus, 1, 2, UpdatePolicy::critical),
      outside(corpus, 1, 2, UpdatePolicy::critical_push), sharded(corpus, 1, 2);
  std::vector<double> to_outside, to_sharded;
  for (int i = 0; i < 5; ++i) {
    const double a = inside.seconds(200), b = outside.seconds(200), c = sharded.seconds(200);
    to_outside.push_back(a / b);
    to_sharded.push_back(a / c);
  }
  const auto share = [](const ServerStats& s) {
    return (s.total().lock_wait_seconds + s.total().lock_hold_seconds) /
           s.total().compute_seconds();
  };
  bench::row("critical section with the pull: locked or waiting over compute",
             fmt::format("{:.3f}", share(inside.all)));
  bench::row("the pull outside of it", fmt::format("{:.3f}", share(outside.all)));
  bench::row("  speedup over the pull inside", fmt::format("{:.2f}x", bench::median(to_outside)));
  bench::row("sharded locks, shared values: speedup over the pull inside",
             fmt::format("{:.2f}x", bench::median(to_sharded)));
}

/// The simulation's speedup by two workers against the measured one. Its law is that of two at
/// work.
void simulated_speedup(const lm::EncodedCorpus& corpus) {
  lm::Experiment one(reference(1, 1, UpdatePolicy::async), corpus),
      two(reference(1, 2, UpdatePolicy::async), corpus),
      virtual_two(reference(1, 2, UpdatePolicy::async), corpus);
  std::vector<double> measured, simulated;
  for (int i = -1; i < 9; ++i) {
    const int64_t n = 200;
    const ServerStats a = one.run(n), b = two.run(n);
    const DelayLaw law = b.delay_law();
    const ServerStats c = virtual_two.run(n, &law);
    if (i < 0) continue;
    measured.push_back(a.seconds / b.seconds);
    simulated.push_back(a.seconds / c.seconds);
  }
  const double m = bench::median(measured), s = bench::median(simulated);
  bench::row("two workers: simulated speedup over the measured one", fmt::format("{:.3f}", s / m),
             "+-0.05");
  fmt::print("  {:.2f}x simulated, {:.2f}x measured\n", s, m);
}

/// The loss of the third epoch by how many workers train, the mean of three seeds.
void losses(const lm::EncodedCorpus& corpus) {
  struct Setting {
    const char* name;
    int64_t workers;
    bool simulated, guards;
    const char* goal;
  };
  const Setting settings[] = {
      {"sequential", 1, false, false, ""},
      {"2 workers", 2, false, false, "+-0.5%"},
      {"12 simulated, clip 40, items of 25 tokens", 12, true, true, "+1.5%"},
      {"16 simulated, the same", 16, true, true, ""},
      {"12 simulated, nothing of it", 12, true, false, ""}};
  double sequential = 0;
  DelayLaw law;
  for (const Setting& setting : settings) {
    double sum = 0;
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      lm::TrainSettings s = reference(1, setting.workers, UpdatePolicy::async);
      s.seed = seed;
      if (setting.guards) s.clip_norm = 40, s.parallel.max_item_tokens = 25;
      lm::Experiment experiment(s, corpus);
      try {
        for (int epoch = 1; epoch <= 3; ++epoch) {
          const ServerStats stats =
              experiment.run(corpus.sentences(), setting.simulated ? &law : nullptr);
          if (setting.workers == 1) law = stats.delay_law();
        }
        sum += experiment.online_loss();
      } catch (const NonFiniteError&) {
        sum = std::numeric_limits<double>::quiet_NaN();
      }
    }
    const double mean = sum / 3;
    if (setting.workers == 1) sequential = mean;
    bench::row(fmt::format("third epoch's loss, {}", setting.name),
               std::isfinite(mean) ? fmt::format("{:.4f}", mean) : "diverged", setting.goal,
               fmt::format("{:+.2f}%", 100 * (mean / sequential - 1)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  restart_with_better_blas(argv);
  std::string text, only;
  const auto app = app::make_app("bench_server",
                                 "Measures the parameter server; see tests/bench/README.md.", "");
  app->add_option("TEXT", text, "text whose first 5,000 sentences are read (zipf)");
  const std::pair<const char*, std::function<void(const lm::EncodedCorpus&)>> sections[] = {
      {"one", one_worker},
      {"two",
       [](const auto& c) {
         two_workers(c, 1, "0.85");
         two_workers(c, 10, "0.95");
       }},
      {"many", many_workers},
      {"critical", critical_sections},
      {"simulated", simulated_speedup},
      {"losses", losses},
  };
  std::vector<std::string> names;
  for (const auto& section : sections) names.push_back(section.first);
  bool in_double = false;
  app->add_flag("--double", in_double, "in f64");
  app->add_option("--only", only, "the rows of one section")->check(app::one_of(names));
  if (!app::parse(*app, argc, argv)) return 0;
  if (in_double) dtype = f64;
  const lm::EncodedCorpus corpus = bench::sentences(text);
  fmt::print("{}\n", bench::machine());
  bench::row(fmt::format("reference workload, {}", name_of(dtype)), "measured", "goal");
  for (const auto& [name, run] : sections)
    if (only.empty() || only == name) run(corpus);
  return 0;
}
