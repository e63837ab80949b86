#include <doctest/doctest.h>

#include <sstream>
#include <thread>

#include <tapestry/autograd/ops.h>

#include "parameters.h"

using namespace tapestry;
using test::gradient;
using test::parameter;

namespace {

template <class... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

}  // namespace

TEST_CASE("errors of ops name the op and the sizes") {
  const Var a = Tensor::zeros({20, 650}), b = Tensor::zeros({600, 2600});
  CHECK_THROWS_WITH_AS(
      matmul(a, b), "matmul: (20, 650) x (600, 2600): inner sizes 650 and 600 differ", ShapeError);
  CHECK_THROWS_WITH_AS(a + Var(Tensor::zeros({20, 600})),
                       "add: (20, 650) and (20, 600) do not broadcast: dim 1 is 650 and 600",
                       ShapeError);
  CHECK_THROWS_WITH_AS(
      embedding(Var(Tensor::zeros({10000, 1})), Tensor::indices({0, 1, 2, 3, 4, 5, 6, 10000})),
      "embedding: ids[7] = 10000 is outside a table of 10000 rows", IndexError);
}

TEST_CASE("a failed op leaves the recording as it was") {
  const Parameter w = parameter({2}, 3), v = parameter({2}, 4);
  Var old;
  {
    Tape tape;
    old = Var(w) * 2.0;
  }
  Tape tape;
  const Var x = square(Var(w));
  CHECK_THROWS_AS(Var(v) * old, TapeError);  // the rule of v came first
  CHECK_THROWS_AS(Var(v) + Var(Tensor::zeros({3}, f64)), ShapeError);
  tape.backward(sum(x * 1.5));
  CHECK(v.grad().empty());
  CHECK(gradient(w) == std::vector<double>(2, 9));
}

TEST_CASE("backward needs a scalar that this Tape recorded") {
  const Parameter w = parameter({20, 650}, 1);
  Tape tape;
  CHECK_THROWS_WITH_AS(tape.backward(exp(Var(w))),
                       "backward: loss has shape (20, 650), expected a scalar (use sum or mean)",
                       ShapeError);
  CHECK_THROWS_AS(tape.backward(Var()), ShapeError);
  CHECK_THROWS_WITH_AS(tape.backward(Var(Tensor::scalar(1))),
                       "backward: the loss was not recorded on this Tape (it depends on no "
                       "parameter, or was computed outside the Tape's scope)",
                       TapeError);
  tape.backward(sum(Var(w)));  // the failures before did not use the Tape up
  CHECK(gradient(w)[0] == 1);
}

TEST_CASE("a value of an ended Tape cannot be used while one records") {
  const Parameter c = parameter({2, 3}, 1);
  Var old;
  {
    Tape tape;
    old = Var(c) * 2.0;
  }
  Tape tape;
  CHECK_THROWS_WITH_AS(
      lstm_gates(Var(Tensor::zeros({2, 12}, f64)), old),
      "lstm_gates: input #2 was recorded on a Tape that has ended or belongs to another thread "
      "(call detach() to carry a value into the next window)",
      TapeError);
  CHECK_THROWS_WITH_AS(
      concat({Var(c), Var(c), old}),
      "concat: input #3 was recorded on a Tape that has ended or belongs to another thread "
      "(call detach() to carry a value into the next window)",
      TapeError);
  CHECK_NOTHROW(concat({Var(c), old.detach()}));
}

TEST_CASE("a saved tensor that was changed in place is an error that names the op") {
  const Parameter w = parameter({20, 650}, 2);
  Tensor x = Tensor::full({20, 650}, 3, f64);
  {
    Tape tape;
    const Var loss = sum(exp(Var(w)) * Var(x));
    const uint32_t saved = x.version();
    x.mul_(2);
    CHECK_THROWS_WITH_AS(tape.backward(loss),
                         join("backward of mul (#1): saved tensor (20, 650) was modified in place "
                              "after the forward pass (version ",
                              saved + 1, ", saved at ", saved, ")")
                             .c_str(),
                         TapeError);
  }
  {
    Tape tape;  // a change through a view counts too
    const Var loss = sum(Var(w) * Var(x));
    x.select(0, 3).fill_(1);
    CHECK_THROWS_AS(tape.backward(loss), TapeError);
  }
  {
    Tape tape;  // what no rule needs may change
    const Var y = Var(w) + Var(x);
    x.fill_(0);
    CHECK_NOTHROW(tape.backward(sum(y)));
  }
  Parameter p = parameter({2}, 1);
  Tape tape;
  const Var loss = sum(square(Var(p)));
  p.value().mul_(0.5);  // an update between forward and backward
  CHECK_THROWS_AS(tape.backward(loss), TapeError);
}

TEST_CASE("one Tape per thread, one backward per Tape") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  CHECK_THROWS_WITH_AS(Tape(),
                       "Tape: another Tape is recording on this thread (end its scope, or suspend "
                       "it with Tape::Pause)",
                       TapeError);
  const Var loss = sum(Var(w));  // the failed one changed nothing
  CHECK(tape.size() == 1);
  tape.backward(loss);
  CHECK_THROWS_WITH_AS(tape.backward(loss), "backward: this Tape has already run backward",
                       TapeError);
  CHECK_THROWS_WITH_AS(exp(Var(w)), "exp: this Tape has already run backward (end its scope first)",
                       TapeError);
  CHECK(gradient(w) == std::vector<double>(2, 1));
}

TEST_CASE("a Tape belongs to its thread") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  const Var x = exp(Var(w)), loss = sum(x);
  std::thread([&] {
    CHECK_THROWS_WITH_AS(tape.backward(loss),
                         "backward: call it on the thread that recorded the Tape, outside of "
                         "Tape::Pause",
                         TapeError);
    Tape other;
    CHECK_THROWS_WITH_AS(
        square(x),
        "square: input #1 was recorded on a Tape that has ended or belongs to another thread "
        "(call detach() to carry a value into the next window)",
        TapeError);
    CHECK_NOTHROW(square(x.detach()));
    CHECK_THROWS_AS(other.backward(loss), TapeError);
  }).join();
  tape.backward(loss);
  CHECK(gradient(w)[0] == x.value().at({0}));
}

TEST_CASE("backward under a Pause is an error") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  const Var loss = sum(Var(w));
  {
    const Tape::Pause pause;
    CHECK_THROWS_AS(tape.backward(loss), TapeError);
  }
  CHECK_NOTHROW(tape.backward(loss));
}

TEST_CASE("a parameter whose gradient nothing applies, while others are applied, is an error") {
  const Parameter w = parameter({10000, 650}, 1, f32), v = parameter({1, 650}, 1, f32);
  const auto run = [&] {
    Tape tape;
    tape.backward(sum(Var(w)) + sum(Var(v)));
  };
  CHECK_NOTHROW(run());  // nothing applies any
  v.ref()->held = true;
  CHECK_THROWS_WITH_AS(
      run(),
      "backward: a (10000, 650) parameter has a gradient that nothing applies, while "
      "others of this Tape are applied (is it part of the model that is trained?)",
      TapeError);
  w.ref()->frozen = true;
  CHECK_NOTHROW(run());
  w.ref()->frozen = false;
  w.ref()->held = true;
  CHECK_NOTHROW(run());
}

TEST_CASE("a rule that changes the gradient it is given is an error that names the op") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  const Var y = record("careless", w.value() * 2.0, wrt(Var(w), [](const Tensor& dy) {
                         Tensor d = dy;
                         return d.mul_(2);
                       }));
  CHECK_THROWS_WITH_AS(
      tape.backward(sum(exp(y))),
      "backward of careless (#0): a rule modified the gradient (2) it was given in place",
      TapeError);
}

TEST_CASE("contributions that do not fit are errors") {
  const Parameter w = parameter({2, 3}, 1);
  const auto with = [&](auto rule) {
    Tape tape;
    const Var y = record("wrong", w.value() * 2.0, wrt(Var(w), rule));
    tape.backward(sum(y));
  };
  CHECK_THROWS_AS(with([](const Tensor&) { return Tensor::zeros({3, 2}, f64); }), ShapeError);
  CHECK_THROWS_AS(with([](const Tensor&) { return Tensor::zeros({2, 3}, f32); }), DTypeError);
  CHECK_THROWS_AS(with([](const Tensor&) { return Tensor(); }), Error);
  CHECK_THROWS_AS(with([](Grad& g, const Tensor&) { g.add(Tensor::zeros({3}, f64)); }), ShapeError);
  CHECK_THROWS_AS(with([](Grad& g, const Tensor&) { g.add(Tensor()); }), Error);
  CHECK(w.grad().empty());
  CHECK_NOTHROW(with([](const Tensor&) { return Tensor::zeros({4, 2, 3}, f64); }));  // summed
}

TEST_CASE("a joint rule may add to every input without asking which are wanted") {
  const auto scaled_sum = [](const Var& a, const Var& b) {
    return record("scaled_sum", a.value() + b.value() * 2.0,
                  wrt(jointly(a, b), [](const Tensor& dy, Grad& da, Grad& db) {
                    da.add(dy);
                    db.add(dy * 2.0);
                  }));
  };
  const Parameter w = parameter({2}, 1);
  const Tensor c = Tensor::full({2}, 1, f64);
  for (const bool first : {true, false}) {
    w.grad().clear();
    Tape tape;
    tape.backward(sum(first ? scaled_sum(Var(w), c) : scaled_sum(c, Var(w))));
    CHECK(gradient(w) == std::vector<double>(2, first ? 1 : 2));
  }
}

TEST_CASE("an op may list an undefined tensor") {
  const Parameter w = parameter({2}, 1);
  Tape tape;
  const Var y = record("optional", w.value() * 2.0,
                       wrt(Var(w), Tensor(), [](const Tensor& dy, const Tensor& scale) {
                         return scale.defined() ? dy * scale : dy * 2.0;
                       }));
  tape.backward(sum(y));
  CHECK(gradient(w) == std::vector<double>(2, 2));
}

TEST_CASE("undefined Vars are errors in every op") {
  const Var u, d = Tensor::full({2, 2}, 1, f64);
  const Tensor ids = Tensor::indices({0, 1});
  const Parameter w = parameter({2, 2}, 1), absent;
  Tape tape;
  const Var p = w;
#define THROWS(...) CHECK_THROWS_AS((__VA_ARGS__), Error)
  THROWS(u + p);
  THROWS(p * u);
  THROWS(u - 1.0);
  THROWS(1.0 / u);
  THROWS(exp(u));
  THROWS(dropout(u, 0.5, nullptr).value() + d.value());
  THROWS(where(ids, u, p));
  THROWS(where(Tensor(), d, p));
  THROWS(matmul(u, p));
  THROWS(affine(p, u, d));
  THROWS(affine(u, p, d));
  THROWS(affine(p, d, u));
  THROWS(sum(u));
  THROWS(mean(u, 0));
  THROWS(max(u));
  THROWS(min(u, 0));
  THROWS(cumsum(u, 0));
  THROWS(pow(u, 2));
  THROWS(gelu(u));
  THROWS(silu(u));
  THROWS(maximum(p, u));
  THROWS(slice(u, 0, 0, 1));
  THROWS(permute(u, {0, 1}));
  THROWS(expand(u, {2, 2}));
  THROWS(unsqueeze(u, 0));
  THROWS(flip(u, 0));
  THROWS(gather(u, 0, ids));
  THROWS(gather(p, 0, Tensor()));
  THROWS(conv1d(u, p));
  THROWS(conv1d(p, u));
  THROWS(nll(u, ids));
  THROWS(nll(p, Tensor()));
  THROWS(bce_with_logits(u, d.value()));
  THROWS(bce_with_logits(p, Tensor()));
  THROWS(softmax(u));
  THROWS(layer_norm(u, p, p));
  THROWS(layer_norm(p, u, p));
  THROWS(cross_entropy(u, ids));
  THROWS(cross_entropy(p, Tensor()));
  THROWS(mse(u, p));
  THROWS(huber(p, u));
  THROWS(reshape(u, {1}));
  THROWS(reshape(u, Shape{1}));
  THROWS(transpose(u));
  THROWS(select(u, 0, 0));
  THROWS(narrow(u, 0, 0, 0));
  THROWS(concat({p, u}));
  THROWS(stack({u, u}));
  THROWS(stack(std::span<const Var>{}));
  THROWS(concat(std::span<const Var>{}));
  THROWS(embedding(u, ids));
  THROWS(embedding(p, Tensor()));
  THROWS(lstm_gates(u, p));
  THROWS(gru_gates(p, u, p));
  THROWS(Var(absent));
  THROWS(absent.grad());
#undef THROWS
}
