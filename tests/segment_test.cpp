// checkpoint(): the same gradients for less memory.

#include <doctest/doctest.h>

#include <tapestry/autograd/gradcheck.h>
#include <tapestry/autograd/ops.h>
#include <tapestry/autograd/segment.h>
#include <tapestry/tensor/random.h>

#include "parameters.h"

using namespace tapestry;
using test::gradient;
using test::parameter;

namespace {

using Doubles = std::vector<double>;

Var deep(Var x, const Parameter& w, int ops) {
  for (int i = 0; i < ops; ++i) x = tanh(x * Var(w) + 0.1);
  return x;
}

struct Pair {
  Var a, b;
  auto fields() { return std::tie(a, b); }
};

}  // namespace

TEST_CASE("a checkpoint gives the same gradients and keeps less") {
  const Parameter w = parameter({100}, 0.9), x = parameter({100}, 0.3);
  const auto run = [&](bool recompute) {
    w.grad().clear();
    x.grad().clear();
    const int64_t before = storage_stats().live;
    Tape tape;
    Var y = x;
    for (int part = 0; part < 5; ++part)
      y = recompute ? checkpoint([&w](const Var& v) { return deep(v, w, 20); }, y) : deep(y, w, 20);
    const int64_t kept = storage_stats().live - before;
    tape.backward(sum(y * y));
    return std::tuple(kept, gradient(w), gradient(x));
  };
  const auto [all, w1, x1] = run(false);
  const auto [few, w2, x2] = run(true);
  CHECK(w1 == w2);
  CHECK(x1 == x2);
  CHECK(all >= 100);
  CHECK(few <= 20);
}

TEST_CASE("a checkpoint whose result is a view keeps no more than that") {
  const Parameter x = parameter({100}, 0.3);
  Tape tape;
  Tensor whole;
  const Var y = checkpoint(
      [&](const Var& v) {
        const Var all = exp(v);
        whole = all.value();
        return narrow(all, 0, 0, 1);
      },
      Var(x));
  CHECK(whole.unique());
  tape.backward(sum(y));
  CHECK(gradient(x)[0] == std::exp(0.3));
  CHECK(gradient(x)[99] == 0);
}

TEST_CASE("a checkpoint passes a gradient check, nested and with several results") {
  const Tensor c = Tensor::full({3}, 0.5, f64);
  const GradReport report = gradcheck(
      [&](std::span<const Var> in) {
        const Var x = in[0], y = in[1];
        const auto outer = [y, &c](const Var& a) {
          const Var b = tanh(a * y);
          const Var inner = checkpoint([b](const Var& v) { return exp(v) * b; }, a);
          return std::tuple(inner + c, Pair{b, Var(c)}, std::vector<Var>{a, b * a});
        };
        const auto [p, q, r] = checkpoint(outer, x);
        return p * q.a + q.b + r[0] * r[1];
      },
      {Tensor::from({3}, {0.4, -0.7, 0.9}, f64), Tensor::from({3}, {1.4, 0.7, -0.2}, f64)});
  CHECK_MESSAGE(report.ok, report.message);
}

TEST_CASE("a checkpoint without a Tape, and of constants, is the function alone") {
  const auto twice = [](const Var& v) { return v * 2.0; };
  const Var c = Tensor::full({1}, 3, f64);
  CHECK(checkpoint(twice, c).value().item() == 6);
  Tape tape;
  CHECK(checkpoint(twice, c).value().item() == 6);
  CHECK(tape.size() == 0);
}

TEST_CASE("a checkpoint whose result is not used is not computed again") {
  const Parameter w = parameter({1}, 2);
  int calls = 0;
  Tape tape;
  const Var unused = checkpoint([&](const Var& v) { return ++calls, exp(v); }, Var(w));
  const Var used = checkpoint([&](const Var& v) { return calls += 10, square(v); }, Var(w));
  CHECK(tape.names() == std::vector<std::string>{"checkpoint", "checkpoint"});
  tape.backward(sum(used));
  CHECK(calls == 21);
  CHECK(gradient(w) == Doubles{4});
  CHECK(unused.defined());
}

TEST_CASE("gradients that are asked for pass through checkpoints") {
  const Parameter w = parameter({1}, 2);
  Tape tape;
  const Var x = tape.watch(Tensor::full({1}, 3, f64));
  const Var y = checkpoint([&w](const Var& v) { return square(v) * Var(w); }, x);
  const Var loss = sum(y * 0.5);
  for (int pass = 0; pass < 2; ++pass) {
    const auto d = tape.gradients(loss, {x, w, y});
    CHECK(d[0].item() == 6);
    CHECK(d[1].item() == 4.5);
    CHECK(d[2].item() == 0.5);
  }
  CHECK(tape.size() == 4);
  tape.backward(loss);
  CHECK(gradient(w) == Doubles{4.5});
}

TEST_CASE("a function that gives other values the second time is found out") {
  const uint64_t seed = 5;
  CAPTURE(seed);
  const Parameter w = parameter({20}, 2);
  Rng rng(seed);
  const char* message =
      "checkpoint: result #1 has other values when it is computed again for backward (draw masks "
      "before and capture them; a value that changes meanwhile is read before, too)";
  {
    Tape tape;
    const Var y = checkpoint([&](const Var& v) { return dropout(v, 0.5, &rng); }, Var(w));
    CHECK_THROWS_WITH_AS(tape.backward(sum(y)), message, TapeError);
  }
  {
    Tape tape;
    Tensor factor = Tensor::full({20}, 1, f64);
    const Var y = checkpoint([&](const Var& v) { return v * Var(factor); }, Var(w));
    factor.fill_(2);
    CHECK_THROWS_WITH_AS(tape.backward(sum(y)), message, TapeError);
  }
  w.grad().clear();
  Tape tape;  // a mask that is drawn before
  const Tensor mask = dropout(Tensor::full({20}, 1, f64), 0.5, &rng).value();
  const Var y = checkpoint([mask](const Var& v) { return v * Var(mask); }, Var(w));
  tape.backward(sum(y));
  CHECK(gradient(w) == mask.to_vector<double>());
}

TEST_CASE("NaN values are the same the second time") {
  const Parameter w = parameter({2}, -1);
  Tape tape;
  const Var y = checkpoint([](const Var& v) { return log(v); }, Var(w));
  CHECK_NOTHROW(tape.backward(sum(y)));
}

TEST_CASE("a Var of inside a checkpoint cannot be used outside") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  Var leaked;
  const Var y = checkpoint([&](const Var& v) { return exp(leaked = v * 2.0); }, Var(w));
  const Var z = y * 3.0;  // has the number that the leaked one had
  CHECK_THROWS_AS(leaked + z, TapeError);
  tape.backward(sum(z));
}

TEST_CASE("an exception inside a checkpoint leaves the Tape usable and leaks nothing") {
  const int64_t live = storage_stats().live;
  {
    const Parameter w = parameter({2}, 3);
    Tape tape;
    CHECK_THROWS_AS(checkpoint(
                        [](const Var& v) {
                          const Var y = exp(v);
                          return y + Var(Tensor::zeros({3}, f64));
                        },
                        Var(w)),
                    ShapeError);
    const Var y = checkpoint([](const Var& v) { return square(v); }, Var(w));
    tape.backward(sum(y));
    CHECK(gradient(w) == Doubles{6, 6});
  }
  CHECK(storage_stats().live == live);
}
