// How the cost of a token grows: the reference step with one of its sizes varied at a time, all of
// them measured in turns. Writes a picture of the curves.
//
//   bench_scaling [STEM]      draws into STEM.svg and STEM.png (default: scaling)

#include <cmath>

#include <tapestry/examples/common/plot.h>
#include <tapestry/tensor/blas.h>

#include "bench.h"
#include "steps.h"

using namespace tapestry;

namespace {

constexpr int kRounds = 9;

struct Sizes {
  int64_t words = 8000, hidden = 100, length = 28, truncation = 4;
};

/// One sentence per update, words drawn uniformly, about 200 tokens per pass.
struct Point {
  double size;  // of what is varied
  Sizes sizes;
  lm::LanguageModel model;
  Optimizer optimizer;
  std::vector<lm::Batch> batches;
  std::vector<double> times = {};  // seconds per token

  Point(double varied, const Sizes& s)
      : size(varied), sizes(s), model(initial(s)), optimizer(model, SGD{.lr = 0.005}) {
    model.rnn.set_bptt({BpttMode::exact, s.truncation});
    Rng rng(2);
    for (int64_t tokens = 0; tokens < 200; tokens += s.length) {
      std::vector<int32_t> ids;
      for (int64_t t = 0; t < s.length; ++t)
        ids.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(s.words))));
      const Tensor words = Tensor::indices(ids);
      batches.push_back({Packing::uniform(s.length, 1), words, words});
    }
  }
  static lm::LanguageModel initial(const Sizes& s) {
    Rng rng(1);
    return {{.cell = "rnn", .vocabulary = s.words, .hidden = s.hidden, .bias = false}, rng, f32};
  }
  void measure() {
    const double all = bench::seconds([&] {
      for (const lm::Batch& b : batches) bench::update(optimizer, [&] { return model.loss(b); });
    });
    times.push_back(all / static_cast<double>(static_cast<int64_t>(batches.size()) * sizes.length));
  }
  /// FLOP per token: 6HV of the softmax layer, 2H^2 forward and (K+1) 2H^2 backward.
  double flop() const {
    const auto h = static_cast<double>(sizes.hidden), v = static_cast<double>(sizes.words);
    const auto crossings = static_cast<double>(std::min(sizes.truncation, sizes.length - 1));
    return 6 * h * v + (crossings + 2) * 2 * h * h;
  }
};

struct Curve {
  std::string name;
  double shift;  // added to the size before its logarithm: K = 0 is one transition of weights
  std::vector<Point> points;
};

/// Slope of ln y against ln x by least squares.
double exponent(std::span<const double> x, std::span<const double> y) {
  double mx = 0, my = 0, xy = 0, xx = 0;
  const auto n = static_cast<double>(x.size());
  for (size_t i = 0; i < x.size(); ++i) mx += std::log(x[i]) / n, my += std::log(y[i]) / n;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (std::log(x[i]) - mx) * (std::log(y[i]) - my);
    xx += (std::log(x[i]) - mx) * (std::log(x[i]) - mx);
  }
  return xy / xx;
}

std::vector<Curve> curves() {
  std::vector<Curve> out;
  const auto add = [&](const char* name, int64_t Sizes::*what, std::vector<int64_t> values,
                       Sizes base = {}) {
    Curve curve{name, what == &Sizes::truncation ? 1. : 0., {}};
    for (const int64_t v : values) {
      base.*what = v;
      curve.points.emplace_back(static_cast<double>(v), base);
    }
    out.push_back(std::move(curve));
  };
  add("vocabulary V", &Sizes::words, {1000, 2000, 4000, 8000, 20'000, 50'000, 100'000});
  add("hidden H", &Sizes::hidden, {32, 64, 100, 128, 256, 512, 1024});
  add("sentence length", &Sizes::length, {10, 20, 28, 50, 100, 200, 500, 1000});
  // sentences long enough for K = 32 to truncate
  add("truncation K", &Sizes::truncation, {0, 1, 2, 4, 8, 16, 32}, {.length = 100});
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  restart_with_better_blas(argv);
  std::vector<Curve> all = curves();
  for (int round = -1; round < kRounds; ++round)
    for (Curve& curve : all)
      for (Point& point : curve.points) {
        if (round == 0) point.times.clear();  // the first is for warming up
        point.measure();
      }

  fmt::print(
      "{}\nOne thread, f32, one sentence per update; V 8000, H 100, length 28, K 4 where not "
      "varied\n(length 100 where K is).\n\n{:<18}{:>9}{:>14}{:>10}\n",
      bench::machine(), "varied", "size", "us per token", "GFLOP/s");
  app::Plot plot{.title = "Time per token of the reference step, one size varied at a time",
                 .x_label = "log10 of the size (K + 1 for the truncation)",
                 .y_label = "log10 of microseconds per token",
                 .series = {}};
  std::vector<std::string> fits;
  for (const Curve& curve : all) {
    std::vector<double> x, y;
    app::Series series{.name = curve.name, .x = {}, .y = {}};
    for (const Point& p : curve.points) {
      x.push_back(p.size + curve.shift);
      y.push_back(bench::median(p.times));
      fmt::print("{:<18}{:>9}{:>14.2f}{:>10.1f}\n", curve.name, p.size, y.back() * 1e6,
                 p.flop() / y.back() / 1e9);
      series.x.push_back(std::log10(x.back()));
      series.y.push_back(std::log10(y.back() * 1e6));
    }
    const size_t half = x.size() / 2;
    fits.push_back(fmt::format("{:<18}{:>9.2f}", curve.name,
                               exponent(std::span(x).subspan(half), std::span(y).subspan(half))));
    plot.series.push_back(std::move(series));
  }
  fmt::print(
      "\nTime per token grows as size^e; e by least squares of the logarithms over the upper "
      "half of\nthe sizes (K: against K + 1).\n\n");
  for (const std::string& line : fits) fmt::print("{}\n", line);
  fmt::print(
      "\nThe work says: V 1 (softmax layer: 6HV FLOP per token), H 1, rising to 2 where the\n"
      "recurrence ((K+2) 2H^2) outgrows the softmax layer, length 0 (the cost of a sentence is\n"
      "proportional to its length; short ones share the update of the weights among fewer "
      "tokens),\n"
      "K near 0 (2H^2 for each further transition against 6HV).\n");
  const app::PlotFiles files = app::write_plot(plot, argc > 1 ? argv[1] : "scaling");
  for (const auto& file : files.written) fmt::print("{}\n", file.string());
  if (!files.warning.empty()) fmt::print("{}\n", files.warning);
  return 0;
}
