// The speed of tapestry, each row a ratio measured inside this run. README.md of this folder says
// what the rows mean.

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <new>

#include <malloc.h>
#include <omp.h>

#include <tapestry/examples/common/options.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/blas.h>
#include <tapestry/tensor/reduce.h>
#include <tapestry/tensor/softmax/softmax_loss.h>
#include <tapestry/tensor/threads.h>

#include "bench.h"
#include "steps.h"

static std::atomic<int64_t> heap_calls{0};
// out of line: GCC would take inlined pairs of new and free for a mismatch
[[gnu::noinline]] void* operator new(size_t n) {
  ++heap_calls;
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

using namespace tapestry;
using bench::row;

namespace {

constexpr int kRounds = 15;

std::string share(const bench::Measured& m) { return fmt::format("{:.3f}", m.share()); }

void reference(const lm::EncodedCorpus& corpus, DType dtype) {
  bench::Peak peak(dtype);
  for (const size_t batch : {1, 10}) {
    bench::ReferenceStep step(corpus, batch, dtype, {BpttMode::exact, 4});
    const auto m = bench::against_peak(peak, step.flop(), kRounds, step);
    row(fmt::format("reference step, {} sentence{} per update, {}", batch, batch > 1 ? "s" : "",
                    name_of(dtype)),
        share(m), batch == 1 ? "0.52" : "0.68", batch == 1 ? "0.65" : "0.78");
    fmt::print("  {:.0f} tokens/s, {:.1f} of {:.1f} GFLOP/s\n", step.tokens / m.seconds,
               m.flops / 1e9, m.peak / 1e9);
    if (dtype == f32 && batch == 1) {
      // what truncated back-propagation costs: the same step with K = 4 and with K = 0, in turns
      bench::ReferenceStep none(corpus, batch, dtype, {BpttMode::exact, 0});
      std::vector<double> ratio;
      none();
      for (int i = 0; i < kRounds; ++i) {
        const double b = bench::seconds(none), a = bench::seconds(step);
        ratio.push_back((a - b) / a);
      }
      row("  truncation: K = 4 against K = 0, share of the step",
          fmt::format("{:.1f}%", 100 * bench::median(ratio)), "6%", "3%");
    }
    const int64_t heap = heap_calls, pool = storage_stats().allocations;
    step();
    row("  heap and pool allocations in a further pass",
        fmt::format("{}+{}", heap_calls - heap, storage_stats().allocations - pool), "0", "0");
  }
}

void fused(DType dtype) {
  bench::Peak peak(dtype);
  Rng rng(1);
  const Tensor weight = uniform({8000, 100}, 0.1, rng, dtype), one = Tensor::scalar(1, dtype);
  const std::pair<int64_t, std::pair<const char*, const char*>> sizes[] = {{4, {"0.25", "0.35"}},
                                                                           {24, {"0.65", "0.78"}},
                                                                           {25, {"0.58", "0.70"}},
                                                                           {230, {"0.76", "0.85"}}};
  for (const auto& [tokens, goal] : sizes) {
    const Tensor h = uniform({tokens, 100}, 1, rng, dtype);
    std::vector<int32_t> t;
    for (int64_t i = 0; i < tokens; ++i) t.push_back(static_cast<int32_t>(rng.below(8000)));
    const Tensor targets = Tensor::indices(t);
    const int repeat = tokens < 100 ? 4 : 1;
    const auto m = bench::against_peak(
        peak, repeat * 6. * 100 * 8000 * static_cast<double>(tokens), kRounds, [&] {
          for (int i = 0; i < repeat; ++i)
            softmax_loss(h, weight, {}, targets, -1, one, {true, true, false});
        });
    row(fmt::format("fused softmax layer, {} tokens, {}", tokens, name_of(dtype)), share(m),
        dtype == f32 ? goal.first : "", dtype == f32 ? goal.second : "");
  }
}

void lstm_model() {
  bench::Peak peak(f32);
  bench::LstmStep step;
  const auto m = bench::against_peak(peak, step.flop, kRounds, step);
  row("LSTM model 2 x 200, batch 20, window 35, f32", share(m), "0.62", "0.75");
  fmt::print("  {:.2f} ms per update, {:.0f} tokens/s\n", m.seconds * 1e3, step.tokens / m.seconds);
}

void airline_step() {
  bench::AirlineStep step;
  std::vector<double> times;
  step();
  for (int i = 0; i < 41; ++i) times.push_back(bench::seconds(step) / step.kUpdates);
  row("airline LSTM step (hidden 50, window 12, batch 16, SGD), us",
      fmt::format("{:.1f}", 1e6 * bench::median(times)));
}

/// A number of /proc/self/status in MB.
double status_mb(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) * 1024 / 1e6;
  return 0;
}

/// What one call of `step` needs at most, beyond what is there before, in MB.
double peak_mb(bench::LongStep& step) {
  storage_trim();
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
  const double before = status_mb("VmRSS");
  step();
  return status_mb("VmHWM") - before;
}

/// Long sequences whose steps are recorded again, 50 at a time, when backward comes to them.
void checkpointing() {
  bench::LongStep all(0, 0), few(50, 0), outputs(0, 50);
  const double most = peak_mb(all), least = peak_mb(few), kept = peak_mb(outputs);
  std::vector<double> ratio;
  for (int i = 0; i < kRounds; ++i) {
    const double plain = bench::seconds(all);
    ratio.push_back(bench::seconds(few) / plain);
  }
  row("LSTM, 1,000 steps, checkpoints every 50: time over that without",
      fmt::format("{:.2f}x", bench::median(ratio)), "1.5x", "1.35x");
  row("  peak memory of a step without, over that with", fmt::format("{:.1f}x", most / least), "8x",
      "12x");
  row("  the same where every output is kept (Bptt::recompute)",
      fmt::format("{:.1f}x", most / kept));
  fmt::print("  {:.1f} MB, {:.1f} MB and {:.1f} MB\n", most, least, kept);
}

/// Recording and reversing an op on a scalar, in multiples of the op alone.
void tape_overhead() {
  constexpr int kOps = 1000;
  Parameter w(Tensor::scalar(1));
  const auto chain = [&](const std::string& what, const char* least, const char* aim, auto op) {
    std::vector<double> ratio, plain_ns, taped_ns;
    for (int i = 0; i < 101; ++i) {
      const double plain = bench::seconds([&] {
        Var y = w;
        for (int k = 0; k < kOps; ++k) y = op(y);
      });
      const double taped = bench::seconds([&] {
        Tape tape;
        Var y = w;
        for (int k = 0; k < kOps; ++k) y = op(y);
        tape.backward(y);
      });
      w.grad().clear();
      ratio.push_back(taped / plain);
      plain_ns.push_back(plain / kOps * 1e9);
      taped_ns.push_back(taped / kOps * 1e9);
    }
    row(what, fmt::format("{:.1f}x", bench::median(ratio)), least, aim);
    fmt::print("  {:.0f} ns, {:.0f} ns without a tape\n", bench::median(taped_ns),
               bench::median(plain_ns));
  };
  const char* unary = "record + backward of a unary op";
  chain(fmt::format("{} (tanh)", unary), "6x", "4x", [](const Var& y) { return tanh(y); });
  chain(fmt::format("{} (scale)", unary), "6x", "4x", [](const Var& y) { return y * 1.0; });
  chain("record + backward of mul, both gradients", "12x", "8x",
        [](const Var& y) { return y * y; });
}

/// Bytes read and written per second, over those of memcpy between blocks of the same size.
void memory_speed() {
  Rng rng(1);
  // the size of the reference's softmax weights, and one that no cache holds
  for (const int64_t words : {8000, 200'000}) {
    const Tensor a = uniform({words, 100}, 1, rng), b = uniform({words, 100}, 1, rng);
    Tensor w = a.clone(), copy = a.clone();
    const double bytes = static_cast<double>(a.numel()) * 4;
    const UpdateRule sgd = SGD{.lr = 1e-9};
    std::vector<double> copies;
    const auto against_copy = [&](const std::string& what, double streams, auto&& f) {
      std::vector<double> ratio;
      f();
      for (int i = 0; i < kRounds; ++i) {
        const double base = bench::seconds(
            [&] { std::memcpy(copy.data<float>(), a.data<float>(), static_cast<size_t>(bytes)); });
        copies.push_back(2 * bytes / base / 1e9);
        ratio.push_back(streams / bench::seconds(f) / (2 / base));
      }
      row(fmt::format("{} of {:.1f} MB, bandwidth over memcpy's", what, bytes / 1e6),
          fmt::format("{:.2f}", bench::median(ratio)));
    };
    against_copy("add", 3, [&] { (void)(a + b); });
    against_copy("tanh", 2, [&] { (void)tanh(a); });
    against_copy("sum", 1, [&] { (void)sum(a); });
    against_copy("SGD update", 3, [&] { update(sgd, w, a, {}, 1); });
    fmt::print("  memcpy reads and writes {:.1f} GB/s\n", bench::median(copies));
  }
}

double resident_mb() {
  std::ifstream in("/proc/self/statm");
  double pages = 0;
  in >> pages >> pages;
  return pages * 4096 / 1e6;
}

void memory_growth() {
  bench::AirlineStep step;
  double before = 0;
  for (int i = 0; i < 10'100; ++i) {
    if (i == 100) before = resident_mb();
    const int64_t steps = 4 + i % 9, batch = 1 + i % 16;
    step.x = Tensor::full({steps, batch, 1}, 0.5);
    step.y = Tensor::full({batch, 1}, 0.5);
    bench::update(step.optimizer, [&] { return step.loss(); });
  }
  row("growth of resident memory over 10,000 steps, MB",
      fmt::format("{:.2f}", resident_mb() - before), "0", "0");
}

/// One update over several threads against what the processor gives: the throughput of a GEMM on
/// each of them at once over that of one.
void method2(const lm::EncodedCorpus& corpus, int threads) {
  bench::ReferenceStep step(corpus, 10, f32, {BpttMode::exact, 4});
  std::vector<bench::Peak> peaks(static_cast<size_t>(threads), bench::Peak(f32));
  const auto multiply = [&](int n) {  // the same number of products for every n
#pragma omp parallel for num_threads(n) schedule(static, 1)
    for (int i = 0; i < n; ++i)
      for (int k = 0; k < threads / n; ++k) peaks[static_cast<size_t>(i)].multiply();
  };
  const auto learn = [&](int n, const lm::Batch& batch) {
    set_kernel_threads(n);
    step.learn(batch);
    set_kernel_threads(1);
  };
  // Times of single updates: those that other programs disturbed do not reach the median.
  std::vector<double> speedup, gemm;
  for (int i = -1; i < 5; ++i)
    for (const lm::Batch& batch : step.batches) {
      const double gemm1 = bench::seconds([&] { multiply(1); });
      const double gemm_n = bench::seconds([&] { multiply(threads); });
      const double step1 = bench::seconds([&] { learn(1, batch); });
      const double step_n = bench::seconds([&] { learn(threads, batch); });
      if (i < 0) continue;  // warming up
      gemm.push_back(gemm1 / gemm_n);
      speedup.push_back(step1 / step_n);
    }
  const double g = bench::median(gemm), s = bench::median(speedup);
  row(fmt::format("reference step, 10 sentences, {} threads: speedup over GEMM's", threads),
      fmt::format("{:.3f}", s / g), "0.9");
  fmt::print("  {:.2f}x, and g = {:.2f}x for a GEMM on each thread\n", s, g);
}

/// One pass for each line on standard input, answered by its seconds: what peers.py runs in turns
/// with another library.
template <class Step>
void serve(Step pass) {
  pass();
  for (std::string line; std::getline(std::cin, line);) {
    fmt::print("{}\n", bench::seconds(pass));
    std::fflush(stdout);
  }
}

void dump(const lm::EncodedCorpus& corpus, size_t batch) {
  for (const auto& update : bench::reference_updates(corpus, batch)) {
    for (const int64_t s : update) fmt::print("{}\n", fmt::join(corpus.sentence(s), " "));
    fmt::print("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  restart_with_better_blas(argv);
  std::string text, only, serving;
  int threads = std::min(2, omp_get_num_procs());
  size_t batch = 0;
  bool core = false;
  const auto app = app::make_app("bench_speed",
                                 "Measures the speed of tapestry; see tests/bench/README.md.", "");
  app->add_option("TEXT", text, "text whose first 5,000 sentences are read (zipf)");
  app->add_option("--threads", threads, "threads of the row that uses several")
      ->check(app::whole_number(1, 1024));
  app->add_option("--serve", serving, "time one pass for each line of standard input")
      ->check(app::one_of({"reference1", "reference10", "lstm", "airline"}));
  app->add_option("--dump", batch, "print the sentences of a pass, this many per update");
  app->add_flag("--blas-core", core, "print OPENBLAS_CORETYPE as this program sets it");
  const std::pair<const char*, std::function<void(const lm::EncodedCorpus&)>> sections[] = {
      {"reference", [](const auto& c) { reference(c, f32), reference(c, f64); }},
      {"softmax", [](const auto&) { fused(f32), fused(f64); }},
      {"lstm", [](const auto&) { lstm_model(); }},
      {"airline", [](const auto&) { airline_step(); }},
      {"checkpoint", [](const auto&) { checkpointing(); }},
      {"tape", [](const auto&) { tape_overhead(); }},
      {"memory", [](const auto&) { memory_speed(), memory_growth(); }},
      {"threads",
       [&](const auto& c) {
         if (threads > 1) method2(c, threads);
       }},
  };
  std::vector<std::string> names;
  for (const auto& section : sections) names.push_back(section.first);
  app->add_option("--only", only, "the rows of one section")->check(app::one_of(names));
  if (!app::parse(*app, argc, argv)) return 0;
  if (core) {
    const char* set = std::getenv("OPENBLAS_CORETYPE");
    fmt::print("{}\n", set ? set : "");
    return 0;
  }

  const lm::EncodedCorpus corpus = bench::sentences(text);
  if (batch > 0) {
    dump(corpus, batch);
  } else if (serving == "lstm") {
    serve(bench::LstmStep());
  } else if (serving == "airline") {
    serve(bench::AirlineStep());
  } else if (!serving.empty()) {
    serve(
        bench::ReferenceStep(corpus, serving == "reference1" ? 1 : 10, f32, {BpttMode::exact, 4}));
  } else {
    fmt::print("{}\n", bench::machine());
    row("one thread unless said; shares are of the GEMM peak of this run", "measured", "at least",
        "aim");
    for (const auto& [name, run] : sections)
      if (only.empty() || only == name) run(corpus);
  }
  return 0;
}
