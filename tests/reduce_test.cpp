#include <doctest/doctest.h>

#include <limits>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/reduce.h>

#include "random_tensors.h"

using namespace tapestry;
using test::below;
using test::element;
using test::Index;

namespace {

constexpr uint64_t kSeed = 20240614;
const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInf = std::numeric_limits<double>::infinity();

/// Index `i` without dim `dim`.
Index drop(Index i, int dim) {
  for (auto d = static_cast<size_t>(dim); d + 1 < i.size(); ++d) i[d] = i[d + 1];
  return i;
}

/// A view of one element.
Tensor element_of(Tensor t, const Index& i) {
  for (size_t d = 0; t.rank() > 0; ++d) t = t.select(0, i[d]);
  return t;
}

}  // namespace

TEST_CASE(
    "sums, means, maxima, minima, running sums and softmax agree with loops over every layout") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 300; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const double eps = dtype == f32 ? 1e-5 : 1e-13;
    const int64_t most = n % 30 == 0 ? 70 : 5;  // longer than the lanes of a sum
    const Shape shape =
        test::random_shape(rng, 1 + n % (most > 5 ? 2 : kMaxRank), n % 6 > 3 ? 3 : most);
    const Tensor t = test::random_tensor(rng, shape, dtype);
    const int dim = static_cast<int>(below(rng, shape.rank()));
    const int given = n % 3 ? dim : dim - shape.rank();
    CAPTURE(n);
    CAPTURE(shape);
    CAPTURE(dim);

    double total = 0, squares = 0;
    test::for_each_index(shape, [&](const Index& i) {
      total += element(t, i);
      squares += element(t, i) * element(t, i);
    });
    REQUIRE(sum(t).item() == total);
    REQUIRE(squared_norm(t) == squares);
    REQUIRE(std::abs(mean(t).item() - total / static_cast<double>(t.numel())) < eps * 10);

    const Tensor s = sum(t, given), m = mean(t, given), p = softmax(t, given),
                 l = log_softmax(t, given);
    const Extreme top = max(t, given), low = min(t, given);
    const Tensor up = cumsum(t, given), down = cumsum_reversed(t, given);
    Shape kept = shape;
    kept[dim] = 1;
    REQUIRE(s.shape() == shape.without(dim));
    REQUIRE(top.indices.shape() == s.shape());
    REQUIRE(top.indices.dtype() == i32);
    for (const Tensor& k : {sum(t, given, true), mean(t, given, true), max(t, given, true).values,
                            min(t, given, true).indices})
      REQUIRE(k.shape() == kept);

    test::for_each_index(kept, [&](Index i) {
      const auto d = static_cast<size_t>(dim);
      const Index out = drop(i, dim);
      double run = 0, largest = -kInf, smallest = kInf, exps = 0;
      int64_t first = 0, first_low = 0;
      for (i[d] = 0; i[d] < shape[dim]; ++i[d]) {
        const double x = element(t, i);
        run += x;
        if (x > largest) largest = x, first = i[d];
        if (x < smallest) smallest = x, first_low = i[d];
        REQUIRE(element(up, i) == run);
      }
      REQUIRE(element(s, out) == run);
      REQUIRE(std::abs(element(m, out) - run / static_cast<double>(shape[dim])) < eps * 10);
      REQUIRE(element(low.values, out) == smallest);
      REQUIRE(element(low.indices, out) == static_cast<double>(first_low));
      for (i[d] = 0; i[d] < shape[dim]; ++i[d]) {
        REQUIRE(element(down, i) == run);
        run -= element(t, i);
      }
      REQUIRE(element(top.values, out) == largest);
      REQUIRE(element(top.indices, out) == static_cast<double>(first));
      for (i[d] = 0; i[d] < shape[dim]; ++i[d]) exps += std::exp(element(t, i) - largest);
      for (i[d] = 0; i[d] < shape[dim]; ++i[d]) {
        const double log_p = element(t, i) - largest - std::log(exps);
        REQUIRE(std::abs(element(p, i) - std::exp(log_p)) < eps);
        REQUIRE(std::abs(element(l, i) - log_p) < eps * 20);
      }
    });
  }
}

TEST_CASE("sum_to undoes every broadcast") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 300; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const Shape shape = test::random_shape(rng, n % (kMaxRank + 1), 4, true);
    const Shape small = test::random_broadcast_of(rng, shape);
    const Tensor t = test::random_tensor(rng, shape, dtype), out = sum_to(t, small);
    CAPTURE(n);
    REQUIRE(out.shape() == small);
    Tensor expected = Tensor::zeros(small, dtype);
    test::for_each_index(shape, [&](const Index& i) {
      Index own{};
      for (int d = 0; d < small.rank(); ++d)
        if (small[d] != 1)
          own[static_cast<size_t>(d)] = i[static_cast<size_t>(d + shape.rank() - small.rank())];
      element_of(expected, own).add_(Tensor::scalar(element(t, i), dtype));
    });
    test::for_each_index(small,
                         [&](const Index& i) { REQUIRE(element(out, i) == element(expected, i)); });
  }
  CHECK_THROWS_WITH_AS(sum_to(Tensor::zeros({3, 4}), {3}),
                       "sum_to: (3) and (3, 4) do not broadcast: dim 1 is 3 and 4", ShapeError);
  CHECK_THROWS_WITH_AS(sum_to(Tensor::zeros({1, 4}), {3, 4}),
                       "sum_to: (1, 4) was not broadcast from (3, 4)", ShapeError);
}

TEST_CASE("the error of f32 sums does not grow with their length, whatever the layout") {
  constexpr int64_t n = 20'000'000;  // 0.1 added up in f32 alone would end near 2.1e6 or stop
  const Tensor one = Tensor::scalar(0.1);
  CHECK(std::abs(sum(one.expand({n})).item() / (static_cast<double>(n) * 0.1) - 1) < 1e-6);
  const Tensor row = Tensor::full({1, 4}, 0.1);
  const Tensor columns = sum(row.expand({n / 4, 4}), 0);
  CHECK(std::abs(columns.at({1}) / (static_cast<double>(n) / 4 * 0.1) - 1) < 1e-6);
  const Tensor planes = sum(sum(Tensor::full({1, 64}, 0.1).expand({100'000, 64}), 1), 0);
  CHECK(std::abs(planes.item() / 640'000 - 1) < 1e-6);
  const Tensor outer = sum_to(Tensor::full({1, 2, 32}, 0.1).expand({100'000, 2, 32}), {2, 1});
  CHECK(std::abs(outer.at({1, 0}) / 320'000 - 1) < 1e-6);
}

TEST_CASE("the maximum is the first of equals, and a NaN where there is one") {
  const Tensor t =
      Tensor::from({3, 4}, {1, 5, 5, 2, 0, kNan, 9, kNan, -kInf, -kInf, -kInf, -kInf}, f64);
  for (const auto& [values, indices] : {max(t, 1), max(t.transpose(), 0)}) {
    CHECK(indices.to_vector<int32_t>() == std::vector<int32_t>{1, 1, 0});
    CHECK(values.at({0}) == 5);
    CHECK(std::isnan(values.at({1})));
    CHECK(values.at({2}) == -kInf);
  }
  for (const auto& [values, indices] : {min(t, 1), min(t.transpose(), 0)}) {
    CHECK(indices.to_vector<int32_t>() == std::vector<int32_t>{0, 1, 0});
    CHECK(std::isnan(values.at({1})));
  }
  CHECK_THROWS_WITH_AS(max(Tensor::zeros({2, 0}), 1), "max: dim 1 of (2, 0) has no elements",
                       ShapeError);
}

TEST_CASE("softmax neither overflows nor hides a NaN") {
  for (const DType dtype : {f32, f64}) {
    const Tensor big = Tensor::from({2}, {1e4, 1e4}, dtype),
                 far = Tensor::from({2}, {-1e4, 0}, dtype);
    CHECK(softmax(big).at({0}) == 0.5);
    CHECK(std::abs(log_softmax(big).at({0}) + std::log(2)) < 1e-3);
    CHECK(softmax(far).at({0}) == 0);
    CHECK(log_softmax(far).at({0}) == -1e4);
    const Tensor masked = Tensor::from({3}, {-kInf, 0, 0}, dtype);
    CHECK(softmax(masked).at({0}) == 0);
    CHECK(softmax(masked).at({1}) == 0.5);
    CHECK(log_softmax(masked).at({0}) == -kInf);
    for (int64_t at = 0; at < 3; ++at) {
      Tensor t = Tensor::zeros({3}, dtype);
      t.set_({at}, kNan);
      for (int64_t i = 0; i < 3; ++i) {
        CHECK(std::isnan(softmax(t).at({i})));
        CHECK(std::isnan(log_softmax(t).at({i})));
      }
    }
  }
  CHECK_THROWS_AS(softmax(Tensor::scalar(1)), IndexError);
}

TEST_CASE("the squared norm of f32 neither overflows nor vanishes") {
  for (const int64_t n : {1, 40}) {
    const double count = static_cast<double>(n);
    const auto near = [](double x, double y) { return std::abs(x / y - 1) < 1e-6; };
    CHECK(near(squared_norm(Tensor::full({n}, 2e19)), 4e38 * count));
    CHECK(near(squared_norm(Tensor::full({n}, 1e-23)), 1e-46 * count));
    CHECK(near(squared_norm(Tensor::full({n, 2}, 3e30).select(1, 0)), 9e60 * count));
  }
  CHECK(squared_norm(Tensor::zeros({40})) == 0);
  CHECK(std::isnan(squared_norm(Tensor::full({40}, kNan))));
  CHECK(squared_norm(Tensor::full({40}, kInf)) == kInf);
}

TEST_CASE("all_finite sees one bad element in any layout") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 200; ++n) {
    Tensor t = test::random_tensor(rng, test::random_shape(rng, 1 + n % 4, n % 9 ? 5 : 30),
                                   n % 2 ? f32 : f64, false);
    REQUIRE(all_finite(t));
    Tensor one = t;
    while (one.rank() > 0) one = one.select(0, below(rng, one.size(0)));
    one.fill_(n % 3 == 0 ? kNan : n % 3 == 1 ? kInf : -kInf);
    REQUIRE_FALSE(all_finite(t));
  }
  CHECK(all_finite(Tensor::full({1000}, std::numeric_limits<double>::max(), f64)));
}
