#pragma once
// Timing for the benchmark programs: the speed of interest and the GEMM peak are measured in turns
// in one run, so that their ratio survives a machine whose speed drifts. Medians throughout.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include <tapestry/nn/init.h>
#include <tapestry/tensor/blas.h>
#include <tapestry/tensor/matmul.h>

namespace bench {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
template <class F>
double seconds(F&& f) {
  const double start = now();
  f();
  return now() - start;
}
inline double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

/// The processor and the BLAS, for example "AMD EPYC; OpenBLAS 0.3.21, ...".
inline std::string machine() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name"))
      return line.substr(line.find(':') + 2) + "; " + tapestry::blas_description();
  return tapestry::blas_description();
}

/// One line of the table: what was measured, the figure, and the goals it is held against.
inline void row(const std::string& what, const std::string& value, const std::string& least = "",
                const std::string& aim = "") {
  fmt::print("{:<66} {:>10} {:>9} {:>7}\n", what, value, least, aim);
  std::fflush(stdout);
}

/// FLOP/s of one square product through BLAS on one thread, large enough to reach the peak.
class Peak {
 public:
  explicit Peak(tapestry::DType dtype) {
    tapestry::Rng rng(1);
    a_ = tapestry::uniform({kSize, kSize}, 1, rng, dtype);
    b_ = tapestry::uniform({kSize, kSize}, 1, rng, dtype);
    c_ = tapestry::Tensor::empty({kSize, kSize}, dtype);
  }
  void multiply() { matmul_into(c_, a_, b_, 0); }
  double measure() {
    return kFlop / seconds([&] { multiply(); });
  }
  static constexpr int64_t kSize = 768;
  static constexpr double kFlop = 2.0 * kSize * kSize * kSize;

 private:
  tapestry::Tensor a_, b_, c_;
};

struct Measured {
  double seconds, flops, peak;  // medians: of the work, of its rate, of the peak
  double share() const { return flops / peak; }
};

/// Alternates `rounds` times between the peak and f(), which does `flop` useful operations.
template <class F>
Measured against_peak(Peak& peak, double flop, int rounds, F&& f) {
  std::vector<double> times, peaks;
  f();  // warm
  for (int i = 0; i < rounds; ++i) {
    peaks.push_back(peak.measure());
    times.push_back(seconds(f));
  }
  const double t = median(times);
  return {t, flop / t, median(peaks)};
}

}  // namespace bench
