#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/reduce.h>

#include "random_tensors.h"

using namespace tapestry;
using test::below;
using test::broadcast_element;
using test::element;
using test::Index;

namespace {

constexpr uint64_t kSeed = 20240617;
const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInf = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("elementwise functions meet NaN, infinities and their limits") {
  const Tensor t = Tensor::from({5}, {kNan, kInf, -kInf, 0, 800}, f64);
  const auto same = [](const Tensor& x, std::vector<double> expected) {
    const auto values = x.to_vector<double>();
    for (size_t i = 0; i < expected.size(); ++i) {
      CAPTURE(i);
      CHECK((std::isnan(expected[i]) ? std::isnan(values[i]) : values[i] == expected[i]));
    }
  };
  same(exp(t), {kNan, kInf, 0, 1, kInf});
  same(log(t), {kNan, kInf, kNan, -kInf, std::log(800)});
  same(tanh(t), {kNan, 1, -1, 0, 1});
  same(sigmoid(t), {kNan, 1, 0, 0.5, 1});
  same(sigmoid(-t), {kNan, 0, 1, 0.5, 0});
  same(relu(t), {kNan, kInf, 0, 0, 800});
  same(softplus(t), {kNan, kInf, 0, std::log(2), 800});
  same(clamp(t, -1, 1), {kNan, 1, -1, 0, 1});
  same(abs(t), {kNan, kInf, kInf, 0, 800});
  same(expm1(t), {kNan, kInf, -1, 0, kInf});
  same(log1p(t), {kNan, kInf, kNan, 0, std::log1p(800)});
  same(pow(t, 2), {kNan, kInf, kInf, 0, 640000});
  same(pow(t, -0.5), {kNan, 0, 0, kInf, 1 / std::sqrt(800)});
  same(sin(t), {kNan, kNan, kNan, 0, std::sin(800)});
  same(cos(t), {kNan, kNan, kNan, 1, std::cos(800)});
  const Tensor one = Tensor::scalar(1, f64);
  same(maximum(t, one), {kNan, kInf, 1, 1, 800});
  same(minimum(t, one), {kNan, 1, -kInf, 0, 1});
  same(maximum(one, t), {kNan, kInf, 1, 1, 800});
  same(minimum(one, t), {kNan, 1, -kInf, 0, 1});
  CHECK(greater(t, one).to_vector<int32_t>() == std::vector<int32_t>{0, 1, 0, 0, 1});
  CHECK(equal(t, t).to_vector<int32_t>() == std::vector<int32_t>{0, 1, 1, 1, 1});
  CHECK(std::abs(expm1(Tensor::scalar(1e-6)).item() - 1.0000005e-6) < 1e-12);
  CHECK(std::abs(log1p(Tensor::scalar(1e-6)).item() - 9.999995e-7) < 1e-12);
  CHECK_THROWS_WITH_AS(clamp(t, 2, 1), "clamp: low 2 is above high 1", ValueError);
  CHECK_THROWS_AS(clamp(t, kNan, 1), ValueError);
  const Tensor f = t.cast(f32);
  CHECK(sigmoid(f).at({4}) == 1);
  CHECK(softplus(f).at({4}) == 800);
  CHECK(tanh(f * -1.0).at({4}) == -1);
}

TEST_CASE("arithmetic agrees with loops over every layout") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 400; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const Shape shape = test::random_shape(rng, n % (kMaxRank + 1), n % 7 < 5 ? 5 : 3, true);
    const Tensor a = test::random_tensor(rng, test::random_broadcast_of(rng, shape), dtype);
    const Tensor b = test::random_tensor(rng, shape, dtype);
    const Tensor m = test::random_tensor(rng, test::random_broadcast_of(rng, shape), i32);
    CAPTURE(n);
    const Tensor results[] = {a + b,
                              a - b,
                              b * a,
                              b * 2.0 + 1.0,
                              square(b),
                              where(m, a, b),
                              maximum(a, b),
                              minimum(a, b),
                              pow(b, 3),
                              sin(b),
                              greater(a, b).cast(f64),
                              equal(a, b).cast(f64)};
    const Tensor ids = test::random_tensor(rng, shape, i32);
    const Tensor same_ids = equal(ids, m);
    Tensor updated = Tensor::zeros(shape, dtype);
    updated.copy_(b).add_(a, -2).mul_(3);
    for (const Tensor& r : results) {
      REQUIRE(r.shape() == shape);
      REQUIRE(r.contiguous());
    }
    test::for_each_index(shape, [&](const Index& i) {
      const double x = broadcast_element(a, i, shape.rank()), y = element(b, i);
      REQUIRE(element(results[0], i) == x + y);
      REQUIRE(element(results[1], i) == x - y);
      REQUIRE(element(results[2], i) == x * y);
      REQUIRE(element(results[3], i) == 2 * y + 1);
      REQUIRE(element(results[4], i) == y * y);
      REQUIRE(element(results[5], i) == (broadcast_element(m, i, shape.rank()) != 0 ? x : y));
      REQUIRE(element(results[6], i) == std::max(x, y));
      REQUIRE(element(results[7], i) == std::min(x, y));
      REQUIRE(element(results[8], i) == y * y * y);
      REQUIRE(std::abs(element(results[9], i) - std::sin(y)) < 1e-6);
      REQUIRE(element(results[10], i) == (x > y));
      REQUIRE(element(results[11], i) == (x == y));
      REQUIRE(element(same_ids, i) == (element(ids, i) == broadcast_element(m, i, shape.rank())));
      REQUIRE(element(updated, i) == 3 * (y - 2 * x));
    });
  }
}

TEST_CASE("in-place operations change every layout and nothing beside it") {
  Rng rng(kSeed + 1);
  CAPTURE(kSeed);
  for (int n = 0; n < 300; ++n) {
    Tensor t = test::random_tensor(rng, test::random_shape(rng, n % 5), f64, false);
    const Tensor before = t.clone();
    const Tensor b = test::random_tensor(rng, test::random_broadcast_of(rng, t.shape()));
    t.add_(b, 2);
    test::for_each_index(t.shape(), [&](const Index& i) {
      REQUIRE(element(t, i) == element(before, i) + 2 * broadcast_element(b, i, t.rank()));
    });
    t.copy_(before);
    test::for_each_index(t.shape(),
                         [&](const Index& i) { REQUIRE(element(t, i) == element(before, i)); });
  }
  Tensor frame = Tensor::zeros({4, 4}, f64);
  frame.narrow(0, 1, 2).narrow(1, 1, 2).transpose().fill_(1).add_(Tensor::full({2, 2}, 2, f64));
  CHECK(sum(frame).item() == 12);
  CHECK(frame.at({1, 2}) == 3);
  CHECK(frame.at({1, 3}) == 0);
}

TEST_CASE("elementwise functions agree with the standard library") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (const DType dtype : {f32, f64}) {
    const double eps = dtype == f32 ? 2e-6 : 1e-14;
    const Tensor t = test::random_tensor(rng, {3, 5, 7}, dtype) * 0.7;
    const Tensor p = abs(t) + 0.25, s = t.transpose(0, 2);
    test::for_each_index(t.shape(), [&](const Index& i) {
      const double x = element(t, i), q = element(p, i);
      const auto near = [&](const Tensor& r, double expected) {
        REQUIRE(std::abs(element(r, i) - expected) <= eps * (1 + std::abs(expected)));
      };
      near(exp(t), std::exp(x));
      near(exp(s).transpose(0, 2), std::exp(x));
      near(log(p), std::log(q));
      near(sqrt(p), std::sqrt(q));
      near(tanh(t), std::tanh(x));
      near(tanh(s).transpose(0, 2), std::tanh(x));
      near(sigmoid(t), 1 / (1 + std::exp(-x)));
      near(softplus(t), std::log1p(std::exp(x)));
      near(relu(t), std::max(x, 0.0));
      near(clamp(t, -1, 2), std::min(std::max(x, -1.0), 2.0));
      near(t / p, x / q);
      near(divide(2, p), 2 / q);
      near(t / 3.0, x / 3);
    });
  }
}

TEST_CASE("dividing by a number rounds once, whatever its inverse") {
  const Tensor t = Tensor::from({3}, {1e-310, 5, 7}, f64);
  CHECK(element(t / 1e-310, {0}) == 1);  // 1 / 1e-310 is infinite
  CHECK(element(t / 49.0, {1}) == 5 / 49.0);
  CHECK(element(t / 49.0, {2}) == 7 / 49.0);
}

TEST_CASE("concat agrees with loops") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 100; ++n) {
    const Shape shape = test::random_shape(rng, 1 + n % 4);
    const int dim = static_cast<int>(below(rng, shape.rank()));
    std::vector<Tensor> parts;
    for (int64_t k = 1 + below(rng, 4); k > 0; --k) {
      Shape s = shape;
      s[dim] = below(rng, 4);
      parts.push_back(test::random_tensor(rng, s, n % 3 == 0 ? i32 : f32));
    }
    const Tensor all = concat(parts, n % 2 ? dim : dim - shape.rank());
    int64_t start = 0;
    for (const Tensor& part : parts) {
      test::for_each_index(part.shape(), [&](Index i) {
        const double expected = element(part, i);
        i[static_cast<size_t>(dim)] += start;
        REQUIRE(element(all, i) == expected);
      });
      start += part.shape()[dim];
    }
    REQUIRE(all.shape()[dim] == start);
  }
  CHECK_THROWS_WITH_AS(concat(std::array{Tensor::zeros({2, 3}), Tensor::zeros({2, 4})}),
                       "concat: (2, 3) and (2, 4) differ in more than dim 0", ShapeError);
  CHECK_THROWS_AS(concat(std::array{Tensor::zeros({2, 3}), Tensor::zeros({2})}), ShapeError);
  CHECK_THROWS_AS(concat(std::array{Tensor::scalar(1)}), IndexError);
}
