#include <doctest/doctest.h>

#include <tapestry/autograd/ops.h>

#include "parameters.h"

using namespace tapestry;
using test::gradient;
using test::parameter;

TEST_CASE("a copied parameter is a new leaf, a moved one the same") {
  Parameter a = parameter({2}, 1);
  Leaf* leaf = a.ref().get();
  Parameter copy = a;
  CHECK(copy.ref().get() != leaf);
  copy.value().fill_(5);
  CHECK(a.value().at({0}) == 1);
  Parameter moved = std::move(a);
  CHECK(moved.ref().get() == leaf);
  CHECK_FALSE(a.defined());  // NOLINT: moved from
  CHECK_THROWS_WITH_AS(a.value(), "an empty Parameter was used (moved from, or never initialised)",
                       Error);

  const Tensor held = moved.value();
  moved = copy;  // equal shapes: values into the same leaf and the same storage
  CHECK(moved.ref().get() == leaf);
  CHECK(held.at({1}) == 5);
  moved = *&moved;
  CHECK(moved.value().at({1}) == 5);

  moved = parameter({3}, 2);
  CHECK(moved.shape() == Shape{3});
  copy = moved;  // unequal: a new leaf
  CHECK(copy.shape() == Shape{3});
  CHECK(copy.ref().get() != moved.ref().get());
  Parameter absent;
  copy = absent;
  CHECK_FALSE(copy.defined());
  CHECK_FALSE(Parameter(absent).defined());
}

TEST_CASE("a copy keeps values and freezing, not gradients or who applies them") {
  Parameter a = parameter({2}, 3);
  a.freeze();
  a.ref()->held = true;
  a.grad().add(Tensor::full({2}, 1, f64));
  const Parameter b = a;
  CHECK(b.ref()->frozen);
  CHECK_FALSE(b.ref()->held);
  CHECK(b.grad().empty());
  const Parameter wide = parameter({3}, 1);
  CHECK_THROWS_WITH_AS(a = wide,
                       "a parameter whose gradient something applies cannot change from (2) to (3)",
                       ShapeError);
  CHECK_THROWS_AS(a = Parameter(wide).share() = wide, Error);
}

TEST_CASE("a shared parameter has the same values and a gradient of its own") {
  Parameter a = parameter({2}, 3), b = a.share();
  CHECK(b.value().shares_storage(a.value()));
  Tape tape;
  tape.backward(sum(Var(b) * 2.0));
  CHECK(a.grad().empty());
  CHECK(gradient(b) == std::vector<double>(2, 2));
}

TEST_CASE("row contributions stay rows until something dense comes") {
  const Parameter table = parameter({5, 2}, 1);
  Grad g = table.grad();
  CHECK(g.wanted());
  CHECK(g.empty());
  CHECK_FALSE(g.sparse());
  CHECK_THROWS_WITH_AS(g.rows(), "gradient: (5, 2) has no row contributions alone (use dense)",
                       Error);
  g.add_rows(Tensor::indices({3, 1}), Tensor::from({2, 2}, {1, 2, 3, 4}, f64));
  CHECK(g.sparse());
  g.add_rows(Tensor::indices({3}), Tensor::from({1, 2}, {10, 20}, f64));
  g.add_rows(Tensor::zeros({1, 1}, i32), Tensor::from({1, 1, 2}, {7, 8}, f64));
  g.scale(2);
  const Rows rows = g.rows();
  CHECK(rows.ids.to_vector<int32_t>() == std::vector<int32_t>{0, 1, 3});
  CHECK(rows.values.to_vector<double>() == std::vector<double>{14, 16, 6, 8, 22, 44});
  g.add(Tensor::full({5, 2}, 100, f64));
  CHECK_FALSE(g.sparse());
  CHECK(g.dense().to_vector<double>() ==
        std::vector<double>{114, 116, 106, 108, 100, 100, 122, 144, 100, 100});
  g.scale(0.5);
  CHECK(g.dense().at({0, 0}) == 57);
  g.clear();
  CHECK(g.empty());
  CHECK(g.dense().to_vector<double>() == std::vector<double>(10, 0));
}

TEST_CASE("the first contribution to a gradient is borrowed and never written to") {
  const Parameter w = parameter({2, 2}, 1);
  Grad g = w.grad();
  const Tensor first = Tensor::full({2, 2}, 1, f64);
  g.add(first);
  CHECK(g.shape() == Shape{2, 2});
  CHECK(g.dtype() == f64);
  SUBCASE("add") {
    g.add(Tensor::full({2, 2}, 2, f64));
    g.add(Tensor::full({2, 2}, 3, f64));
    CHECK(g.dense().at({0, 0}) == 6);
  }
  SUBCASE("add_matmul") {
    g.add_matmul(first, first);
    CHECK(g.dense().at({0, 0}) == 3);
  }
  SUBCASE("batched add_matmul") {
    g.add_matmul(Tensor::full({3, 2, 2}, 1, f64), first);
    CHECK(g.dense().at({0, 0}) == 7);
  }
  SUBCASE("scale") {
    g.scale(4);
    CHECK(g.dense().at({0, 0}) == 4);
  }
  SUBCASE("dense") { g.dense().fill_(9); }
  SUBCASE("an expanded one") {
    g.clear();
    g.add(Tensor::scalar(1, f64).expand({2, 2}));
    g.add(first);
    CHECK(g.dense().at({1, 1}) == 2);
    g.clear();
    g.add(Tensor::scalar(1, f64).expand({2, 2}));
    CHECK(g.dense().contiguous());
    g.dense().set_({0, 0}, 5);
    CHECK(g.dense().at({1, 1}) == 1);
  }
  CHECK(first.to_vector<double>() == std::vector<double>(4, 1));
}

TEST_CASE("a gradient that nobody wants ignores what it is given") {
  Grad g;
  CHECK_FALSE(g.wanted());
  CHECK(g.empty());
  CHECK_FALSE(g.sparse());
  g.add(Tensor::full({2}, 1));
  g.add_matmul(Tensor::full({2, 2}, 1), Tensor::full({2, 2}, 1));
  g.add_rows(Tensor::indices({0}), Tensor::full({1, 2}, 1));
  g.scale(2);
  g.clear();
  CHECK(g.empty());
  CHECK_THROWS_AS(g.dense(), Error);
  CHECK_THROWS_AS(g.rows(), Error);
}

TEST_CASE("ids may be refilled between two backward passes that add to one gradient") {
  const Parameter table = parameter({3, 2}, 1);
  Tensor ids = Tensor::indices({0});
  for (const int32_t id : {0, 2}) {
    ids.fill_(id);
    Tape tape;
    tape.backward(sum(embedding(Var(table), ids)));
  }
  CHECK(gradient(table) == std::vector<double>{1, 1, 0, 0, 1, 1});
}
