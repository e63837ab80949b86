#include <doctest/doctest.h>

#include <map>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/rows.h>

#include "random_tensors.h"

using namespace tapestry;
using test::below;
using test::element;
using test::Index;

namespace {

constexpr uint64_t kSeed = 20240615;

Tensor random_ids(Rng& rng, const Shape& shape, int64_t rows) {
  Tensor t = test::random_tensor(rng, shape, i32, false);
  Tensor values = Tensor::empty(shape, i32);
  for (int32_t& id : values.write<int32_t>()) id = static_cast<int32_t>(below(rng, rows));
  return t.copy_(values);  // in the layout of t
}

}  // namespace

TEST_CASE("take_rows and add_rows_ agree with loops over every layout") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 200; ++n) {
    const Shape table_shape = test::random_shape(rng, 1 + n % 3);
    const Shape ids_shape = test::random_shape(rng, n % 3 == 2 ? n % 2 : n % 2 + 1, 4, true);
    const DType dtype = n % 3 == 0 ? f32 : f64;
    const Tensor table = test::random_tensor(rng, table_shape, dtype);
    const Tensor ids = random_ids(rng, ids_shape, table_shape[0]);
    const Tensor out = take_rows("take", table, ids);
    CAPTURE(n);
    REQUIRE(out.rank() == ids.rank() + table.rank() - 1);
    test::for_each_index(out.shape(), [&](const Index& i) {
      Index from{};
      from[0] = static_cast<int64_t>(element(ids, i));
      for (int d = 1; d < table.rank(); ++d)
        from[static_cast<size_t>(d)] = i[static_cast<size_t>(d + ids.rank() - 1)];
      REQUIRE(element(out, i) == element(table, from));
    });

    // add_rows_ is the transpose: <take(t), d> = <t, add(d)>
    const Tensor d = test::random_tensor(rng, out.shape(), dtype);
    Tensor sums = Tensor::full(table_shape, 1, dtype);
    const uint32_t version = sums.version();
    add_rows_(sums, ids, d, 3);
    REQUIRE(sums.version() > version);
    double left = 0, right = 0;
    test::for_each_index(out.shape(),
                         [&](const Index& i) { left += 3 * element(out, i) * element(d, i); });
    test::for_each_index(
        table_shape, [&](const Index& i) { right += (element(sums, i) - 1) * element(table, i); });
    REQUIRE(left == right);
  }
}

TEST_CASE("take_rows also takes indices from a table of indices") {
  const Tensor table = Tensor::from({3, 2}, {10, 11, 20, 21, 30, 31}, i32);
  CHECK(take_rows("take", table, Tensor::indices({2, 0})).to_vector<int32_t>() ==
        std::vector<int32_t>{30, 31, 10, 11});
}

TEST_CASE("coalesce sorts ids and sums the rows of equal ones") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 200; ++n) {
    const Shape ids_shape = test::random_shape(rng, 1 + n % 2, 6, true);
    const Tensor ids = random_ids(rng, ids_shape, 1 + below(rng, 8));
    const int64_t width = 1 + below(rng, 3);
    const Tensor rows =
        test::random_tensor(rng, ids_shape.with(ids_shape.rank(), width), n % 3 == 0 ? f32 : f64);
    std::map<int32_t, std::vector<double>> expected;
    test::for_each_index(rows.shape(), [&](const Index& i) {
      auto& sums = expected[static_cast<int32_t>(element(ids, i))];
      sums.resize(static_cast<size_t>(width));
      sums[static_cast<size_t>(i[static_cast<size_t>(ids.rank())])] += element(rows, i);
    });
    const Rows out = coalesce(ids, rows);
    REQUIRE(out.ids.shape() == Shape{static_cast<int64_t>(expected.size())});
    REQUIRE(out.values.shape() == Shape{static_cast<int64_t>(expected.size()), width});
    int64_t k = 0;
    for (const auto& [id, sums] : expected) {
      REQUIRE(out.ids.at({k}) == id);
      for (int64_t c = 0; c < width; ++c)
        REQUIRE(out.values.at({k, c}) == sums[static_cast<size_t>(c)]);
      ++k;
    }
  }
}

TEST_CASE("ids and rows that do not fit are errors") {
  Tensor table = Tensor::zeros({10, 3});
  CHECK_THROWS_WITH_AS(take_rows("embedding", table, Tensor::indices({0, 4, 10})),
                       "embedding: ids[2] = 10 is outside a table of 10 rows", IndexError);
  CHECK_THROWS_WITH_AS(take_rows("embedding", table, Tensor::indices({-1})),
                       "embedding: ids[0] = -1 is outside a table of 10 rows", IndexError);
  CHECK_THROWS_WITH_AS(take_rows("embedding", table, Tensor::zeros({2})),
                       "embedding: the ids are f32, expected i32 (cast; larger ids than 2147483647 "
                       "have no type)",
                       DTypeError);
  CHECK_THROWS_AS(take_rows("embedding", Tensor::scalar(1), Tensor::indices({0})), ShapeError);
  CHECK_THROWS_AS(
      take_rows("embedding", Tensor::zeros({2, 2, 2, 2}), Tensor::zeros({1, 1, 1, 1}, i32)),
      ShapeError);  // rank 5

  const Tensor ids = Tensor::indices({1, 1});
  CHECK_THROWS_AS(add_rows_(table, Tensor::indices({10}), Tensor::zeros({1, 3})), IndexError);
  CHECK_THROWS_AS(add_rows_(table, ids, Tensor::zeros({2, 4})), ShapeError);
  CHECK_THROWS_AS(add_rows_(table, ids, Tensor::zeros({2, 3}, f64)), DTypeError);
  Tensor strided = Tensor::zeros({3, 10}).transpose();
  CHECK_THROWS_WITH_AS(add_rows_(strided, ids, Tensor::zeros({2, 3})),
                       "add_rows_: the table is a strided view", ShapeError);
  CHECK_THROWS_AS(coalesce(ids, Tensor::zeros({3, 2})), ShapeError);
  CHECK_THROWS_AS(coalesce(ids, Tensor::scalar(1)), ShapeError);
  CHECK_THROWS_AS(coalesce(Tensor::zeros({2}), Tensor::zeros({2, 3})), DTypeError);
}
