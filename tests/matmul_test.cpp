#include <doctest/doctest.h>

#include <limits>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/blas.h>
#include <tapestry/tensor/matmul.h>
#include <tapestry/tensor/threads.h>

#include "random_tensors.h"

using namespace tapestry;
using test::below;
using test::element;
using test::Index;

namespace {

constexpr uint64_t kSeed = 20240613;

/// a b for matrices by three loops; the inputs hold small whole numbers, so it is exact.
void check_product(const Tensor& a, const Tensor& b, const Tensor& c) {
  for (int64_t i = 0; i < a.shape()[0]; ++i)
    for (int64_t j = 0; j < b.shape()[1]; ++j) {
      double total = 0;
      for (int64_t k = 0; k < a.shape()[1]; ++k) total += a.at({i, k}) * b.at({k, j});
      REQUIRE(c.at({i, j}) == total);
    }
}

/// The slice of `t` that belongs to the batch index `i` of `rank` dims.
Tensor slice(const Tensor& t, const Index& i, int rank) {
  Tensor out = t;
  for (int d = 0; d < t.rank() - 2; ++d) {
    const int64_t at = i[static_cast<size_t>(d + rank - (t.rank() - 2))];
    out = out.select(0, t.shape()[d] == 1 ? 0 : at);
  }
  return out;
}

}  // namespace

TEST_CASE("products of matrices in every layout agree with loops") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 500; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const int64_t most = n % 20 == 0 ? 40 : 5;
    const int64_t m = below(rng, most + 1), k = below(rng, most + 1), p = below(rng, most + 1);
    const Tensor a = test::random_tensor(rng, {m, k}, dtype);
    const Tensor b = test::random_tensor(rng, {k, p}, dtype);
    CAPTURE(n);
    CAPTURE(a.shape());
    CAPTURE(b.shape());
    const uint32_t va = a.version(), vb = b.version();
    const Tensor c = matmul(a, b);
    REQUIRE(c.shape() == Shape{m, p});
    REQUIRE(c.dtype() == dtype);
    check_product(a, b, c);
    REQUIRE(a.version() == va);
    REQUIRE(b.version() == vb);
    check_product(b.transpose(), a.transpose(), matmul(b.transpose(), a.transpose()));
  }
}

TEST_CASE("batched products broadcast their leading dims") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 300; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const int rank = n % 5;
    const Shape batch = test::random_shape(rng, rank, 3, true);
    const int64_t m = 1 + below(rng, 4), k = below(rng, 4), p = 1 + below(rng, 4);
    const auto with = [](Shape s, int64_t rows, int64_t cols) {
      return s.with(s.rank(), rows).with(s.rank() + 1, cols);
    };
    Shape left = test::random_broadcast_of(rng, batch), right = batch;
    if (n % 4 < 2) std::swap(left, right);
    const Tensor a = test::random_tensor(rng, with(left, m, k), dtype);
    const Tensor b = test::random_tensor(rng, with(right, k, p), dtype);
    CAPTURE(n);
    const Tensor c = matmul(a, b);
    REQUIRE(c.shape() == with(batch, m, p));
    test::for_each_index(batch, [&](const Index& i) {
      check_product(slice(a, i, rank), slice(b, i, rank), slice(c, i, rank));
    });
  }
}

TEST_CASE("a transposed or narrowed operand is not copied") {
  const Tensor a = Tensor::full({30, 20}, 1), b = Tensor::full({30, 20}, 2);
  Tensor out = Tensor::zeros({20, 20}), small = Tensor::zeros({30, 30});
  (void)matmul(a, b.transpose());  // warm
  const StorageStats before = storage_stats();
  matmul_into(out, a.transpose(), b, 0);
  matmul_into(small, a, b.transpose(), 0);
  matmul_into(small, a.narrow(1, 3, 7), b.narrow(1, 2, 7).transpose(), 0);
  CHECK(storage_stats().allocations == before.allocations);
  CHECK(out.at({3, 4}) == 60);
  CHECK(small.at({3, 4}) == 14);
}

TEST_CASE("matmul_into adds to what is there, or never reads it") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 100; ++n) {
    const DType dtype = n % 2 ? f32 : f64;
    const int64_t m = below(rng, 5), k = below(rng, 5), p = below(rng, 5);
    const Tensor a = test::random_tensor(rng, {m, k}, dtype);
    const Tensor b = test::random_tensor(rng, {k, p}, dtype);
    Tensor wide = Tensor::full({m + 2, p + 3}, 5, dtype);
    Tensor c = wide.narrow(0, 1, m).narrow(1, 2, p);  // rows of a wider matrix
    const uint32_t version = c.version();
    matmul_into(c, a, b, 2);
    REQUIRE(c.version() > version);
    const Tensor product = matmul(a, b);
    test::for_each_index(
        c.shape(), [&](const Index& i) { REQUIRE(element(c, i) == element(product, i) + 10); });
    c.fill_(5);  // nothing beside c was written
    test::for_each_index(wide.shape(), [&](const Index& i) { REQUIRE(element(wide, i) == 5); });
  }
}

TEST_CASE("with beta 0 the old contents do not matter, also without inner elements") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType dtype : {f32, f64}) {
    Tensor c = Tensor::full({2, 2}, nan, dtype);
    matmul_into(c, Tensor::full({2, 3}, 1, dtype), Tensor::full({3, 2}, 1, dtype), 0);
    CHECK(c.at({1, 1}) == 3);
    c.fill_(nan);
    matmul_into(c, Tensor::zeros({2, 0}, dtype), Tensor::zeros({0, 2}, dtype), 0);
    CHECK(c.at({1, 1}) == 0);
    matmul_into(c.fill_(4), Tensor::zeros({2, 0}, dtype), Tensor::zeros({0, 2}, dtype), 0.5);
    CHECK(c.at({1, 1}) == 2);
  }
}

TEST_CASE("NaN and infinities pass through a product") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor a = Tensor::from({2, 2}, {nan, 0, 1, 1}, f64);
  const Tensor c = matmul(a, Tensor::from({2, 1}, {0, 0}, f64));
  CHECK(std::isnan(c.at({0, 0})));
  CHECK(c.at({1, 0}) == 0);
}

TEST_CASE("sizes that do not fit a product are errors") {
  const Tensor a = Tensor::zeros({20, 650}), b = Tensor::zeros({600, 2600});
  CHECK_THROWS_WITH_AS(
      matmul(a, b), "matmul: (20, 650) x (600, 2600): inner sizes 650 and 600 differ", ShapeError);
  CHECK_THROWS_WITH_AS(
      matmul(a, Tensor::zeros({650})),
      "matmul: (20, 650) x (650): both operands need at least two dims (use reshape)", ShapeError);
  CHECK_THROWS_AS(matmul(Tensor::scalar(1), a), ShapeError);
  CHECK_THROWS_AS(matmul(Tensor::zeros({2, 3, 4}), Tensor::zeros({3, 4, 5})), ShapeError);
  Tensor c = Tensor::zeros({20, 3});
  CHECK_THROWS_AS(matmul_into(c, a, Tensor::zeros({650, 4}), 0), ShapeError);
  CHECK_THROWS_AS(matmul_into(c, Tensor::zeros({1, 20, 2}), Tensor::zeros({2, 3}), 0), ShapeError);
  Tensor t = Tensor::zeros({3, 20}).transpose();
  CHECK_THROWS_AS(matmul_into(t, Tensor::zeros({20, 2}), Tensor::zeros({2, 3}), 0), ShapeError);
  Tensor f = Tensor::zeros({20, 3}, f64);
  CHECK_THROWS_AS(matmul_into(f, Tensor::zeros({20, 2}), Tensor::zeros({2, 3}), 0), DTypeError);
}

TEST_CASE("thread counts are as before at the end of their scopes") {
  const std::string before = blas_description();
  {
    const BlasThreads two(2);
    const KernelThreads three(3);
    CHECK(kernel_threads == 3);
    CHECK_THROWS_AS(KernelThreads(0), ValueError);
    CHECK_THROWS_AS(BlasThreads(0), ValueError);
    CHECK(kernel_threads == 3);
  }
  CHECK(kernel_threads == 1);
  CHECK(blas_description() == before);
}
