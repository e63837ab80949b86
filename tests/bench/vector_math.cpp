// Accuracy and speed of the elementary functions: every f32 bit pattern against the f64 libm, and
// the time per element against libm in both types.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <tapestry/tensor/vector_math.h>

#include "bench.h"

namespace {

double sigmoid_exact(double x) { return 1 / (1 + std::exp(-x)); }

template <class T>
struct Function {
  const char* name;
  void (*row)(const T*, T*, int64_t);
  T (*libm)(T);
  double (*exact)(double);
  T low, high;  // the range that is timed
};
template <class T>
const Function<T> kFunctions[] = {
    {"exp", tapestry::exp_row, [](T x) { return std::exp(x); },
     [](double x) { return std::exp(x); }, -20, 20},
    {"log", tapestry::log_row, [](T x) { return std::log(x); },
     [](double x) { return std::log(x); }, T(1e-3), 1000},
    {"tanh", tapestry::tanh_row, [](T x) { return std::tanh(x); },
     [](double x) { return std::tanh(x); }, -4, 4},
    {"sigmoid", tapestry::sigmoid_row, [](T x) { return 1 / (1 + std::exp(-x)); }, sigmoid_exact,
     -8, 8},
};

/// |y - exact| in units of the last place of the exact value rounded to f32; 1e9 for a wrong kind.
double ulps(float y, double exact) {
  const float rounded = static_cast<float>(exact);
  if (y == rounded || (std::isnan(y) && std::isnan(rounded))) return 0;
  if (!std::isfinite(y) || !std::isfinite(rounded)) return 1e9;
  const float size = std::abs(rounded);
  const float ulp = size == std::numeric_limits<float>::max()
                        ? size - std::nextafter(size, 0.f)
                        : std::nextafter(size, std::numeric_limits<float>::infinity()) - size;
  return std::abs(static_cast<double>(y) - exact) / static_cast<double>(ulp);
}

struct Worst {
  double error = 0;
  uint32_t bits = 0;
};

Worst every_pattern(const Function<float>& f) {
  constexpr int64_t kRow = 4096, kRows = (int64_t{1} << 32) / kRow;
  Worst worst;
#pragma omp parallel
  {
    Worst mine;
    std::vector<float> x(kRow), y(kRow);
#pragma omp for schedule(dynamic, 1024)
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t i = 0; i < kRow; ++i)
        x[static_cast<size_t>(i)] = std::bit_cast<float>(static_cast<uint32_t>(r * kRow + i));
      f.row(x.data(), y.data(), kRow);
      for (size_t i = 0; i < kRow; ++i)
        if (const double error = ulps(y[i], f.exact(static_cast<double>(x[i]))); error > mine.error)
          mine = {error, std::bit_cast<uint32_t>(x[i])};
    }
#pragma omp critical
    if (mine.error > worst.error) worst = mine;
  }
  return worst;
}

/// Nanoseconds per element of the row function and of libm, over 4,000 elements, in turns.
template <class T>
std::pair<double, double> speed(const Function<T>& f) {
  tapestry::Rng rng(1);
  std::vector<T> x(4000), y(x.size());
  for (T& v : x) v = static_cast<T>(rng.uniform(f.low, f.high));
  std::vector<double> row, libm;
  const auto per_element = [&](auto&& g) { return bench::seconds(g) / 4000 * 1e9; };
  for (int i = 0; i < 201; ++i) {
    row.push_back(per_element([&] { f.row(x.data(), y.data(), 4000); }));
    libm.push_back(per_element([&] {
      for (size_t k = 0; k < x.size(); ++k) y[k] = f.libm(x[k]);
    }));
  }
  return {bench::median(row), bench::median(libm)};
}

template <class T>
void print_speed(const char* type) {
  for (const auto& f : kFunctions<T>) {
    const auto [row, libm] = speed(f);
    fmt::print("{:<10}{:<6}{:>8.2f}{:>8.2f}{:>8.1f}x\n", f.name, type, row, libm, libm / row);
  }
}

}  // namespace

int main() {
  fmt::print("{}\n\nns per element, one thread\n{:<16}{:>8}{:>8}{:>9}\n", bench::machine(), "",
             "row", "libm", "faster");
  print_speed<float>("f32");
  print_speed<double>("f64");
  fmt::print("\nlargest error over all 2^32 f32 bit patterns (goal: 2 ulp)\n");
  bool good = true;
  for (const auto& f : kFunctions<float>) {
    const Worst worst = every_pattern(f);
    fmt::print("{:<10}{:>6.3f} ulp at {} (0x{:08x})\n", f.name, worst.error,
               std::bit_cast<float>(worst.bits), worst.bits);
    std::fflush(stdout);
    good = good && worst.error <= 2;
  }
  return good ? 0 : 1;
}
