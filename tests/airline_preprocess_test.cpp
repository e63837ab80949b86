#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include <tapestry/examples/airline/series/preprocess.h>
#include <tapestry/tensor/error.h>
#include <tapestry/tensor/random.h>

using namespace tapestry;
using namespace tapestry::airline;
using doctest::Approx;
using Values = std::vector<double>;

namespace {

/// Growing, seasonal, noisy and positive.
Values random_series(size_t n, size_t season, uint64_t seed) {
  Rng rng(seed);
  Values y;
  for (size_t t = 0; t < n; ++t) {
    const double angle =
        2 * std::numbers::pi * static_cast<double>(t % season) / static_cast<double>(season);
    y.push_back(
        std::exp(0.02 * static_cast<double>(t) + 0.3 * std::sin(angle) + 0.1 * rng.normal() + 3));
  }
  return y;
}

}  // namespace

TEST_CASE("every preprocessing is inverted exactly, of values seen and of the next one") {
  const uint64_t seed = 5;
  CAPTURE(seed);
  for (const size_t season : {1, 4, 12})
    for (const bool log : {true, false})
      for (const size_t difference : {0, 1, 2})
        for (const bool seasonal : {true, false})
          for (const double memory : {0.0, 0.7, 1.0})
            for (const Scale scale : {Scale::none, Scale::standard, Scale::minmax}) {
              CAPTURE(season);
              CAPTURE(log);
              CAPTURE(difference);
              CAPTURE(seasonal);
              CAPTURE(memory);
              CAPTURE(static_cast<int>(scale));
              const PreprocessingSettings s{log, difference, seasonal, memory, scale};
              const Values y = random_series(60, season, seed);
              Preprocessing p{std::span(y).first(40), season, s};
              const size_t lost = p.lost();
              REQUIRE(lost == difference + (seasonal && season > 1 ? season : 0));
              double worst = 0;
              for (size_t t = 40; t < 60; ++t) {
                Preprocessing next = p;
                next.push(y[t]);
                worst = std::max(worst, std::abs(p.value(next.z().back()) / y[t] - 1));
                p = next;
              }
              REQUIRE(p.z().size() == 60 - lost);
              for (size_t t = lost; t < 60; ++t)
                worst = std::max(worst, std::abs(p.value(p.z()[t - lost], t) / y[t] - 1));
              CHECK(worst < 1e-11);
            }
}

TEST_CASE("scales are those of the training part and never change") {
  const Values y = random_series(60, 12, 2);
  const auto train = std::span(y).first(40);
  for (const Scale scale : {Scale::standard, Scale::minmax}) {
    Preprocessing p(train, 12, {.scale = scale});
    double sum = 0, squares = 0, low = HUGE_VAL, high = -HUGE_VAL;
    for (const double z : p.z()) {
      sum += z, squares += z * z;
      low = std::min(low, z), high = std::max(high, z);
    }
    if (scale == Scale::standard) {
      CHECK(std::abs(sum) < 1e-9);
      CHECK(squares == Approx(27));
    } else {
      CHECK(low == Approx(0));
      CHECK(high == Approx(1));
    }
    const Values before(p.z().begin(), p.z().end());
    p.push(1e6);
    for (size_t i = 0; i < before.size(); ++i) CHECK(p.z()[i] == before[i]);
  }
}

TEST_CASE("without a memory the seasonal difference is the plain one, with one a weighted mean") {
  const Values y{1, 5, 2, 7, 4, 6, 3, 10};
  const auto z_of = [&](double memory) {
    const Preprocessing p(y, 2, {false, 0, true, memory, Scale::none});
    return Values(p.z().begin(), p.z().end());
  };
  CHECK(z_of(0) == Values{1, 2, 2, -1, -1, 4});
  const Values half = z_of(0.5);
  CHECK(half[2] == Approx(4 - (2 + 0.5 * 1) / 1.5));
  CHECK(half[5] == Approx(10 - (6 + 0.5 * 7 + 0.25 * 5) / 1.75));
  CHECK(z_of(1)[5] == Approx(10 - 6));
}

TEST_CASE("a log, a difference and a seasonal difference are those of the airline model") {
  const Values y = random_series(30, 4, 9);
  const Preprocessing p(y, 4, {true, 1, true, 0, Scale::none});
  const auto l = [&](size_t t) { return std::log(y[t]); };
  for (size_t t = 5; t < 30; ++t)
    CHECK(p.z()[t - 5] == Approx(l(t) - l(t - 1) - l(t - 4) + l(t - 5)));
}

TEST_CASE("what never varies is neither divided by 0 nor blown up") {
  Values doubling;
  for (int t = 0; t < 60; ++t)
    doubling.push_back((2 + std::sin(t * std::numbers::pi / 6)) * std::exp2(t / 12));
  const Preprocessing p(doubling, 12, {.difference = 0, .season_memory = 0});
  CHECK(p.shift() == Approx(std::log(2)));
  CHECK(p.scale() == 1);
  CHECK(p.value(0) == Approx(2 * doubling[48]));
}

TEST_CASE("preprocessing refuses what it cannot compute") {
  const Values y = random_series(20, 12, 1);
  CHECK_THROWS_AS(Preprocessing(std::span(y).first(14), 12, {}), ValueError);
  CHECK_NOTHROW(Preprocessing(std::span(y).first(15), 12, {}));
  CHECK_THROWS_AS(Preprocessing(y, 0, {}), ValueError);
  const Values zero{1, 2, 0, 4};
  CHECK_THROWS_WITH_AS(Preprocessing(zero, 1, {}), "preprocessing: 0 has no logarithm", ValueError);
  CHECK_NOTHROW(Preprocessing(zero, 1, {.log = false}));
  CHECK_THROWS_AS(Preprocessing(y, 12, {}).value(0, 3), ValueError);
}
