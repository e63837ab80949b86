// Gradients that are asked for, cotangents that are given, and ops with several outputs.

#include <doctest/doctest.h>

#include <tapestry/autograd/gradcheck.h>
#include <tapestry/autograd/ops.h>

#include "parameters.h"

using namespace tapestry;
using test::gradient;
using test::parameter;

namespace {

using Doubles = std::vector<double>;

Doubles numbers(const Tensor& t) { return t.to_vector<double>(); }

/// Counts the ops that run backward.
struct Counter : Observer {
  int64_t backward = 0;
  void forward(const char*, const Tensor&, size_t) override {}
  void backward_begin(const char*, size_t, const Tensor&) override { ++backward; }
  void backward_end(const char*, size_t) override {}
};

/// x -> (3 x, x^2, x^3), whose rule counts what reached it.
std::array<Var, 3> powers(const Var& x) {
  const Tensor v = x.value();
  return record_all(
      "powers", std::array{v * 3.0, square(v), square(v) * v},
      wrt(jointly(x), v,
          [](const Tensor& d1, const Tensor& d2, const Tensor& d3, Grad& dx, const Tensor& u) {
            if (d1.defined()) dx.add(d1 * 3.0);
            if (d2.defined()) dx.add(d2 * u * 2.0);
            if (d3.defined()) dx.add(d3 * u * u * 3.0);
          }));
}

}  // namespace

TEST_CASE("backward takes a cotangent in the shape of the result") {
  const Parameter w = parameter({2}, 3);
  const Tensor dy = Tensor::from({2}, {1, -2}, f64);
  {
    Tape tape;
    tape.backward(square(Var(w)), dy);
    CHECK(gradient(w) == Doubles{6, -12});
    CHECK(numbers(dy) == Doubles{1, -2});
  }
  Tape tape;
  const Var y = square(Var(w));
  CHECK_THROWS_WITH_AS(tape.backward(y, Tensor::zeros({3}, f64)),
                       "backward: a gradient of shape (3) was given for (2)", ShapeError);
  CHECK_THROWS_WITH_AS(tape.backward(y, Tensor::zeros({2})),
                       "backward: a gradient of type f32 was given for f64 (2)", DTypeError);
  CHECK_THROWS_AS(tape.backward(Var(dy), dy), TapeError);
  tape.backward(y, dy);  // the failures before did not use the Tape up
  CHECK(gradient(w) == Doubles{12, -24});
}

TEST_CASE("gradients of watched inputs, results and parameters leave Parameter::grad alone") {
  const Parameter w = parameter({2}, 3);
  Tape tape;
  const Var x = tape.watch(Tensor::from({2}, {1, 2}, f64));
  const Var h = x * Var(w);
  const Var loss = sum(square(h));
  for (int pass = 0; pass < 2; ++pass) {  // the tape can be asked again
    const auto d = tape.gradients(loss, {x, h, w, loss, x});
    REQUIRE(d.size() == 5);
    CHECK(numbers(d[0]) == Doubles{18, 36});
    CHECK(numbers(d[1]) == Doubles{6, 12});
    CHECK(numbers(d[2]) == Doubles{6, 24});
    CHECK(numbers(d[3]) == Doubles{1});
    CHECK(numbers(d[4]) == numbers(d[0]));
    CHECK(w.grad().empty());
  }
  const auto seeded = tape.gradients(h, {x}, Tensor::from({2}, {0, 1}, f64));
  CHECK(numbers(seeded[0]) == Doubles{0, 3});
  const Var more = sum(h) + loss;  // recorded on
  CHECK(numbers(tape.gradients(more, {x})[0]) == Doubles{21, 39});
  tape.backward(more);
  CHECK(gradient(w) == Doubles{7, 26});
  CHECK_THROWS_WITH_AS(tape.gradients(loss, {x}), "gradients: this Tape has already run backward",
                       TapeError);
}

TEST_CASE("gradients skip what no input flows into") {
  const Parameter w = parameter({2}, 3), v = parameter({2}, 2);
  Counter counter;
  Tape tape;
  const Var x = tape.watch(Tensor::full({2}, 1, f64)), other = tape.watch(x.value());
  const Var branch = exp(tanh(Var(w) * other));  // three ops without x
  const Var loss = sum(x * Var(v) + branch);
  CHECK(numbers(tape.gradients(loss, {x})[0]) == Doubles{2, 2});
  CHECK(counter.backward == 3);  // sum, add, mul
  CHECK(numbers(tape.gradients(loss, {v})[0]) == Doubles{1, 1});
  counter.backward = 0;
  tape.backward(loss);
  CHECK(counter.backward > 3);
  CHECK_FALSE(w.grad().empty());
}

TEST_CASE("gradients of inputs without influence are zero, of constants an error") {
  Parameter w = parameter({2}, 3);
  Tape tape;
  const Var x = tape.watch(Tensor::full({3}, 1, f64));
  const Var y = sum(Var(w));
  CHECK(numbers(tape.gradients(y, {x})[0]) == Doubles{0, 0, 0});
  CHECK_THROWS_WITH_AS(tape.gradients(y, {x, Var(Tensor::zeros({4}))}),
                       "gradients: input #2 of shape (4) is a constant or frozen (see Tape::watch)",
                       TapeError);
  w.freeze();
  CHECK_THROWS_AS(tape.gradients(y, {w}), TapeError);
  w.freeze(false);
  CHECK_THROWS_AS(tape.gradients(exp(x), {x}), ShapeError);  // not a scalar
  CHECK_THROWS_AS(tape.watch(Tensor()), Error);
}

TEST_CASE("a rule that throws while gradients are asked for leaves the Tape usable") {
  const Parameter w = parameter({2}, 3);
  static bool fails;
  fails = true;
  Tape tape;
  const Var x = tape.watch(Tensor::full({2}, 1, f64));
  const Var y = record("moody", x.value() * 2.0, wrt(x, [](const Tensor& dy) {
                         if (fails) throw std::runtime_error("no");
                         return dy * 2.0;
                       }));
  const Var loss = sum(y * Var(w));
  CHECK_THROWS_AS(tape.gradients(loss, {x}), std::runtime_error);
  fails = false;
  CHECK(numbers(tape.gradients(loss, {x})[0]) == Doubles{6, 6});
  tape.backward(loss);
  CHECK(gradient(w) == Doubles{2, 2});
}

TEST_CASE("rows of a table that is asked for come dense") {
  const Parameter table = parameter({3, 1}, 2);
  Tape tape;
  const Var loss = sum(square(embedding(Var(table), Tensor::indices({2, 0, 2}))));
  CHECK(numbers(tape.gradients(loss, {table})[0]) == Doubles{4, 0, 8});
  CHECK(table.grad().empty());
}

TEST_CASE("an op with several outputs gets a gradient for those that were used") {
  const Parameter w = parameter({2}, 2);
  const auto run = [&](auto loss) {
    w.grad().clear();
    Tape tape;
    const auto y = powers(Var(w));
    CHECK(tape.names() == std::vector<std::string>{"powers"});
    tape.backward(loss(y));
    return gradient(w);
  };
  CHECK(run([](const auto& y) { return sum(y[0]); }) == Doubles{3, 3});
  CHECK(run([](const auto& y) { return sum(y[2]); }) == Doubles{12, 12});
  CHECK(run([](const auto& y) { return sum(y[1] * y[2] + y[0]); }) == Doubles{83, 83});
  Tape tape;
  const auto y = powers(Var(w));
  w.grad().clear();
  CHECK(numbers(tape.gradients(sum(y[0] * y[1]), {y[0], y[1], w})[1]) == Doubles{6, 6});
  CHECK(numbers(tape.gradients(y[1], {w}, Tensor::full({2}, 1, f64))[0]) == Doubles{4, 4});
  tape.backward(y[2], Tensor::full({2}, 1, f64));  // an output is not followed by others only
  CHECK(gradient(w) == Doubles{12, 12});
}

TEST_CASE("an op with several outputs passes a gradient check") {
  const GradReport report = gradcheck(
      [](std::span<const Var> in) {
        const auto [a, b, c] = powers(in[0]);
        return a * b + tanh(c);
      },
      {Tensor::from({3}, {0.4, -0.7, 0.9}, f64)});
  CHECK_MESSAGE(report.ok, report.message);
  const auto constant = powers(Tensor::full({1}, 2, f64));
  CHECK(constant[2].value().item() == 8);
}
