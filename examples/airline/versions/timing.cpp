#include <tapestry/examples/airline/methods/ensemble.h>
#include <tapestry/examples/airline/versions/timing.h>

#include <chrono>
#include <cmath>

#include <tapestry/nn/init.h>
#include <tapestry/tensor/matmul.h>

namespace tapestry::airline {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::vector<Timing> time_versions(std::span<const Version* const> versions, const Task& task,
                                  int repetitions) {
  std::vector<Timing> out;
  std::vector<std::vector<double>> seconds(versions.size());
  for (const Version* v : versions) out.push_back({v, 0, {}, {}});
  for (int turn = 0; turn < repetitions; ++turn)
    for (size_t i = 0; i < out.size(); ++i) {
      const double start = now();
      const Training trained = train(*out[i].version, task);
      seconds[i].push_back(now() - start);
      out[i].losses = trained.losses;
      out[i].traffic = trained.traffic;
    }
  for (size_t i = 0; i < out.size(); ++i) out[i].seconds = median(seconds[i]);
  return out;
}

double largest_difference(std::span<const Timing> timings) {
  double largest = 0;
  for (const Timing& t : timings)
    for (size_t e = 0; e < t.losses.size(); ++e) {
      largest = std::max(largest, std::abs(t.losses[e].train - timings[0].losses[e].train));
      largest = std::max(largest, std::abs(t.losses[e].valid - timings[0].losses[e].valid));
    }
  return largest;
}

double gemm_peak(int threads) {
  constexpr int64_t size = 768;
  constexpr int rounds = 7;
  const double flop = 2.0 * size * size * size * threads;
  std::vector<double> rates;
  std::vector<Tensor> a, b, c;
  for (int i = 0; i < threads; ++i) {
    Rng rng(static_cast<uint64_t>(i));
    a.push_back(uniform({size, size}, 1, rng, f64));
    b.push_back(uniform({size, size}, 1, rng, f64));
    c.push_back(Tensor::zeros({size, size}, f64));
  }
  for (int round = 0; round < rounds; ++round) {
    const double start = now();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int i = 0; i < threads; ++i) {
      const auto k = static_cast<size_t>(i);
      matmul_into(c[k], a[k], b[k], 0);
    }
    rates.push_back(flop / (now() - start));
  }
  return median(rates);
}

double useful_flop(const Task& task) {
  const auto hidden = static_cast<double>(task.hidden);
  const auto steps = static_cast<double>(task.train.length);
  // The first step's state is 0, and the input is one number.
  const double forward = 2 * 4 * hidden * ((steps - 1) * hidden + steps) + 2 * hidden;
  const auto epochs = static_cast<double>(task.epochs);
  return epochs * forward *
         (3 * static_cast<double>(task.train.count()) + static_cast<double>(task.valid.count()));
}

}  // namespace tapestry::airline
