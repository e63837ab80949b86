#include <doctest/doctest.h>

#include <limits>
#include <sstream>

#include <tapestry/autograd/check_finite.h>
#include <tapestry/autograd/ops.h>
#include <tapestry/autograd/profile.h>

#include "parameters.h"

using namespace tapestry;
using test::gradient;
using test::parameter;

namespace {

/// Remembers the ops seen.
struct Names : Observer {
  std::vector<std::string> ops;
  void forward(const char* name, const Tensor&, size_t) override { ops.emplace_back(name); }
  void backward_begin(const char*, size_t, const Tensor&) override {}
  void backward_end(const char*, size_t) override {}
};

}  // namespace

TEST_CASE("a Tape prints one line per op") {
  const Parameter w = parameter({2, 3}, 1);
  const Tensor x = Tensor::full({4, 2}, 1, f64);
  Tape tape;
  const Var y = tanh(matmul(Var(x), Var(w)));
  const Var loss = sum(y * y);
  std::ostringstream out;
  tape.print(out);
  CHECK(out.str() ==
        "#0 matmul (4, 3) f64 <- parameter (2, 3)  saves 64 B\n"
        "#1 tanh (4, 3) f64 <- #0  saves 96 B\n"
        "#2 mul (4, 3) f64 <- #1, #1  saves 192 B\n"
        "#3 sum () f64 <- #2\n");
  tape.backward(loss);
  CHECK_NOTHROW(tape.print(out));
}

TEST_CASE("a Profile counts calls, bytes and time") {
  const Parameter w = parameter({4}, 1);
  Profile profile;
  for (int n = 0; n < 2; ++n) {
    Tape tape;
    const Var x = exp(Var(w));
    tape.backward(sum(x * x));
  }
  const auto& entries = profile.entries();
  REQUIRE(entries.size() == 3);
  const Profile::Entry& mul = entries.at("mul");
  CHECK(mul.calls == 2);
  CHECK(mul.backward_calls == 2);
  CHECK(mul.value_bytes == 2 * 32);
  CHECK(mul.saved_bytes == 2 * 64);
  CHECK(entries.at("exp").saved_bytes == 2 * 32);
  CHECK(entries.at("sum").saved_bytes == 0);
  CHECK(entries.at("sum").value_bytes == 2 * 8);
  for (const auto& [name, e] : entries) {
    CHECK(e.forward_seconds >= 0);
    CHECK(e.backward_seconds >= 0);
  }
  std::ostringstream out;
  profile.print(out);
  CHECK(out.str().find("exp") != std::string::npos);
  exp(Var(w));  // without a Tape, nothing is saved
  CHECK(entries.at("exp").calls == 3);
  CHECK(entries.at("exp").saved_bytes == 2 * 32);
}

TEST_CASE("observers nest: the innermost watches") {
  const Parameter w = parameter({1}, 1);
  Names outer;
  exp(Var(w));
  {
    Names inner;
    tanh(Var(w));
    CHECK(inner.ops == std::vector<std::string>{"tanh"});
  }
  sqrt(Var(w));
  CHECK(outer.ops == std::vector<std::string>{"exp", "sqrt"});
}

TEST_CASE("CheckFinite names the op that made the first NaN or infinity") {
  const Parameter w(Tensor::from({3}, {1, 0, 2}, f64));
  CHECK_NOTHROW(log(Var(w)));
  const CheckFinite check;
  Tape tape;
  const Var x = w * 1.0;
  CHECK_THROWS_WITH_AS(exp(log(x)),
                       "log (op 2 of this check): its value has -inf at element 1 of (3)",
                       NonFiniteError);
  CHECK_THROWS_WITH_AS(sqrt(x - 1.0),
                       "sqrt (op 4 of this check): its value has nan at element 1 of (3)",
                       NonFiniteError);
}

TEST_CASE("CheckFinite names the op whose gradient rule made the first NaN or infinity") {
  const Parameter w(Tensor::from({3}, {1, 0, 2}, f64));
  const CheckFinite check;
  SUBCASE("in the middle") {
    Tape tape;
    const Var loss = sum(sqrt(Var(w) * 2.0));  // the derivative of sqrt at 0
    CHECK_THROWS_WITH_AS(tape.backward(loss),
                         "backward of sqrt (#1): the gradient it passes on has inf at element 1 "
                         "of (3)",
                         NonFiniteError);
  }
  SUBCASE("at a parameter") {
    Tape tape;
    const Var loss = sum(sqrt(Var(w)));
    CHECK_THROWS_AS(tape.backward(loss), NonFiniteError);
  }
  SUBCASE("in rows") {
    Tape tape;
    const Var y = embedding(Var(w), Tensor::indices({2, 1}));
    const Var loss = sum(record("blow_up", y.value() * 1.0, wrt(y, [](const Tensor& dy) {
                                  return dy * std::numeric_limits<double>::infinity();
                                })));
    CHECK_THROWS_WITH_AS(tape.backward(loss),
                         "backward of blow_up (#1): the gradient it passes on has inf at element "
                         "0 of (2)",
                         NonFiniteError);
  }
  SUBCASE("nowhere") {
    Tape tape;
    CHECK_NOTHROW(tape.backward(sum(square(Var(w)))));
  }
}
