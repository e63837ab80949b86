#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/conv1d.h>
#include <tapestry/tensor/cross_entropy.h>
#include <tapestry/tensor/gates.h>
#include <tapestry/tensor/gather.h>
#include <tapestry/tensor/loops.h>
#include <tapestry/tensor/matmul.h>
#include <tapestry/tensor/normalize.h>
#include <tapestry/tensor/print.h>
#include <tapestry/tensor/reduce.h>
#include <tapestry/tensor/rows.h>

#include "random_tensors.h"

using namespace tapestry;
using test::below;
using test::broadcast_element;
using test::element;
using test::Index;

namespace {

constexpr uint64_t kSeed = 20240612;
const double kNan = std::numeric_limits<double>::quiet_NaN();

std::string text(const Tensor& t) {
  std::ostringstream out;
  out << t;
  return out.str();
}

/// Checks that f throws an Error.
template <class F>
void throws(const char* expression, F f) {
  CAPTURE(expression);
  CHECK_THROWS_AS(f(), Error);
}

/// 0, 1, 2, ... in `shape`.
Tensor counting(const Shape& shape, DType dtype = f64) {
  Tensor t = Tensor::empty(shape, f64);
  double next = 0;
  for (double& x : t.write<double>()) x = next++;
  return t.cast(dtype);
}

}  // namespace

TEST_CASE("tensors are made from shapes and values") {
  CHECK(Tensor::zeros({2, 3}).to_vector<float>() == std::vector<float>(6, 0.f));
  CHECK(Tensor::full({2}, -1.5, f64).to_vector<double>() == std::vector<double>{-1.5, -1.5});
  CHECK(Tensor::full({2}, 7, i32).to_vector<int32_t>() == std::vector<int32_t>{7, 7});
  CHECK(Tensor::scalar(2.5).item() == 2.5);
  CHECK(Tensor::scalar(2.5).rank() == 0);
  CHECK(Tensor::from({2, 2}, {1, 2, 3, 4}).at({1, 0}) == 3);
  CHECK(Tensor::from({2, 2}, {1, 2, 3, 4}).dtype() == f32);
  CHECK(Tensor::indices({4, 5}).dtype() == i32);
  CHECK(Tensor::indices({4, 5}).shape() == Shape{2});
  CHECK_THROWS_WITH_AS(Tensor::from({2, 2}, {1, 2, 3}), "from: 3 values do not fill shape (2, 2)",
                       ShapeError);
  CHECK(Tensor::zeros({0, 3}).numel() == 0);
}

TEST_CASE("views share the elements and copy nothing") {
  const Tensor t = counting({2, 3, 4});
  const int64_t live = storage_stats().live;
  const Tensor views[] = {t.transpose(),
                          t.transpose(0, 2),
                          t.select(1, 2),
                          t.narrow(2, 1, 2),
                          t.reshape({6, 4}),
                          t.reshape({-1}),
                          t.expand({6, 5, 2, 3, 4}),
                          t.reshape(Shape{1, 24, 1}),
                          t};
  CHECK(storage_stats().live == live);
  for (const Tensor& v : views) CHECK(v.shares_storage(t));
  CHECK_FALSE(t.clone().shares_storage(t));
  CHECK(t.to_contiguous().shares_storage(t));
  CHECK_FALSE(t.transpose().to_contiguous().shares_storage(t));
  CHECK(t.cast(f64).shares_storage(t));
  CHECK_FALSE(t.cast(f32).shares_storage(t));

  CHECK(t.transpose().shape() == Shape{2, 4, 3});
  CHECK(t.transpose().at({1, 3, 2}) == t.at({1, 2, 3}));
  CHECK(t.transpose(0, 2).at({3, 1, 0}) == t.at({0, 1, 3}));
  CHECK(t.transpose(0, -1).shape() == Shape{4, 3, 2});
  CHECK(t.select(1, 2).shape() == Shape{2, 4});
  CHECK(t.select(1, 2).at({1, 3}) == t.at({1, 2, 3}));
  CHECK(t.select(-1, 0).at({1, 2}) == t.at({1, 2, 0}));
  CHECK(t.narrow(2, 1, 2).at({1, 1, 0}) == t.at({1, 1, 1}));
  CHECK(t.narrow(0, 2, 0).shape() == Shape{0, 3, 4});
  CHECK(t.expand({5, 2, 3, 4}).at({4, 1, 2, 3}) == 23);
  CHECK(t.size(-1) == 4);

  CHECK_THROWS_AS(t.select(0, 2), IndexError);
  CHECK_THROWS_AS(t.select(0, -1), IndexError);
  CHECK_THROWS_AS(t.select(3, 0), IndexError);
  CHECK_THROWS_AS(t.narrow(0, 1, 2), IndexError);
  CHECK_THROWS_AS(t.narrow(0, -1, 1), IndexError);
  CHECK_THROWS_AS(t.narrow(0, 0, -1), IndexError);
  CHECK_THROWS_AS(t.narrow(0, 1, std::numeric_limits<int64_t>::max()), IndexError);
  CHECK_THROWS_AS(t.narrow(0, std::numeric_limits<int64_t>::max(), 1), IndexError);
  CHECK_THROWS_AS(t.transpose(0, 3), IndexError);
  CHECK_THROWS_AS(Tensor::zeros({3}).transpose(), ShapeError);
  CHECK_THROWS_AS(t.expand({2, 3, 5}), ShapeError);
  CHECK_THROWS_AS(t.expand({3, 4}), ShapeError);
  CHECK_THROWS_AS(Tensor::zeros({1, 3}).expand({3}), ShapeError);
}

TEST_CASE("permute, slice, squeeze and unsqueeze are views of any layout and type") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 300; ++n) {
    const Shape shape = test::random_shape(rng, 1 + n % kMaxRank, 4);
    const Tensor t = test::random_tensor(rng, shape, n % 3 ? f64 : i32);
    const int rank = shape.rank();
    CAPTURE(n);
    std::array<int, kMaxRank> dims{};
    std::iota(dims.begin(), dims.end(), 0);
    rng.shuffle(std::span(dims.data(), static_cast<size_t>(rank)));
    const Tensor permuted = t.permute(std::span(dims.data(), static_cast<size_t>(rank)));
    const int d = static_cast<int>(below(rng, rank));
    const int64_t start = below(rng, shape[d] + 1), stop = start + below(rng, shape[d] - start + 1);
    const int64_t step = 1 + below(rng, 3);
    const Tensor sliced = t.slice(n % 2 ? d : d - rank, start, stop, step);
    REQUIRE(sliced.size(d) == (stop - start + step - 1) / step);
    for (const Tensor& view : {permuted, sliced}) REQUIRE(view.shares_storage(t));
    test::for_each_index(permuted.shape(), [&](const Index& i) {
      Index from{};
      for (int k = 0; k < rank; ++k)
        from[static_cast<size_t>(dims[static_cast<size_t>(k)])] = i[static_cast<size_t>(k)];
      REQUIRE(element(permuted, i) == element(t, from));
    });
    test::for_each_index(sliced.shape(), [&](Index i) {
      const double x = element(sliced, i);
      i[static_cast<size_t>(d)] = start + step * i[static_cast<size_t>(d)];
      REQUIRE(x == element(t, i));
    });
    REQUIRE(sliced.clone().fill_(7).numel() == sliced.numel());
    if (rank == kMaxRank) continue;
    const int at = static_cast<int>(below(rng, rank + 1));
    const Tensor wide = t.unsqueeze(n % 2 ? at : at - rank - 1);
    REQUIRE(wide.shape() == shape.with(at, 1));
    REQUIRE(wide.shares_storage(t));
    REQUIRE(wide.squeeze(at).shape() == shape);
    REQUIRE(wide.cast(f64).to_vector<double>() == t.cast(f64).to_vector<double>());
    REQUIRE(wide.squeeze(at).strides() == t.strides());
  }
  const Tensor t = counting({2, 3});
  CHECK(t.permute({-1, 0}).at({2, 1}) == 5);
  CHECK(Tensor::scalar(3).permute(std::initializer_list<int>{}).item() == 3);
  CHECK(t.slice(1, 0, 3, std::numeric_limits<int64_t>::max()).shape() == Shape{2, 1});
  CHECK(t.slice(1, 3, 3).shape() == Shape{2, 0});
  t.slice(1, 0, 3, 2).fill_(9);
  CHECK(t.to_vector<double>() == std::vector<double>{9, 1, 9, 9, 4, 9});
  CHECK_THROWS_WITH_AS(t.permute({0, 0}), "permute: (2, 3): each of its dims must be named once",
                       ShapeError);
  CHECK_THROWS_AS(t.permute({0}), ShapeError);
  CHECK_THROWS_AS(t.permute({0, 1, 0, 1, 0, 1, 0, 1}), ShapeError);
  CHECK_THROWS_AS(t.permute({0, 2}), IndexError);
  CHECK_THROWS_AS(t.slice(1, 0, 4), IndexError);
  CHECK_THROWS_AS(t.slice(1, -1, 2), IndexError);
  CHECK_THROWS_AS(t.slice(1, 2, 1), IndexError);
  CHECK_THROWS_AS(t.slice(2, 0, 0), IndexError);
  CHECK_THROWS_AS(t.slice(1, 0, 3, 0), ValueError);
  CHECK_THROWS_AS(t.squeeze(0), ShapeError);
  CHECK_THROWS_AS(t.squeeze(2), IndexError);
  CHECK_THROWS_AS(t.unsqueeze(3), IndexError);
  CHECK_THROWS_AS(t.unsqueeze(-4), IndexError);
  CHECK_THROWS_AS(Tensor::zeros({1, 1, 1, 1, 1, 1}).unsqueeze(0), ShapeError);
}

TEST_CASE("a reshape is a view where the strides allow it and a copy elsewhere") {
  const Tensor t = counting({4, 6});
  CHECK(t.narrow(0, 1, 2).reshape({3, 4}).shares_storage(t));
  CHECK(t.select(1, 2).reshape({2, 2}).shares_storage(t));  // one run with a stride
  CHECK(t.select(1, 2).reshape({2, 2}).at({1, 1}) == 20);
  CHECK_FALSE(t.transpose().reshape({24}).shares_storage(t));
  CHECK(t.transpose().reshape({24}).at({1}) == 6);
  CHECK_FALSE(t.narrow(1, 0, 3).reshape({12}).shares_storage(t));
  CHECK(t.narrow(1, 0, 3).reshape({12}).at({3}) == 6);
  CHECK(t.reshape({2, -1, 3}).shape() == Shape{2, 4, 3});
  CHECK(t.reshape({-1, 24}).shape() == Shape{1, 24});
  CHECK(Tensor::scalar(5).reshape({1, 1}).shape() == Shape{1, 1});
  CHECK(Tensor::full({1}, 5).reshape(Shape{}).item() == 5);
  CHECK(Tensor::zeros({0, 3}).reshape({3, 0}).shape() == Shape{3, 0});
  CHECK(Tensor::zeros({0, 3}).reshape({-1, 3}).shape() == Shape{0, 3});

  CHECK_THROWS_WITH_AS(t.reshape({5, 5}), "reshape: (4, 6) has 24 elements, (5, 5) has 25",
                       ShapeError);
  CHECK_THROWS_AS(t.reshape({-1, -1}), ShapeError);
  CHECK_THROWS_AS(t.reshape({-1, 5}), ShapeError);
  CHECK_THROWS_AS(t.reshape({-2, -12}), ShapeError);
  CHECK_THROWS_AS(t.reshape({-1, 0}), ShapeError);
  CHECK_THROWS_AS(t.reshape({1, 1, 1, 1, 2, 3, 4}), ShapeError);
  CHECK_THROWS_AS(Tensor::zeros({0}).reshape({-1, 0}), ShapeError);
  constexpr int64_t big = int64_t{1} << 32;
  CHECK_THROWS_AS(Tensor::zeros({0}).reshape({big, big}), ShapeError);
}

TEST_CASE("random reshapes keep the row-major order") {
  Rng rng(kSeed);
  CAPTURE(kSeed);
  for (int n = 0; n < 300; ++n) {
    const Tensor t = test::random_tensor(rng, test::random_shape(rng, 1 + n % kMaxRank, 4));
    const auto flat = t.to_vector<double>();
    size_t k = 0;
    test::for_each_index(t.shape(), [&](const Index& i) { REQUIRE(element(t, i) == flat[k++]); });
    Shape other{t.numel()};
    for (int d = 0; d < 3; ++d) {  // split off a divisor
      const int64_t divisor = 1 + below(rng, 4);
      if (other[other.rank() - 1] % divisor) continue;
      other[other.rank() - 1] /= divisor;
      other = other.with(below(rng, 2) ? 0 : other.rank(), divisor);
    }
    REQUIRE(t.reshape(other).to_vector<double>() == flat);
  }
}

TEST_CASE("in-place operations bump the version of every view; others do not") {
  Tensor t = counting({2, 3});
  Tensor view = t.transpose();
  uint32_t version = t.version();
  const auto bumped = [&] { return std::exchange(version, t.version()) < t.version(); };
  view.fill_(2);
  CHECK(bumped());
  t.copy_(counting({2, 3}));
  CHECK(bumped());
  t.add_(Tensor::scalar(1, f64));
  CHECK(bumped());
  t.add_(Tensor::scalar(1, f64), -0.5);
  CHECK(bumped());
  view.mul_(2);
  CHECK(bumped());
  view.set_({0, 1}, 3);
  CHECK(bumped());
  t.write<double>();
  CHECK(bumped());
  CHECK(t.at({1, 0}) == 3);

  (void)t.read<double>(), (void)t.to_vector<double>(), (void)t.at({0, 0});
  const Tensor results[] = {t + t,
                            t * 2.0,
                            -t,
                            exp(t),
                            sum(t),
                            sum(t, 0),
                            mean(t, 1),
                            softmax(t),
                            t.clone(),
                            t.reshape({6}),
                            square(t),
                            max(t, 0).values,
                            mean(t, 1, true),
                            t.cast(f32)};
  CHECK_FALSE(bumped());
  for (Tensor r : results) CHECK(r.defined());
}

TEST_CASE("reductions over a dim of size one leave their input alone") {
  const Tensor t = counting({3, 1});
  const uint32_t version = t.version();
  for (Tensor r : {sum(t, 1), mean(t, 1), mean(t, -1, true), max(t, 1).values}) r.fill_(9);
  CHECK(t.version() == version);
  CHECK(t.to_vector<double>() == std::vector<double>{0, 1, 2});
}

TEST_CASE("direct access needs the right type and a contiguous tensor") {
  Tensor t = counting({2, 3});
  CHECK(t.read<double>()[4] == 4);
  t.write<double>()[4] = 40;
  CHECK(t.at({1, 1}) == 40);
  CHECK_THROWS_WITH_AS(t.transpose().read<double>(),
                       "read: (3, 2) is a strided view (use to_contiguous)", ShapeError);
  CHECK_THROWS_WITH_AS(t.transpose().write<double>(),
                       "write: (3, 2) is a strided view (use copy_ or set_)", ShapeError);
  CHECK_THROWS_AS(t.expand({2, 2, 3}).write<double>(), ShapeError);
  CHECK_THROWS_WITH_AS(t.read<float>(), "read: the tensor is f64, the span asked for is f32",
                       DTypeError);
  CHECK_THROWS_AS(t.write<int32_t>(), DTypeError);
  CHECK_THROWS_AS(t.to_vector<float>(), DTypeError);
  CHECK(t.transpose().to_vector<double>() == std::vector<double>{0, 3, 1, 40, 2, 5});
  CHECK_THROWS_AS(t.item(), ShapeError);
  CHECK_THROWS_AS(t.at({0}), IndexError);
  CHECK_THROWS_AS(t.at({0, 3}), IndexError);
  CHECK_THROWS_AS(t.at({-1, 0}), IndexError);
  CHECK_THROWS_AS(t.set_({2, 0}, 1), IndexError);
}

TEST_CASE("element types never mix silently") {
  const Tensor a = counting({2, 2}, f32), b = counting({2, 2}, f64), c = counting({2, 2}, i32);
  CHECK_THROWS_WITH_AS(a + b, "add: f32 (2, 2) and f64 (2, 2) differ in type (use cast)",
                       DTypeError);
  CHECK_THROWS_AS(a * c, DTypeError);
  CHECK_THROWS_AS(c + c, DTypeError);
  CHECK_THROWS_AS(c * 2.0, DTypeError);
  CHECK_THROWS_AS(matmul(a, b), DTypeError);
  CHECK_THROWS_AS(matmul(c, c), DTypeError);
  CHECK_THROWS_AS(concat(std::array{a, b}), DTypeError);
  CHECK_THROWS_AS(where(a, b, b), DTypeError);
  CHECK_THROWS_AS(where(c, a, b), DTypeError);
  CHECK_THROWS_AS(Tensor(a).add_(b), DTypeError);
  CHECK_THROWS_AS(Tensor(c).mul_(2), DTypeError);
  CHECK_THROWS_AS(sum(c), DTypeError);
  CHECK_THROWS_AS(softmax(c), DTypeError);
  CHECK_THROWS_AS(max(c, 0), DTypeError);
  CHECK_THROWS_AS(exp(c), DTypeError);
  CHECK_THROWS_AS(take_rows("take", a, a), DTypeError);
  CHECK_THROWS_AS(coalesce(a, a), DTypeError);
  CHECK_THROWS_AS(lstm_gates(Tensor::zeros({1, 4}), Tensor::zeros({1, 1}, f64)), DTypeError);
}

TEST_CASE("cast converts and copy_ converts into place") {
  const Tensor t = Tensor::from({2, 2}, {1.75, -2.25, 3, 0}, f64);
  CHECK(t.cast(f32).to_vector<float>() == std::vector<float>{1.75f, -2.25f, 3, 0});
  CHECK(t.cast(i32).to_vector<int32_t>() == std::vector<int32_t>{1, -2, 3, 0});
  CHECK(t.transpose().cast(f32).to_vector<float>() == std::vector<float>{1.75f, 3, -2.25f, 0});
  const double inf = std::numeric_limits<double>::infinity();
  for (const double bad : {kNan, inf, -inf, 2147483648.0, -2147483904.0, 1e300}) {
    CAPTURE(bad);
    const Tensor x = Tensor::from({2, 2}, {0, 1, bad, 3}, f64);
    CHECK_THROWS_AS(x.cast(i32), ValueError);
    CHECK_THROWS_AS(x.cast(f32).transpose().cast(i32), ValueError);
    CHECK_THROWS_AS(Tensor::zeros({2, 2}, i32).copy_(x), ValueError);
    CHECK_THROWS_AS(Tensor::full({2}, bad, i32), ValueError);
    CHECK_THROWS_AS(Tensor::zeros({2}, i32).fill_(bad), ValueError);
    CHECK_THROWS_AS(Tensor::zeros({2}, i32).set_({1}, bad), ValueError);
  }
  CHECK_THROWS_WITH_AS(Tensor::from({2}, {0, kNan}, f64).cast(i32),
                       "cast: element 1 of (2) is nan, which i32 cannot hold", ValueError);
  CHECK_THROWS_WITH_AS(Tensor::from({2}, {0, -3e9}, f64).cast(i32),
                       "cast: element 1 of (2) is -3e+09, which i32 cannot hold", ValueError);
  CHECK(Tensor::from({2}, {2147483647.5, -2147483648.5}, f64).cast(i32).to_vector<int32_t>() ==
        std::vector<int32_t>{2147483647, -2147483647 - 1});
  Tensor out = Tensor::zeros({3, 2, 2});
  out.copy_(t);
  CHECK(out.at({2, 0, 1}) == -2.25);
  out.transpose(1, 2).copy_(t);
  CHECK(out.at({2, 1, 0}) == -2.25);
  CHECK_THROWS_WITH_AS(out.copy_(Tensor::zeros({3})),
                       "copy_: (3, 2, 2) and (3) do not broadcast: dim 2 is 2 and 3", ShapeError);
  CHECK_THROWS_WITH_AS(Tensor::zeros({1}).copy_(Tensor::zeros({3})),
                       "copy_: (3) does not broadcast to (1)", ShapeError);
  CHECK_THROWS_AS(Tensor::zeros({2}).add_(Tensor::zeros({2, 2})), ShapeError);
}

TEST_CASE("in-place operations refuse a target that repeats elements") {
  Tensor t = Tensor::zeros({1, 3}, f64), wide = t.expand({4, 3});
  CHECK_THROWS_AS(wide.add_(Tensor::scalar(1, f64)), ShapeError);
  CHECK_THROWS_AS(wide.mul_(2), ShapeError);
  CHECK_THROWS_AS(wide.copy_(Tensor::zeros({4, 3}, f64)), ShapeError);
  CHECK_THROWS_AS(matmul_into(wide, Tensor::zeros({4, 2}, f64), Tensor::zeros({2, 3}, f64), 0),
                  ShapeError);
  CHECK(t.to_vector<double>() == std::vector<double>{0, 0, 0});
}

TEST_CASE("in-place operations read an overlapping source as it was before") {
  Tensor t = counting({3, 3});
  t.add_(t.transpose());
  CHECK(t.to_vector<double>() == std::vector<double>{0, 4, 8, 4, 8, 12, 8, 12, 16});
  Tensor u = counting({5});
  u.narrow(0, 1, 4).copy_(u.narrow(0, 0, 4));
  CHECK(u.to_vector<double>() == std::vector<double>{0, 0, 1, 2, 3});
  Tensor v = counting({5});
  v.narrow(0, 1, 4).add_(v.narrow(0, 0, 4));
  CHECK(v.to_vector<double>() == std::vector<double>{0, 1, 3, 5, 7});
  Tensor w = counting({3});
  w.add_(w.select(0, 2));
  CHECK(w.to_vector<double>() == std::vector<double>{2, 3, 4});
  Tensor x = counting({3});
  x.add_(x);
  CHECK(x.to_vector<double>() == std::vector<double>{0, 2, 4});
  Tensor y = counting({2, 2});
  matmul_into(y, y, y, 0);
  CHECK(y.to_vector<double>() == std::vector<double>{2, 3, 6, 11});
}

TEST_CASE("an undefined tensor is an error everywhere, never a crash") {
  const Tensor u, d = Tensor::zeros({2, 2}), ids = Tensor::indices({0});
  Tensor w, target = d.clone();
  CHECK_FALSE(u.defined());
  CHECK(text(u) == "undefined tensor");
  CHECK(u.version() == 0);
  CHECK(u.numel() == 0);
  CHECK_THROWS_WITH_AS(u.data<float>(),
                       "an undefined tensor has no elements (it may only be assigned to)", Error);
  CHECK_THROWS_AS((void)u.unique(), Error);
  CHECK_THROWS_AS(u.bump(), Error);
#define THROWS(...) throws(#__VA_ARGS__, [&] { (void)(__VA_ARGS__); })
  THROWS(u.size(0)), THROWS(u.transpose()), THROWS(u.select(0, 0)), THROWS(u.narrow(0, 0, 0));
  THROWS(u.expand({3})), THROWS(u.reshape({1})), THROWS(u.reshape(Shape{}));
  THROWS(u.item()), THROWS(u.at({})), THROWS(w.set_({}, 1)), THROWS(u.read<float>());
  THROWS(w.write<float>()), THROWS(u.to_vector<float>()), THROWS(u.clone());
  THROWS(u.cast(f64)), THROWS(w.fill_(1)), THROWS(w.copy_(d)), THROWS(target.copy_(u));
  THROWS(w.add_(d)), THROWS(target.add_(u)), THROWS(w.mul_(2));
  THROWS(u + d), THROWS(d - u), THROWS(u * u), THROWS(d / u), THROWS(u + 1.0), THROWS(u * 2.0);
  THROWS(u - 1.0), THROWS(u / 2.0), THROWS(-u), THROWS(divide(1, u));
  THROWS(exp(u)), THROWS(log(u)), THROWS(sqrt(u)), THROWS(square(u)), THROWS(abs(u));
  THROWS(clamp(u, 0, 1)), THROWS(tanh(u)), THROWS(sigmoid(u)), THROWS(relu(u));
  THROWS(softplus(u)), THROWS(where(u, d, d)), THROWS(where(ids, u, d)), THROWS(where(ids, d, u));
  THROWS(concat(std::array{u, d})), THROWS(concat(std::array{d, u}));
  THROWS(concat(std::span<const Tensor>{}));
  THROWS(matmul(u, d)), THROWS(matmul(d, u)), THROWS(matmul_into(w, d, d, 0));
  THROWS(matmul_into(target, u, d, 0)), THROWS(matmul_into(target, d, u, 0));
  THROWS(sum(u)), THROWS(sum(u, 0)), THROWS(mean(u)), THROWS(mean(u, 0)), THROWS(sum_to(u, {}));
  THROWS(sum_to(u, {2})), THROWS(max(u, 0)), THROWS(softmax(u)), THROWS(log_softmax(u, 0));
  THROWS(u.permute(std::initializer_list<int>{})), THROWS(u.slice(0, 0, 0));
  THROWS(u.unsqueeze(0)), THROWS(u.squeeze(0)), THROWS(flip(u, 0)), THROWS(min(u, 0));
  THROWS(gather(u, 0, ids)), THROWS(gather(d, 0, u)), THROWS(cumsum(u, 0));
  THROWS(scatter_add(u, 0, ids, {2})), THROWS(scatter_add(Tensor::scalar(1), 0, u, {2}));
  THROWS(pow(u, 2)), THROWS(sin(u)), THROWS(cos(u)), THROWS(log1p(u)), THROWS(expm1(u));
  THROWS(maximum(u, d)), THROWS(minimum(d, u)), THROWS(greater(u, d)), THROWS(equal(d, u));
  THROWS(conv1d(u, u)), THROWS(conv1d(Tensor::zeros({2, 1, 1}), u));
  THROWS(squared_norm(u)), THROWS(all_finite(u));
  THROWS(require_rows("rows", u, 3)), THROWS(take_rows("rows", u, ids));
  THROWS(take_rows("rows", d, u)), THROWS(add_rows_(w, ids, d)), THROWS(add_rows_(target, u, d));
  THROWS(add_rows_(target, ids, u)), THROWS(coalesce(u, d)), THROWS(coalesce(ids, u));
  THROWS(lstm_gates(u, d)), THROWS(lstm_gates(d, u)), THROWS(gru_gates(u, d, d));
  THROWS(gru_gates(d, u, d)), THROWS(gru_gates(d, d, u)), THROWS(normalize(u, 1e-5));
  THROWS(cross_entropy(u, ids, -1)), THROWS(cross_entropy(d, u, -1));
  THROWS(map("f", u, [](auto x) { return x; }));
  THROWS(zip("f", u, d, [](auto x, auto) { return x; }));
#undef THROWS
}

TEST_CASE("tensors without elements pass through") {
  const Tensor e = Tensor::zeros({0, 3}, f64), v = Tensor::zeros({3, 0}, f64);
  CHECK((e + e).shape() == Shape{0, 3});
  CHECK((e + Tensor::zeros({3}, f64)).shape() == Shape{0, 3});
  CHECK((e * Tensor::zeros({1, 1}, f64)).shape() == Shape{0, 3});
  CHECK(exp(e).shape() == Shape{0, 3});
  CHECK(e.clone().transpose().to_contiguous().shape() == Shape{3, 0});
  CHECK(sum(e).item() == 0);
  CHECK(sum(e, 0).to_vector<double>() == std::vector<double>{0, 0, 0});
  CHECK(sum(e, 1).shape() == Shape{0});
  CHECK(sum(v, 1).to_vector<double>() == std::vector<double>{0, 0, 0});
  CHECK(sum_to(e, {1, 3}).to_vector<double>() == std::vector<double>{0, 0, 0});
  CHECK(mean(e, 1).shape() == Shape{0});
  CHECK_THROWS_AS(mean(e), ShapeError);
  CHECK_THROWS_AS(mean(e, 0), ShapeError);
  CHECK_THROWS_AS(max(e, 0), ShapeError);
  CHECK(max(e, 1).values.shape() == Shape{0});
  CHECK(softmax(e).shape() == Shape{0, 3});
  CHECK(softmax(v).shape() == Shape{3, 0});
  CHECK(softmax(e, 0).shape() == Shape{0, 3});
  CHECK(log_softmax(v).shape() == Shape{3, 0});
  CHECK(matmul(v, e).to_vector<double>() == std::vector<double>(9, 0));
  CHECK(matmul(e, v).shape() == Shape{0, 0});
  CHECK(matmul(e, Tensor::zeros({3, 2}, f64)).shape() == Shape{0, 2});
  CHECK(matmul(Tensor::zeros({2, 3, 0}), Tensor::zeros({0, 4})).shape() == Shape{2, 3, 4});
  CHECK(matmul(Tensor::zeros({0, 3, 4}), Tensor::zeros({4, 5})).shape() == Shape{0, 3, 5});
  CHECK(matmul(Tensor::zeros({0, 3, 4}), Tensor::zeros({0, 4, 5})).shape() == Shape{0, 3, 5});
  CHECK(concat(std::array{e, e}).shape() == Shape{0, 3});
  CHECK(concat(std::array{e, Tensor::full({2, 3}, 1, f64)}).shape() == Shape{2, 3});
  CHECK(concat(std::array{v, Tensor::full({3, 1}, 1, f64)}, 1).shape() == Shape{3, 1});
  CHECK(where(Tensor::zeros({0, 1}, i32), e, e).shape() == Shape{0, 3});
  CHECK(take_rows("take", e, Tensor::zeros({0}, i32)).shape() == Shape{0, 3});
  CHECK(take_rows("take", v, Tensor::indices({2, 0})).shape() == Shape{2, 0});
  CHECK_THROWS_AS(take_rows("take", e, Tensor::indices({0})), IndexError);
  const Rows none = coalesce(Tensor::zeros({0}, i32), e);
  CHECK(none.ids.shape() == Shape{0});
  CHECK(none.values.shape() == Shape{0, 3});
  Tensor table = Tensor::zeros({2, 3}, f64);
  add_rows_(table, none.ids, none.values);
  CHECK(squared_norm(e) == 0);
  CHECK(all_finite(e));
  CHECK(e.clone().fill_(3).add_(e).mul_(2).numel() == 0);
  CHECK(lstm_gates(Tensor::zeros({0, 8}), Tensor::zeros({0, 2})).h.shape() == Shape{0, 2});
  CHECK(gru_gates(Tensor::zeros({0, 6}), Tensor::zeros({0, 6}), Tensor::zeros({0, 2})).h.shape() ==
        Shape{0, 2});
  CHECK(normalize(e, 1e-5).x.shape() == Shape{0, 3});
  CHECK(cross_entropy(e, Tensor::zeros({0}, i32), -1).loss.shape() == Shape{0});
  CHECK_THROWS_AS(cross_entropy(v, Tensor::zeros({3}, i32), -1), IndexError);
  CHECK(text(e) == "f64 (0, 3) []");
}

TEST_CASE("a tensor prints its type, shape and some elements") {
  CHECK(text(Tensor::scalar(1.5)).starts_with("f32 () "));
  CHECK(text(Tensor::scalar(1.5)).ends_with(" 1.5"));
  const std::string small = text(counting({2, 2}));
  CHECK(small.find("f64 (2, 2) [[") == 0);
  CHECK(small.find('3') != std::string::npos);
  CHECK(small.find("...") == std::string::npos);
  const std::string large = text(counting({100}));
  CHECK(large.find(" ... ") != std::string::npos);
  CHECK(large.find("99") != std::string::npos);
  CHECK(large.find(" 50 ") == std::string::npos);
  CHECK(text(counting({30, 2, 30, 2})).size() < 8000);
  CHECK(text(counting({1, 1, 1, 1, 2, 1})) == text(counting({2, 1}).reshape({1, 1, 1, 1, 2, 1})));
  CHECK(text(Tensor::indices({1234567})).find("1234567") != std::string::npos);
  CHECK(text(Tensor::full({1}, kNan)).find("nan") != std::string::npos);
  std::ostringstream out;
  out << counting({2}) << ' ' << 1.23456789;
  CHECK(out.str().ends_with(" 1.23457"));  // the stream's format is left as it was
}
