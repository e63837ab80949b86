#include <doctest/doctest.h>

#include <sstream>

#include <tapestry/tensor/shape.h>

using namespace tapestry;

namespace {
std::string text(const Shape& shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}
}  // namespace

TEST_CASE("a shape has up to six sizes and the product of them") {
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{3, 4}.numel() == 12);
  CHECK(Shape{2, 3, 4, 5}.numel() == 120);
  CHECK(Shape{2, 3, 4, 5, 6, 7}.numel() == 5040);
  CHECK(Shape{2, 0, 4}.numel() == 0);
  CHECK(Shape{3, 4} == Shape{3, 4});
  CHECK(Shape{3, 4} != Shape{4, 3});
  CHECK(Shape{3} != Shape{3, 1});
  CHECK(Shape{} != Shape{1});
}

TEST_CASE("a shape prints its sizes in parentheses") {
  CHECK(text({}) == "()");
  CHECK(text({7}) == "(7)");
  CHECK(text({20, 650}) == "(20, 650)");
  CHECK(text({0, 1, 2, 3, 4, 5}) == "(0, 1, 2, 3, 4, 5)");
}

TEST_CASE("more than six sizes, negative sizes and too many elements are errors") {
  CHECK_THROWS_WITH_AS(Shape({1, 2, 3, 4, 5, 6, 7}),
                       "shape: rank 7 is more than 6 (merge dims with reshape)", ShapeError);
  CHECK_THROWS_WITH_AS(Shape({3, -1}), "shape: size -1 is negative", ShapeError);
  constexpr int64_t big = int64_t{1} << 31;
  CHECK_THROWS_AS(Shape({big, big, big}), ShapeError);  // 2^93: the product would wrap to 0
  CHECK_THROWS_AS(Shape({big, big, 4}), ShapeError);
  CHECK_THROWS_AS(Shape({big, big, 4, 0}), ShapeError);
  CHECK(Shape{big, 1000, 0}.numel() == 0);
}

TEST_CASE("dims can be taken out of a shape and put in") {
  CHECK(Shape{2, 3, 4}.without(0) == Shape{3, 4});
  CHECK(Shape{2, 3, 4}.without(1) == Shape{2, 4});
  CHECK(Shape{2, 3, 4}.without(2) == Shape{2, 3});
  CHECK(Shape{2}.without(0) == Shape{});
  CHECK(Shape{2, 3}.with(0, 9) == Shape{9, 2, 3});
  CHECK(Shape{2, 3}.with(1, 9) == Shape{2, 9, 3});
  CHECK(Shape{2, 3}.with(2, 9) == Shape{2, 3, 9});
  CHECK(Shape{}.with(0, 9) == Shape{9});
  CHECK(Shape{1, 2, 3, 4, 5}.with(0, 9) == Shape{9, 1, 2, 3, 4, 5});
  CHECK(Shape{1, 2, 3, 4, 5, 6}.without(5) == Shape{1, 2, 3, 4, 5});
  CHECK(Shape{1, 2, 3, 4, 5, 6}.without(0) == Shape{2, 3, 4, 5, 6});
  CHECK_THROWS_WITH_AS(Shape({1, 2, 3, 4, 5, 6}).with(0, 1),
                       "shape: (1, 2, 3, 4, 5, 6) already has rank 6", ShapeError);
}

TEST_CASE("a dim outside a shape is an error, for reading, writing, without and with") {
  Shape s{2, 3};
  CHECK_THROWS_WITH_AS((void)s[2], "shape: dim 2 is outside (2, 3), which has rank 2", IndexError);
  CHECK_THROWS_AS((void)s[-1], IndexError);
  CHECK_THROWS_AS(s[9] = 1, IndexError);
  CHECK_THROWS_AS((void)Shape{}[0], IndexError);
  CHECK_THROWS_AS(s.without(2), IndexError);
  CHECK_THROWS_AS(s.without(-1), IndexError);
  CHECK_THROWS_AS(Shape{}.without(0), IndexError);
  CHECK_THROWS_AS(Shape{2}.with(5, 3), IndexError);
  CHECK_THROWS_AS(s.with(-1, 3), IndexError);
  s[1] = -4;
  CHECK_THROWS_AS(checked_numel(s), ShapeError);
}

TEST_CASE("row-major strides count elements") {
  CHECK(contiguous_strides({}) == Strides{});
  CHECK(contiguous_strides({5}) == Strides{1});
  CHECK(contiguous_strides({2, 3, 4}) == Strides{12, 4, 1});
  CHECK(contiguous_strides({2, 3, 4, 5}) == Strides{60, 20, 5, 1});
}

TEST_CASE("shapes broadcast from the last dim") {
  CHECK(broadcast("add", {3, 4}, {3, 4}) == Shape{3, 4});
  CHECK(broadcast("add", {3, 4}, {4}) == Shape{3, 4});
  CHECK(broadcast("add", {4}, {3, 4}) == Shape{3, 4});
  CHECK(broadcast("add", {3, 1}, {1, 4}) == Shape{3, 4});
  CHECK(broadcast("add", {}, {2, 3}) == Shape{2, 3});
  CHECK(broadcast("add", {}, {}) == Shape{});
  CHECK(broadcast("add", {1}, {}) == Shape{1});
  CHECK(broadcast("add", {2, 1, 4}, {3, 1}) == Shape{2, 3, 4});
  CHECK(broadcast("add", {0}, {1}) == Shape{0});
  CHECK(broadcast("add", {1, 3}, {0, 3}) == Shape{0, 3});
  CHECK_THROWS_AS(broadcast("add", {0}, {2}), ShapeError);
  CHECK_THROWS_WITH_AS(broadcast("add", {20, 650}, {20, 600}),
                       "add: (20, 650) and (20, 600) do not broadcast: dim 1 is 650 and 600",
                       ShapeError);
  CHECK_THROWS_WITH_AS(broadcast("mul", {5, 2, 3}, {4, 3}),
                       "mul: (5, 2, 3) and (4, 3) do not broadcast: dim 1 is 2 and 4", ShapeError);
}

TEST_CASE("dims count from the end when negative") {
  CHECK(normalize_dim("sum", {2, 3, 4}, 0) == 0);
  CHECK(normalize_dim("sum", {2, 3, 4}, -1) == 2);
  CHECK(normalize_dim("sum", {2, 3, 4}, -3) == 0);
  CHECK_THROWS_WITH_AS(normalize_dim("sum", {2, 3}, 2),
                       "sum: dim 2 is outside (2, 3), which has rank 2", IndexError);
  CHECK_THROWS_AS(normalize_dim("sum", {2, 3}, -3), IndexError);
  CHECK_THROWS_AS(normalize_dim("sum", {}, 0), IndexError);
  CHECK_THROWS_AS(normalize_dim("sum", {}, -1), IndexError);
}
