#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <tapestry/autograd/gradcheck.h>
#include <tapestry/autograd/ops.h>

// gradcheck itself must be able to fail: every kind of wrong op is reported, and says how.

using namespace tapestry;

namespace {

Tensor input(const Shape& shape, uint64_t seed = 3) {
  Tensor t = Tensor::empty(shape, f64);
  Rng rng(seed);
  for (double& x : t.write<double>()) x = rng.uniform(0.3, 0.9);
  return t;
}

GradReport check(Var (*f)(const Var&), const Shape& shape = {3, 4}) {
  return gradcheck([f](std::span<const Var> in) { return f(in[0]); }, {input(shape)});
}

/// y = 3 x with a rule to be tried.
template <class F>
Var triple(const Var& x, F rule) {
  return record("triple", x.value() * 3.0, wrt(x, rule));
}

void check_fails(const GradReport& report, const std::string& message) {
  CHECK_FALSE(report.ok);
  CHECK_MESSAGE(report.message.find(message) != std::string::npos, report.message);
}

}  // namespace

TEST_CASE("a right op passes, and its ops are listed") {
  const GradReport report =
      check([](const Var& x) { return triple(x, [](const Tensor& dy) { return dy * 3.0; }); });
  CHECK_MESSAGE(report.ok, report.message);
  CHECK(report.worst < 1e-9);
  CHECK(report.message.empty());
  CHECK(report.ops == std::vector<std::string>{"triple"});
  CHECK(check([](const Var& x) { return exp(tanh(x) * x); }).ok);
  CHECK(check([](const Var& x) { return sum(x); }, {}).ok);
  CHECK(check([](const Var& x) { return x * 2.0; }, {0, 3}).ok);
}

TEST_CASE("a wrong factor is reported with the element") {
  const GradReport report =
      check([](const Var& x) { return triple(x, [](const Tensor& dy) { return dy * 3.001; }); });
  check_fails(report, "input 0 element 0: analytic ");
  CHECK(report.worst > 1e-5);
  check_fails(check([](const Var& x) { return triple(x, [](const Tensor& dy) { return -dy; }); }),
              "numeric");
}

TEST_CASE("one wrong element among many is reported") {
  check_fails(check([](const Var& x) {
                return triple(x, [](const Tensor& dy) {
                  Tensor d = dy * 3.0;
                  return d.set_({2, 3}, 0);
                });
              }),
              "input 0 element 11: analytic ");
}

TEST_CASE("a rule that forgets an input is reported") {
  check_fails(check([](const Var& x) { return record("free", x.value() * 3.0); }), "analytic 0,");
  check_fails(gradcheck(
                  [](std::span<const Var> in) {
                    return record("half", in[0].value() * in[1].value(),
                                  wrt(in[0], in[1].value(),
                                      [](const Tensor& dy, const Tensor& y) { return dy * y; }));
                  },
                  {input({3}), input({3}, 4)}),
              "input 1 element 0: analytic 0,");
}

TEST_CASE("an input on which the value does not depend needs no rule") {
  CHECK(gradcheck([](std::span<const Var> in) { return exp(in[0]) + Var(in[1]).detach() * 0.0; },
                  {input({3}), input({3})})
            .ok);
}

TEST_CASE("a rule that overwrites instead of adding is reported") {
  check_fails(check([](const Var& x) {
                return triple(x, [](Grad& dx, const Tensor& dy) { dx.dense().copy_(dy * 3.0); });
              }),
              "the gradient of input 0 does not add to what is there");
}

TEST_CASE("an op that modifies its input is reported") {
  const auto in_place = [](const Var& x) {
    Tensor t = x.value();
    t.mul_(2);
    return triple(x, [](const Tensor& dy) { return dy * 3.0; });
  };
  check_fails(check(in_place), "input 0 was modified");
  // also when doing it twice changes nothing
  check_fails(check([](const Var& x) {
                Tensor t = x.value();
                t.copy_(clamp(t, 0, 0.5));
                return triple(x, [](const Tensor& dy) { return dy * 3.0; });
              }),
              "input 0 was modified");
}

TEST_CASE("a rule that modifies what it saved or was given is reported") {
  check_fails(check([](const Var& x) {
                return record("spoils", square(x.value()),
                              wrt(x, x.value(), [](const Tensor& dy, const Tensor& v) {
                                Tensor t = v;
                                const Tensor d = dy * v * 2.0;
                                t.mul_(2);
                                return d;
                              }));
              }),
              "input 0 was modified");
  CHECK_THROWS_AS(check([](const Var& x) {
                    return triple(x, [](const Tensor& dy) {
                      Tensor t = dy;
                      return t.mul_(3);
                    });
                  }),
                  TapeError);
}

TEST_CASE("an op whose value depends on recording is reported") {
  check_fails(check([](const Var& x) {
                const double factor = recording.tape ? 3.0 : 3.5;
                return record("moody", x.value() * factor,
                              wrt(x, [](const Tensor& dy) { return dy * 3.5; }));
              }),
              "the value differs with and without a tape");
}

TEST_CASE("an op that takes every input for contiguous is reported") {
  const auto flat = [](const Var& x) {
    const double* data = x.value().data<double>();
    Tensor y = Tensor::empty(x.shape(), f64);
    for (double& v : y.write<double>()) v = 3 * *data++;
    return record("flat", y, wrt(x, [](const Tensor& dy) { return dy * 3.0; }));
  };
  check_fails(check(flat), "the value differs for strided inputs");
}

TEST_CASE("a rule that takes what it saved for contiguous is reported") {
  check_fails(check([](const Var& x) {
                return record("flat_rule", square(x.value()),
                              wrt(x, x.value(), [](const Tensor& dy, const Tensor& v) {
                                const double* data = v.data<double>();
                                Tensor d = dy.clone();
                                for (double& e : d.write<double>()) e *= 2 * *data++;
                                return d;
                              }));
              }),
              "the gradient of input 0 differs for strided inputs");
}

TEST_CASE("an op wrong for broadcast inputs only is reported") {
  check_fails(check([](const Var& x) {
                const bool repeats = x.value().strides()[0] == 0;
                return record("dislikes_zero", x.value() * (repeats ? 4.0 : 3.0),
                              wrt(x, [](const Tensor& dy) { return dy * 3.0; }));
              }),
              "the value differs for broadcast inputs");
}

TEST_CASE("a gradient that depends on which others are wanted is reported") {
  check_fails(gradcheck(
                  [](std::span<const Var> in) {
                    return record(
                        "entangled", in[0].value() + in[1].value(),
                        wrt(jointly(in[0], in[1]), [](const Tensor& dy, Grad& da, Grad& db) {
                          da.add(db.wanted() ? dy : dy * 2.0);
                          db.add(dy);
                        }));
                  },
                  {input({3}), input({3}, 4)}),
              "the gradient of input 0 depends on which others are wanted");
}

TEST_CASE("a NaN gradient is reported") {
  const GradReport report = check(
      [](const Var& x) { return triple(x, [](const Tensor& dy) { return dy * std::nan(""); }); });
  check_fails(report, "analytic ");
  check_fails(report, "nan");
  check_fails(check([](const Var& x) {
                return record("nan", x.value() * std::nan(""),
                              wrt(x, [](const Tensor& dy) { return dy * std::nan(""); }));
              }),
              "");
}

TEST_CASE("a tensor that outlives the op is reported") {
  static std::vector<Tensor> leak;
  check_fails(check([](const Var& x) {
                leak.push_back(x.value().clone());
                return x * 3.0;
              }),
              "a tensor outlived the check");
  leak.clear();
}

TEST_CASE("a kink within the step is pointed out") {
  check_fails(
      gradcheck([](std::span<const Var> in) { return abs(in[0]); }, {Tensor::full({1}, 2e-6, f64)}),
      "is there a kink within");
}

TEST_CASE("a kink farther away than the smaller step is none") {
  const GradReport report = gradcheck([](std::span<const Var> in) { return relu(in[0]) * 3.0; },
                                      {Tensor::from({3}, {5e-4, -3e-4, 0.7}, f64)});
  CHECK_MESSAGE(report.ok, report.message);
}

TEST_CASE("a kink at the input itself is pointed out") {
  check_fails(
      gradcheck([](std::span<const Var> in) { return relu(in[0]); }, {Tensor::zeros({1}, f64)}),
      "is there a kink within");
}

TEST_CASE("a wrong rule is not mistaken for a kink") {
  const GradReport report =
      check([](const Var& x) { return triple(x, [](const Tensor& dy) { return dy * 3.1; }); });
  check_fails(report, "relative error");
  CHECK(report.message.find("kink") == std::string::npos);
}

TEST_CASE("expanded and transposed inputs are checked as copies of their own") {
  const auto sum_of = [](std::span<const Var> in) { return sum(square(in[0]) * in[1]); };
  const Tensor row = input({1, 40}), square_root = input({4, 3});
  const GradReport expanded = gradcheck(sum_of, {row.expand({30, 40}), input({40}, 5)});
  CHECK_MESSAGE(expanded.ok, expanded.message);
  const std::vector<double> before = square_root.to_vector<double>();
  const GradReport transposed = gradcheck(sum_of, {square_root.transpose(), input({4}, 5)});
  CHECK_MESSAGE(transposed.ok, transposed.message);
  CHECK(square_root.to_vector<double>() == before);
}

TEST_CASE("inputs must be f64") {
  CHECK_THROWS_WITH_AS(
      gradcheck([](std::span<const Var> in) { return in[0] * 2.0; }, {Tensor::zeros({2, 3})}),
      "gradcheck: input is f32 (2, 3), expected f64 (use cast)", DTypeError);
}

TEST_CASE("a wrong gradient in a parameter is reported by name") {
  Parameter w(input({4, 5})), v(input({5}));
  const NamedParameter named[] = {{"w", &w}, {"cells.0.v", &v}};
  const auto loss = [&] { return sum(square(Var(w) * Var(v))); };
  const auto numeric = [&] { return loss().value().item(); };
  {
    Tape tape;
    tape.backward(loss());
  }
  const Tensor before = w.value().clone();
  CHECK(gradcheck_parameters(named, numeric).ok);
  CHECK(sum(square(w.value() - before)).item() == 0);
  const std::vector<double> kept = w.grad().dense().to_vector<double>();
  v.grad().scale(1.01);
  check_fails(gradcheck_parameters(named, numeric), "cells.0.v element ");
  CHECK(w.grad().dense().to_vector<double>() == kept);
  v.grad().clear();  // no gradient at all counts as zero
  check_fails(gradcheck_parameters(named, numeric), "analytic 0,");
  Parameter f(Tensor::zeros({2}));
  const NamedParameter single[] = {{"f", &f}};
  CHECK_THROWS_AS(gradcheck_parameters(single, numeric), DTypeError);
}
