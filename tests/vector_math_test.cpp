// Accuracy of the elementary functions against the f64 (f32) and long double (f64) libm, and that
// the bits of f(x) depend on nothing but x.

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <tapestry/tensor/random.h>
#include <tapestry/tensor/vector_math.h>

using namespace tapestry;

namespace {

template <class T>
struct Function {
  const char* name;
  void (*row)(const T*, T*, int64_t);
  long double (*exact)(long double);
};
long double sigmoid_exact(long double x) { return 1 / (1 + std::exp(-x)); }
template <class T>
const Function<T> kFunctions[] = {
    {"exp", exp_row, [](long double x) { return std::exp(x); }},
    {"log", log_row, [](long double x) { return std::log(x); }},
    {"tanh", tanh_row, [](long double x) { return std::tanh(x); }},
    {"sigmoid", sigmoid_row, sigmoid_exact},
};

/// |y - exact| in units of the last place of the exact value rounded to T.
template <class T>
double ulps(T y, long double exact) {
  const T rounded = static_cast<T>(exact);
  if (std::isnan(y) || std::isnan(rounded)) return std::isnan(y) && std::isnan(rounded) ? 0 : 1e9;
  if (y == rounded) return 0;
  if (std::isinf(y) || std::isinf(rounded)) return 1e9;
  const T size = std::abs(rounded);
  const T ulp = std::nextafter(size, std::numeric_limits<T>::infinity()) - size;
  return static_cast<double>(std::abs(static_cast<long double>(y) - exact) /
                             static_cast<long double>(ulp));
}

}  // namespace

TEST_CASE("f32 functions are within 2 ulp on every 251st bit pattern") {
  constexpr size_t kBlock = 1024;
  for (const auto& f : kFunctions<float>) {
    double worst = 0;
    float at = 0;
    std::vector<float> x(kBlock), y(kBlock);
    for (uint64_t bits = 0; bits < (uint64_t{1} << 32);) {
      for (float& v : x) v = std::bit_cast<float>(static_cast<uint32_t>(bits)), bits += 251;
      f.row(x.data(), y.data(), kBlock);
      for (size_t i = 0; i < kBlock; ++i) {
        const double error = ulps(y[i], f.exact(static_cast<long double>(x[i])));
        if (error > worst) worst = error, at = x[i];
      }
    }
    CHECK_MESSAGE(worst <= 2, f.name, "(", at, ") is off by ", worst, " ulp");
  }
}

TEST_CASE("f64 functions are within 1e-15 of the value") {
  constexpr uint64_t kSeed = 5;
  CAPTURE(kSeed);
  Rng rng(kSeed);
  for (const auto& f : kFunctions<double>) {
    double worst = 0, at = 0;
    std::vector<double> x, y(400'000);
    for (size_t i = 0; i < 100'000; ++i) {
      x.push_back(rng.uniform(-750, 712));
      x.push_back(rng.uniform(-3, 3));
      x.push_back(rng.normal() * std::exp(rng.uniform(-40, 0)));
      x.push_back(std::bit_cast<double>(rng.next_u64()));
    }
    f.row(x.data(), y.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      const auto exact = f.exact(static_cast<long double>(x[i]));
      const double rounded = static_cast<double>(exact);
      if (std::isnan(rounded) || std::isinf(rounded) || y[i] == rounded) {
        CHECK((y[i] == rounded || (std::isnan(y[i]) && std::isnan(rounded))));
        continue;
      }
      // below the normal numbers an absolute error of one spacing is all there is to have
      const double scale =
          std::max(std::abs(rounded), std::numeric_limits<double>::denorm_min() * 1e15);
      const double error =
          static_cast<double>(std::abs(static_cast<long double>(y[i]) - exact)) / scale;
      if (error > worst) worst = error, at = x[i];
    }
    CHECK_MESSAGE(worst <= 1e-15, f.name, "(", at, ") has relative error ", worst);
  }
}

TEST_CASE_TEMPLATE("special values", T, float, double) {
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const T tiny = std::numeric_limits<T>::denorm_min();
  const auto at = [](void (*row)(const T*, T*, int64_t), T x) {
    T y;
    row(&x, &y, 1);
    return y;
  };
  CHECK(at(exp_row, inf) == inf);
  CHECK(at(exp_row, -inf) == 0);
  CHECK(at(exp_row, T(0)) == 1);
  CHECK(at(exp_row, T(-0.0)) == 1);
  CHECK(at(exp_row, tiny) == 1);
  CHECK(std::isnan(at(exp_row, nan)));
  CHECK(at(log_row, T(0)) == -inf);
  CHECK(at(log_row, T(-0.0)) == -inf);
  CHECK(at(log_row, T(1)) == 0);
  CHECK(at(log_row, inf) == inf);
  CHECK(std::isnan(at(log_row, T(-1))));
  CHECK(std::isnan(at(log_row, -inf)));
  CHECK(std::isnan(at(log_row, nan)));
  CHECK(at(log_row, tiny) == doctest::Approx(std::log(tiny)));
  CHECK(at(tanh_row, inf) == 1);
  CHECK(at(tanh_row, -inf) == -1);
  CHECK(at(tanh_row, tiny) == tiny);
  CHECK((at(tanh_row, T(-0.0)) == 0 && std::signbit(at(tanh_row, T(-0.0)))));
  CHECK(std::isnan(at(tanh_row, nan)));
  CHECK(at(sigmoid_row, inf) == 1);
  CHECK(at(sigmoid_row, -inf) == 0);
  CHECK(at(sigmoid_row, T(0)) == T(0.5));
  CHECK(std::isnan(at(sigmoid_row, nan)));
}

TEST_CASE_TEMPLATE("the bits do not depend on place, length or alignment", T, float, double) {
  constexpr uint64_t kSeed = 6;
  CAPTURE(kSeed);
  Rng rng(kSeed);
  std::vector<T> x(67), y(70);
  for (T& v : x) v = static_cast<T>(rng.normal() * 4);
  for (const auto& f : kFunctions<T>)
    for (size_t i = 0; i < x.size(); ++i) {
      T alone;
      f.row(&x[i], &alone, 1);
      for (size_t start = 0; start <= i; start += 7) {
        f.row(&x[start], &y[start % 3], static_cast<int64_t>(x.size() - start));
        const T there = y[start % 3 + i - start];
        CHECK((there == alone || (std::isnan(there) && std::isnan(alone))));
      }
    }
}
