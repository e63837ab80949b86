// The speed of tapestry on one core, each row a ratio measured inside this run. See README.md of
// this folder for what the rows mean.
//
//   speed [TEXT]      the reference step on the first 5,000 sentences of TEXT, else on `zipf`

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <new>

#include <tapestry/autograd/ops.h>
#include <tapestry/examples/lm/grammar.h>
#include <tapestry/examples/lm/model.h>
#include <tapestry/nn/linear.h>
#include <tapestry/optim/optimizer.h>
#include <tapestry/tensor/blas.h>
#include <tapestry/tensor/softmax_loss.h>

#include "bench.h"

static std::atomic<int64_t> heap_calls{0};
void* operator new(size_t n) {
  ++heap_calls;
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

using namespace tapestry;

namespace {

constexpr int kRounds = 15;

void row(const std::string& what, const std::string& value, const std::string& least,
         const std::string& aim) {
  fmt::print("{:<62} {:>10} {:>10} {:>8}\n", what, value, least, aim);
}
std::string share(const bench::Measured& m) { return fmt::format("{:.3f}", m.share()); }

lm::EncodedCorpus sentences(const char* path) {
  const lm::Corpus corpus =
      path ? lm::read_sentences({path},
                                {.lower = true, .split_sentences = true, .max_sentences = 5000})
           : lm::generate(*lm::make_source("zipf"), 5000, 1);
  return lm::Vocabulary::build(corpus).encode(corpus);
}

/// One pass over about 8,000 tokens in updates of `batch` sentences.
struct ReferenceStep {
  lm::LanguageModel<RNNCell> model;
  Optimizer optimizer;
  std::vector<lm::Batch> batches;
  double tokens = 0;

  ReferenceStep(const lm::EncodedCorpus& corpus, int64_t batch, DType dtype, Bptt bptt)
      : model(initial(corpus, dtype)), optimizer(model, SGD{.lr = 0.005}) {
    model.rnn.bptt = bptt;
    const auto order = lm::epoch_order(corpus.sentences(), true, 1, 0);
    for (size_t i = 0; i + static_cast<size_t>(batch) <= order.size() && tokens < 8000;
         i += static_cast<size_t>(batch)) {
      batches.push_back(
          lm::make_batch(corpus, std::span(order).subspan(i, static_cast<size_t>(batch))));
      tokens += static_cast<double>(batches.back().tokens());
    }
  }
  static lm::LanguageModel<RNNCell> initial(const lm::EncodedCorpus&, DType dtype) {
    Rng rng(1);
    return {lm::ModelShape{.cell = "rnn", .vocabulary = 8000, .bias = false}, rng, dtype};
  }
  void operator()() {
    for (const lm::Batch& b : batches) {
      {
        Tape tape;
        tape.backward(model.loss(b));
      }
      optimizer.step();
    }
  }
  /// 6HV of the softmax layer, 2H^2 forward and (K+1) 2H^2 backward of the recurrence, K = 4.
  double flop() const { return tokens * (6. * 100 * 8000 + 6 * 2. * 100 * 100); }
};

void reference(const lm::EncodedCorpus& corpus, DType dtype, bench::Peak& peak) {
  for (const int64_t batch : {1, 10}) {
    ReferenceStep step(corpus, batch, dtype, {BpttMode::exact, 4});
    const auto m = bench::against_peak(peak, step.flop(), kRounds, step);
    row(fmt::format("reference step, {} sentence{} per update, {}", batch, batch > 1 ? "s" : "",
                    name_of(dtype)),
        share(m), batch == 1 ? "0.52" : "0.68", batch == 1 ? "0.65" : "0.78");
    fmt::print("  {:.0f} tokens/s, {:.1f} of {:.1f} GFLOP/s\n", step.tokens / m.seconds,
               m.flops / 1e9, m.peak / 1e9);
    if (dtype == f32 && batch == 1) {
      // what truncated back-propagation costs: the same step with K = 4 and with K = 0, in turns
      ReferenceStep none(corpus, batch, dtype, {BpttMode::exact, 0});
      std::vector<double> ratio;
      none();
      for (int i = 0; i < kRounds; ++i) {
        const double b = bench::seconds(none), a = bench::seconds(step);
        ratio.push_back((a - b) / a);
      }
      row("  truncation: K = 4 against K = 0, share of the step",
          fmt::format("{:.1f}%", 100 * bench::median(ratio)), "", "");
    }
    const int64_t heap = heap_calls, pool = storage_stats().allocations;
    step();
    row("  heap and pool allocations in a further pass",
        fmt::format("{}+{}", heap_calls - heap, storage_stats().allocations - pool), "0", "0");
  }
}

void fused(DType dtype, bench::Peak& peak) {
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

/// Two layers of 200, 20 streams, windows of 35 steps whose state is carried.
void lstm_model(bench::Peak& peak) {
  Rng rng(1);
  constexpr int64_t kBatch = 20, kWindow = 35, kWidth = 200, kWords = 8000;
  lm::LanguageModel<LSTMCell> model(
      {.cell = "lstm", .vocabulary = kWords, .hidden = kWidth, .layers = 2, .embed = kWidth}, rng,
      f32);
  model.rnn.bptt = {BpttMode::chunk, kWindow};
  Optimizer optimizer(model, SGD{.lr = 0.1});
  lm::Batch batch{Packing::uniform(kWindow, kBatch), {}, {}};
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < kBatch * kWindow; ++i)
    ids.push_back(static_cast<int32_t>(rng.below(kWords)));
  batch.inputs = batch.targets = Tensor::indices(ids);
  const double tokens = kBatch * kWindow;
  // forward 1, backward 2: two products of each of 2 layers (in and recurrent), and the softmax
  // layer
  const double flop = tokens * (3 * 2. * 2 * 2 * kWidth * 4 * kWidth + 6. * kWidth * kWords);
  const auto m = bench::against_peak(peak, flop, kRounds, [&] {
    {
      Tape tape;
      tape.backward(model.loss(batch));
    }
    optimizer.step();
  });
  row("LSTM model 2 x 200, batch 20, window 35, f32", share(m), "0.62", "0.75");
  fmt::print("  {:.2f} ms per update, {:.0f} tokens/s\n", m.seconds * 1e3, tokens / m.seconds);
}

struct Forecaster {
  RNN<LSTMCell> rnn;
  Linear out;
  FIELDS(rnn, out)
};

void airline_step() {
  Rng rng(1);
  Forecaster model{RNN<LSTMCell>(1, 50, 1, rng), Linear(50, 1, rng)};
  Optimizer optimizer(model, SGD{.lr = 0.01});
  const Var x = uniform({12, 16, 1}, 1, rng), y = uniform({16, 1}, 1, rng);
  const auto step = [&] {
    {
      Tape tape;
      tape.backward(mse(model.out(output(model.rnn(x).state)), y));
    }
    optimizer.step();
  };
  std::vector<double> times;
  for (int i = 0; i < 5; ++i) step();
  for (int i = 0; i < 41; ++i)
    times.push_back(bench::seconds([&] {
                      for (int k = 0; k < 20; ++k) step();
                    }) /
                    20);
  row("airline LSTM step (hidden 50, window 12, batch 16, SGD), us",
      fmt::format("{:.1f}", 1e6 * bench::median(times)), "", "");
}

/// Recording and reversing an op on a scalar, in multiples of the op alone.
void tape_overhead() {
  constexpr int kOps = 1000;
  Parameter w(Tensor::scalar(1));
  const Var c(Tensor::scalar(1));
  const auto chain = [&](auto op) {
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
    return fmt::format("{:.1f}x ({:.0f}/{:.0f} ns)", bench::median(ratio), bench::median(taped_ns),
                       bench::median(plain_ns));
  };
  row("record + backward of a unary op (tanh)", chain([](const Var& y) { return tanh(y); }), "6x",
      "4x");
  row("record + backward of a unary op (scale)", chain([](const Var& y) { return y * 1.0; }), "6x",
      "4x");
  row("record + backward of mul, both gradients", chain([](const Var& y) { return y * y; }), "12x",
      "8x");
}

double resident_mb() {
  std::ifstream in("/proc/self/statm");
  double pages = 0;
  in >> pages >> pages;
  return pages * 4096 / 1e6;
}

void memory_growth() {
  Rng rng(1);
  Forecaster model{RNN<LSTMCell>(1, 50, 1, rng), Linear(50, 1, rng)};
  Optimizer optimizer(model, SGD{.lr = 0.01});
  double before = 0;
  for (int i = 0; i < 10'100; ++i) {
    if (i == 100) before = resident_mb();
    const int64_t steps = 4 + i % 9, batch = 1 + i % 16;
    const Var x = Tensor::full({steps, batch, 1}, 0.5), y = Tensor::full({batch, 1}, 0.5);
    Tape tape;
    tape.backward(mse(model.out(output(model.rnn(x).state)), y));
    optimizer.step();
  }
  row("growth of resident memory over 10,000 steps, MB",
      fmt::format("{:.2f}", resident_mb() - before), "0", "0");
}

}  // namespace

int main(int argc, char** argv) {
  fmt::print("{}\n{:<62} {:>10} {:>10} {:>8}\n", blas_description(),
             "one thread; shares are of the GEMM peak of this run", "measured", "at least", "aim");
  const lm::EncodedCorpus corpus = sentences(argc > 1 ? argv[1] : nullptr);
  bench::Peak peak32(f32), peak64(f64);
  reference(corpus, f32, peak32);
  reference(corpus, f64, peak64);
  fused(f32, peak32);
  fused(f64, peak64);
  lstm_model(peak32);
  airline_step();
  tape_overhead();
  memory_growth();
  return 0;
}
